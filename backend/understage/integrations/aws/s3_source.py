"""Reading objects of Amazon S3, and of stores that speak its protocol."""

import re
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from understage.config.integration_settings import AwsS3Integration
from understage.errors import ForeignError, InputError
from understage.integrations.aws.credentials import AwsIdentity
from understage.integrations.aws.signing import Scope, sign
from understage.integrations.reader.object_source import FILE_LIMIT, MOST_OBJECTS, ObjectPlace, ObjectSource, path_of
from understage.integrations.reader.xml import parse_xml
from understage.platform.http import Answer, HttpClient

AMAZON = "amazonaws.com"
DEFAULT_REGION = "us-east-1"
_STANDARD = re.compile(r"(?:([a-z0-9.-]+)\.)?s3(?:[.-]([a-z0-9-]+))?\.(amazonaws\.com(?:\.cn)?)")
_PRIVATE = re.compile(r"([a-z0-9.-]+)\.bucket\.(vpce-[a-z0-9-]+)\.s3[.-]([a-z0-9-]+)\.vpce\.(amazonaws\.com(?:\.cn)?)")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{1,62}")
_REGION = re.compile(r"[a-z0-9-]{1,40}")


class AwsS3Source(ObjectSource):
    """One entry of `integrations.awsS3`: Amazon's own hosts, or those of its `endpoint`."""

    store = "S3"

    def __init__(self, http: HttpClient, entry: AwsS3Integration) -> None:
        super().__init__(http)
        self._entry = entry
        self._endpoint = urlsplit(entry.endpoint) if entry.endpoint else None
        self._host = self._endpoint.netloc.lower() if self._endpoint else AMAZON
        self._is_amazon = self._host.removesuffix(".cn").endswith(AMAZON)
        self._identities: dict[str, AwsIdentity] = {}

    def covers(self, url: str) -> bool:
        """Whether the URL is on the host, or on one below it."""
        host = urlsplit(url).netloc.lower()
        return host == self._host or host.endswith(f".{self._host}")

    def parse(self, url: str) -> ObjectPlace:
        """`https://<bucket>.s3.<region>.amazonaws.com/<key>`, or with the bucket first in the path."""
        path = path_of(url, "Invalid AWS S3 URL")
        host = urlsplit(url).netloc.lower()
        bucket, region = None, DEFAULT_REGION
        if self._is_amazon:
            private, standard = _PRIVATE.fullmatch(host), _STANDARD.fullmatch(host)
            if private is not None:
                return self._place(url, private[1], path, private[3])
            if standard is None:
                raise InputError(f"Invalid AWS S3 URL {url}")
            bucket, region = standard[1], standard[2] or DEFAULT_REGION
        elif host != self._host:
            bucket = host.removesuffix(f".{self._host}")
        if self._entry.s3_force_path_style or not bucket:
            bucket, slash, path = path.partition("/")
            if not slash:
                raise InputError(f"Invalid path-style AWS S3 URL {url}, does not contain bucket in the path")
        return self._place(url, bucket, path, region)

    async def fetch(self, place: ObjectPlace, *, etag: str | None = None) -> Answer:
        """A signed GET of the object."""
        headers = {"if-none-match": etag} if etag else {}
        return await self._ask(place, f"/{quote(place.key, safe='/-_.~')}", headers)

    async def list_keys(self, place: ObjectPlace) -> list[str]:
        """The keys, page by page."""
        keys: list[str] = []
        following = ""
        while True:
            query = {"list-type": "2", "prefix": place.key, **({"continuation-token": following} if following else {})}
            answer = await self._ask(place, f"/?{urlencode(query, quote_via=quote)}", {})
            self.check(answer, "file tree")
            root = parse_xml(answer)
            texts = [(element.tag.rpartition("}")[2], element.text or "") for element in root.iter()]
            keys += [text for tag, text in texts if tag == "Key"]
            if len(keys) > MOST_OBJECTS:
                raise InputError(f"{place.bucket}/{place.key} holds more than {MOST_OBJECTS} objects")
            before, following = following, dict(texts).get("NextContinuationToken", "")
            if not following:
                return keys
            if following == before:
                raise ForeignError("S3 answered the same page twice")

    def _place(self, url: str, bucket: str, key: str, region: str) -> ObjectPlace:
        if not _BUCKET.fullmatch(bucket) or ".." in bucket or not _REGION.fullmatch(region):
            raise InputError(f"Invalid AWS S3 URL {url}")
        return ObjectPlace(bucket, key, region)

    async def _ask(self, place: ObjectPlace, path: str, headers: dict[str, str]) -> Answer:
        url = self._base(place) + path
        identity = self._identities.get(place.region)
        if identity is None:
            # Regions of hostile URLs must not pile up.
            self._identities = {} if len(self._identities) > 50 else self._identities
            identity = self._identities[place.region] = AwsIdentity(self.http, self._entry, place.region)
        scope = Scope(place.region, "s3")
        signed = sign("GET", url, scope, await identity.keys(), datetime.now(UTC), headers=headers)
        return await self.http.request("GET", url, headers=signed, max_bytes=FILE_LIMIT)

    def _base(self, place: ObjectPlace) -> str:
        if self._endpoint is not None:
            scheme = self._endpoint.scheme
            if self._entry.s3_force_path_style or self._is_amazon:
                return f"{scheme}://{self._host}/{place.bucket}"
            return f"{scheme}://{place.bucket}.{self._host}"
        suffix = f"{AMAZON}.cn" if place.region.startswith("cn-") else AMAZON
        if self._entry.s3_force_path_style or "." in place.bucket:
            return f"https://s3.{place.region}.{suffix}/{place.bucket}"
        return f"https://{place.bucket}.s3.{place.region}.{suffix}"
