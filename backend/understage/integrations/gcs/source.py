"""Reading objects of Google Cloud Storage, signed in as a service account or as the machine."""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from understage.config.integration_settings import GoogleGcsIntegration
from understage.errors import ForeignError, InputError
from understage.integrations.reader.leased_token import LeasedToken, read_oauth_answer
from understage.integrations.reader.object_source import FILE_LIMIT, MOST_OBJECTS, ObjectPlace, ObjectSource, path_of
from understage.platform.http import Answer, HttpClient
from understage.sdk.reader import ReadFile, SearchResult

HOST = "storage.cloud.google.com"
API = "https://storage.googleapis.com/storage/v1/b"
TOKEN_URL = "https://oauth2.googleapis.com/token"
METADATA = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,221}")


class GoogleGcsSource(ObjectSource):
    """`integrations.googleGcs`; without a key there, that of `GOOGLE_APPLICATION_CREDENTIALS` counts, else the machine's."""

    store = "Google Cloud Storage"

    def __init__(
        self, http: HttpClient, entry: GoogleGcsIntegration, environment: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(http)
        self._entry = entry
        self._environment = os.environ if environment is None else environment
        self._lease = LeasedToken(self._fetch_token)

    def covers(self, url: str) -> bool:
        """Whether the URL is on the host of the console's links."""
        return urlsplit(url).netloc.lower() == HOST

    def parse(self, url: str) -> ObjectPlace:
        """`https://storage.cloud.google.com/<bucket>/<object>`."""
        bucket, _, key = path_of(url, "not a valid GCS URL:").partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise InputError(f"not a valid GCS URL: {url}")
        return ObjectPlace(bucket, key)

    async def fetch(self, place: ObjectPlace, *, etag: str | None = None) -> Answer:
        """The object's content."""
        path = f"{place.bucket}/o/{quote(place.key, safe='')}?alt=media"
        return await self._ask(path, {"If-None-Match": etag} if etag else {})

    async def list_keys(self, place: ObjectPlace) -> list[str]:
        """The names, page by page."""
        keys: list[str] = []
        following = ""
        while True:
            query = {"prefix": place.key, "fields": "items/name,nextPageToken"}
            query |= {"pageToken": following} if following else {}
            answer = await self._ask(f"{place.bucket}/o?{urlencode(query, quote_via=quote)}", {})
            self.check(answer, "file tree")
            content: Any = answer.json()
            items = content.get("items", []) if isinstance(content, dict) else None
            if not isinstance(items, list):
                raise ForeignError("Google Cloud Storage answered without a list")
            keys += [str(item.get("name")) for item in items if isinstance(item, dict)]
            if len(keys) > MOST_OBJECTS:
                raise InputError(f"{place.bucket}/{place.key} holds more than {MOST_OBJECTS} objects")
            before, following = following, str(content.get("nextPageToken") or "")
            if not following:
                return keys
            if following == before:
                raise ForeignError("Google Cloud Storage answered the same page twice")

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        """Read the object, or with a star at the end all objects that begin so."""
        place = self.parse(url)
        if "*" not in place.key:
            return await super().search(url, etag=etag)
        if place.key.index("*") != len(place.key) - 1 or "?" in place.key:
            raise InputError("GcsUrlReader only supports prefix-based searches")
        files: list[ReadFile] = []
        for key in await self.list_keys(ObjectPlace(place.bucket, place.key[:-1])):
            if not key.endswith("/"):
                found = f"https://{HOST}/{place.bucket}/{quote(key, safe='/-_.~')}"
                files.append(await self.read_url(found))
        return SearchResult(files=tuple(files))

    async def _ask(self, path: str, headers: dict[str, str]) -> Answer:
        signed = {**headers, "Authorization": f"Bearer {await self._lease.get()}"}
        return await self.http.request("GET", f"{API}/{path}", headers=signed, max_bytes=FILE_LIMIT)

    async def _fetch_token(self) -> tuple[str, float]:
        email, key = self._entry.client_email, self._entry.private_key
        file = self._environment.get("GOOGLE_APPLICATION_CREDENTIALS")
        if not (email and key) and file:
            email, key = _read_key_file(Path(file))
        if not (email and key):
            answer = await self.http.request("GET", METADATA, headers={"Metadata-Flavor": "Google"}, timeout=5.0)
            return read_oauth_answer(answer, "The service account of this machine")
        form = {"grant_type": GRANT, "assertion": _sign(email, key.replace("\\n", "\n"))}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self.http.request("POST", TOKEN_URL, headers=headers, content=urlencode(form).encode())
        return read_oauth_answer(answer, "Google")


def _sign(email: str, key: str) -> str:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    now = int(time.time())
    claims = {"iss": email, "scope": SCOPE, "aud": TOKEN_URL, "iat": now, "exp": now + 3600}
    try:
        return jwt.encode({"alg": "RS256", "typ": "JWT"}, claims, RSAKey.import_key(key))
    except (ValueError, TypeError, JoseError):
        # The cause may quote the key.
        raise InputError("the private key of integrations.googleGcs cannot be used to sign") from None


def _read_key_file(path: Path) -> tuple[str, str]:
    try:
        content = orjson.loads(path.read_bytes())
        email, key = content["client_email"], content["private_key"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ForeignError("GOOGLE_APPLICATION_CREDENTIALS names no key file of a service account") from error
    return str(email), str(key)
