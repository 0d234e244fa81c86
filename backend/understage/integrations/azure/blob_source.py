"""Reading blobs of Azure Blob Storage, signed with the account's key, a shared access signature or a token of Entra ID."""

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from understage.config.integration_settings import AzureBlobStorageIntegration
from understage.errors import ForeignError, InputError
from understage.integrations.azure.identity import AzureIdentity
from understage.integrations.reader.leased_token import LeasedToken
from understage.integrations.reader.object_source import FILE_LIMIT, MOST_OBJECTS, ObjectPlace, ObjectSource, path_of
from understage.integrations.reader.xml import parse_xml
from understage.platform.http import Answer, HttpClient

HOST = "blob.core.windows.net"
VERSION = "2021-08-06"
STORAGE = "https://storage.azure.com"


class AzureBlobSource(ObjectSource):
    """One entry of `integrations.azureBlobStorage`; containers are the buckets of its places."""

    store = "Azure Blob Storage"

    def __init__(self, http: HttpClient, entry: AzureBlobStorageIntegration) -> None:
        super().__init__(http)
        self._entry = entry
        self._base = (entry.endpoint or f"https://{entry.account_name}.{HOST}").rstrip("/")
        self._host = urlsplit(self._base).netloc.lower()
        self._key = _decode_key(entry)
        aad = entry.aad_credential
        identity = AzureIdentity(
            http,
            tenant_id=aad.tenant_id if aad else None,
            client_id=aad.client_id if aad else None,
            client_secret=aad.client_secret if aad else None,
        )
        self._lease = LeasedToken(lambda: identity.fetch_token(STORAGE))

    def covers(self, url: str) -> bool:
        """Whether the URL is on the account's host."""
        return urlsplit(url).netloc.lower() == self._host

    def parse(self, url: str) -> ObjectPlace:
        """`https://<account>.blob.core.windows.net/<container>/<blob>`."""
        container, _, key = path_of(url, "Invalid Azure Blob Storage URL format:").lstrip("/").partition("/")
        if not container or not all(character.isalnum() or character in "-$" for character in container):
            raise InputError(f"Invalid Azure Blob Storage URL format: {url}")
        return ObjectPlace(container, key)

    async def fetch(self, place: ObjectPlace, *, etag: str | None = None) -> Answer:
        """A GET of the blob."""
        url = f"{self._base}/{place.bucket}/{quote(place.key, safe='/-_.~')}"
        return await self._ask(url, {"if-none-match": etag} if etag else {})

    async def list_keys(self, place: ObjectPlace) -> list[str]:
        """The names, page by page."""
        keys: list[str] = []
        marker = ""
        while True:
            query = {
                "restype": "container",
                "comp": "list",
                "prefix": place.key,
                **({"marker": marker} if marker else {}),
            }
            answer = await self._ask(f"{self._base}/{place.bucket}?{urlencode(query, quote_via=quote)}", {})
            self.check(answer, "file tree")
            texts = [(element.tag, element.text or "") for element in parse_xml(answer).iter()]
            keys += [text for tag, text in texts if tag == "Name"]
            if len(keys) > MOST_OBJECTS:
                raise InputError(f"{place.bucket}/{place.key} holds more than {MOST_OBJECTS} blobs")
            before, marker = marker, dict(texts).get("NextMarker", "")
            if not marker:
                return keys
            if marker == before:
                raise ForeignError("Azure Blob Storage answered the same page twice")

    async def _ask(self, url: str, headers: dict[str, str]) -> Answer:
        headers = {**headers, "x-ms-version": VERSION, "x-ms-date": format_datetime(datetime.now(UTC), usegmt=True)}
        if self._key is not None:
            signature = sign_shared_key("GET", url, self._entry.account_name, self._key, headers)
            headers["authorization"] = f"SharedKey {self._entry.account_name}:{signature}"
        elif self._entry.sas_token:
            url += ("&" if "?" in url else "?") + self._entry.sas_token.lstrip("?")
        else:
            headers["authorization"] = f"Bearer {await self._lease.get()}"
        return await self.http.request("GET", url, headers=headers, max_bytes=FILE_LIMIT)


def sign_shared_key(method: str, url: str, account: str, key: bytes, headers: dict[str, str]) -> str:
    """The signature of a request without body. `url` is encoded as it is sent, header names are lower-case."""
    parts = urlsplit(url)
    plain = ("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date")
    conditions = ("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")
    own = sorted(name for name in headers if name.startswith("x-ms-"))
    query = sorted((name.lower(), value) for name, value in parse_qsl(parts.query, keep_blank_values=True))
    text = "\n".join(
        [
            method,
            *(headers.get(name, "") for name in (*plain, *conditions)),
            *(f"{name}:{headers[name]}" for name in own),
            f"/{account}{parts.path or '/'}",
            *(f"{name}:{value}" for name, value in query),
        ]
    )
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()


def _decode_key(entry: AzureBlobStorageIntegration) -> bytes | None:
    if not entry.account_key:
        return None
    try:
        return base64.b64decode(entry.account_key, validate=True)
    except binascii.Error as error:
        raise InputError(f"integrations.azureBlobStorage of {entry.account_name}: accountKey is not base64") from error
