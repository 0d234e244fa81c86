"""Reading files of AWS CodeCommit by its API. Its URLs are the pages of the console."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from understage.config.integration_settings import AwsCodeCommitIntegration
from understage.errors import ForeignError, InputError
from understage.integrations.aws.credentials import AwsIdentity
from understage.integrations.aws.signing import Scope, sign
from understage.integrations.reader.object_source import MOST_OBJECTS, ObjectPlace, ObjectSource, path_of
from understage.platform.http import Answer, HttpClient

# The content is in base64, and JSON around it.
ANSWER_LIMIT = 14 * 1024 * 1024
_NOT_FOUND = re.compile(r"(?:File|Folder|Commit|Path|Repository)DoesNotExistException")
_PAGE = re.compile(r"codesuite/codecommit/repositories/([A-Za-z0-9._-]{1,100})(?:/browse(?:/(.*?))?(?:/?--/(.*))?)?/?")


class AwsCodeCommitSource(ObjectSource):
    """One entry of `integrations.awsCodeCommit`.

    The bucket of its places is `<repository>@<ref>`; an empty ref is the default branch.
    """

    store = "CodeCommit"

    def __init__(self, http: HttpClient, entry: AwsCodeCommitIntegration) -> None:
        super().__init__(http)
        self._region = entry.region
        self._host = (entry.host or f"{entry.region}.console.aws.amazon.com").lower()
        self._identity = AwsIdentity(http, entry, entry.region)

    def covers(self, url: str) -> bool:
        """Whether the URL is a page of CodeCommit in the console of the region."""
        parts = urlsplit(url)
        return parts.netloc.lower() == self._host and parts.path.startswith("/codesuite/codecommit")

    def parse(self, url: str) -> ObjectPlace:
        """`https://<region>.console.aws.amazon.com/codesuite/codecommit/repositories/<r>/browse/<ref>/--/<path>`."""
        path = path_of(url, "Invalid AWS CodeCommit URL")
        if "/files/edit/" in f"/{path}":
            raise InputError("Please provide the view url to yaml file from CodeCommit, not the edit url")
        match = _PAGE.fullmatch(path)
        if match is None:
            raise InputError(f"Invalid AWS CodeCommit URL (unexpected path format): {url}")
        return ObjectPlace(f"{match[1]}@{(match[2] or '').strip('/')}", match[3] or "", self._region)

    async def fetch(self, place: ObjectPlace, *, etag: str | None = None) -> Answer:
        """GetFile."""
        return await self._ask("GetFile", place, {"filePath": place.key})

    def content(self, answer: Answer) -> bytes:
        """The decoded `fileContent`."""
        try:
            return base64.b64decode(_object(answer)["fileContent"])
        except (KeyError, TypeError, binascii.Error) as error:
            raise ForeignError("CodeCommit answered without the file's content") from error

    def etag(self, answer: Answer) -> str | None:
        """The commit."""
        commit = _object(answer).get("commitId")
        return commit if isinstance(commit, str) else None

    async def list_keys(self, place: ObjectPlace) -> list[str]:
        """GetFolder, folder by folder."""
        keys: list[str] = []
        waiting = [place.key.strip("/")]
        known: set[str] = set()
        while waiting:
            folder = waiting.pop()
            if folder in known:
                continue
            known.add(folder)
            answer = await self._ask("GetFolder", place, {"folderPath": folder or "/"})
            self.check(answer, "file tree")
            content = _object(answer)
            keys += _paths(content.get("files"))
            waiting += _paths(content.get("subFolders"))
            if len(keys) + len(known) + len(waiting) > MOST_OBJECTS:
                raise InputError(f"{place.bucket} holds more than {MOST_OBJECTS} files and folders there")
        return keys

    def edit_url(self, url: str) -> str | None:
        """The page's edit form."""
        return re.sub(
            r"(/codesuite/codecommit/repositories/[^/]+)/(?:browse|files/edit)/", r"\1/files/edit/", url, count=1
        )

    async def _ask(self, operation: str, place: ObjectPlace, request: dict[str, str]) -> Answer:
        repository, _, ref = place.bucket.partition("@")
        content = orjson.dumps({"repositoryName": repository, **({"commitSpecifier": ref} if ref else {}), **request})
        url = f"https://codecommit.{self._region}.amazonaws.com{'.cn' if self._region.startswith('cn-') else ''}/"
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"CodeCommit_20150413.{operation}"}
        keys = await self._identity.keys()
        scope = Scope(self._region, "codecommit")
        signed = sign("POST", url, scope, keys, datetime.now(UTC), headers=headers, content=content)
        answer = await self.http.request("POST", url, headers=signed, content=content, max_bytes=ANSWER_LIMIT)
        if answer.status == 400 and _NOT_FOUND.search(answer.text):
            return Answer(404, answer.headers, answer.body, answer.url)
        return answer


def _object(answer: Answer) -> dict[str, Any]:
    content = answer.json()
    if not isinstance(content, dict):
        raise ForeignError("CodeCommit answered with something else than an object")
    return content


def _paths(items: Any) -> list[str]:
    found = [item.get("absolutePath") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [path.strip("/") for path in found if isinstance(path, str)]
