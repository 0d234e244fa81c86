"""One Argo CD by its REST API: projects and applications. Implements the port `sdk.ArgoCd`.

Requests as Argo CD 3.1's API server documents them under `/swagger-ui`.
"""

import json
from typing import Any

import httpx

from understage.errors import (
    ConflictError,
    ForeignError,
    InputError,
    NotAllowedError,
    NotFoundError,
    UnderstageError,
)
from understage.integrations.argocd.settings import InstanceSettings
from understage.model.path_segment import path_segment
from understage.platform.http import HttpClient

MAX_ANSWER_BYTES = 20 * 1024 * 1024
# Of what Argo CD's lists can be narrowed to; the history of an Application is not among it.
LISTED = (
    "metadata.name",
    "metadata.labels",
    "metadata.annotations",
    "status.health",
    "status.operationState.finishedAt",
)
Json = dict[str, Any]


class ArgoCdInstance:
    """An Argo CD API server. `timeout` is the time limit of one request, in seconds."""

    def __init__(self, settings: InstanceSettings, *, timeout: float = 30.0) -> None:
        self.name = settings.name
        self.url = settings.frontend_url or settings.url
        self._settings = settings
        self._timeout = timeout
        self._session_token: str | None = None

    async def get_project(self, name: str) -> Json | None:
        """The AppProject object, or None."""
        return await self._find(f"/api/v1/projects/{_segment(name)}", f"read project {name}")

    async def apply_project(self, project: Json) -> None:
        """Create or update an AppProject; with `metadata.resourceVersion`, update that version only.

        Raises ConflictError when it changed since, else as `apply_application`.
        """
        name = project["metadata"]["name"]
        what = f"write project {name}"
        if "resourceVersion" in project["metadata"]:
            path = f"/api/v1/projects/{_segment(name)}"
            await self._request("PUT", path, what, body={"project": project})
        else:
            await self._request("POST", "/api/v1/projects", what, body={"project": project, "upsert": True})

    async def get_application(self, name: str) -> Json | None:
        """The Application object, or None."""
        return await self._find(f"/api/v1/applications/{_segment(name)}", f"read application {name}")

    async def list_project_applications(self, *, project: str) -> list[Json]:
        """The Application objects of an AppProject."""
        answer = await self._request(
            "GET", f"/api/v1/applications?projects={_segment(project)}", f"list the applications of {project}"
        )
        found = answer.get("items") or []
        # Argo CD before 2.x takes no such parameter and answers with all of them.
        return [each for each in found if (each.get("spec") or {}).get("project") == project]

    async def apply_application(self, application: Json) -> None:
        """Create or update an Application.

        Raises InputError for a specification that Argo CD refuses (it checks repository, path and destination),
        NotAllowedError, ConflictError, ForeignError.
        """
        name = application["metadata"]["name"]
        what = f"write application {name}"
        await self._request("POST", "/api/v1/applications?upsert=true&validate=true", what, body=application)

    async def list_applications(self) -> list[Json]:
        """See `ArgoCd`."""
        fields = ",".join(f"items.{field}" for field in LISTED)
        answer = await self._request("GET", f"/api/v1/applications?fields={fields}", "list applications")
        return [item for item in answer.get("items") or [] if isinstance(item, dict)]

    async def get_revision_date(self, name: str, revision: str, *, history_id: int, source: int = 0) -> str | None:
        """See `ArgoCd`."""
        found = await self.get_revision(name, revision, history_id=history_id, source=source)
        return found.get("date") if found is not None else None

    async def get_revision(self, name: str, revision: str, *, history_id: int, source: int = 0) -> Json | None:
        """See `ArgoCd`."""
        path = f"/api/v1/applications/{_segment(name)}/revisions/{_segment(revision)}/metadata"
        query = f"sourceIndex={source}&versionId={history_id}"
        try:
            answer = await self._request("GET", f"{path}?{query}", f"read revision {revision} of {name}")
        except UnderstageError:
            # A chart's version has no commit, a repository may be gone: nothing is an answer.
            return None
        return {key: answer[key] for key in ("author", "date", "message") if isinstance(answer.get(key), str)}

    async def sync_application(self, name: str, *, revision: str | None = None, prune: bool = False) -> None:
        """Begin to sync an Application. ConflictError while another sync runs, else as `apply_application`."""
        body: Json = {"name": name, "prune": prune}
        if revision is not None:
            body["revision"] = revision
        try:
            await self._request("POST", f"/api/v1/applications/{_segment(name)}/sync", f"sync {name}", body=body)
        except UnderstageError as error:
            if "another operation is already in progress" in error.message:
                raise ConflictError(error.message) from error
            raise

    async def delete_application(self, name: str, *, cascade: bool = True) -> None:
        """Begin to delete an Application, with `cascade` together with what it deployed."""
        query = f"cascade={'true' if cascade else 'false'}&propagationPolicy=foreground"
        # With a body, though an empty one: Argo CD refuses whatever changes something and has no content type.
        await self._request(
            "DELETE", f"/api/v1/applications/{_segment(name)}?{query}", f"delete application {name}", body={}
        )

    async def _find(self, path: str, what: str) -> Json | None:
        try:
            return await self._request("GET", path, what)
        except NotFoundError:
            return None
        except NotAllowedError as error:
            # Argo CD answers 403 where nothing is, so that names cannot be guessed; only a named right is a refusal.
            if error.message.endswith("permission denied"):
                return None
            raise

    async def _request(self, method: str, path: str, what: str, *, body: Any = None) -> Json:
        status, answer = await self._send(method, path, body)
        if status == 401 and self._settings.token is None:
            self._session_token = None  # sessions end after a day
            status, answer = await self._send(method, path, body)
        if status >= 300:
            raise self._refusal(status, answer, what)
        return answer

    async def _send(self, method: str, path: str, body: Any) -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {await self._token()}"}
        return await self._exchange(method, path, body, headers)

    async def _token(self) -> str:
        if self._settings.token is not None:
            return self._settings.token
        if self._session_token is None:
            credentials = {"username": self._settings.username, "password": self._settings.password}
            status, answer = await self._exchange("POST", "/api/v1/session", credentials, {})
            token = answer.get("token")
            if status >= 300 or not isinstance(token, str):
                raise self._refusal(status, answer, "sign in")
            self._session_token = token
        return self._session_token

    async def _exchange(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Json]:
        verify = not self._settings.skip_tls_verify
        client = HttpClient(transport=httpx.AsyncHTTPTransport(verify=verify))
        try:
            answer = await client.request(
                method,
                self._settings.url + path,
                headers=headers,
                json=body,
                timeout=self._timeout,
                max_bytes=MAX_ANSWER_BYTES,
            )
        except ForeignError as error:
            raise ForeignError(
                f"Argo CD {self.name!r} at {self._settings.url} does not answer: {error.message}. Check that it runs and that "
                f"{self._settings.source} names its address"
            ) from error
        finally:
            await client.close()
        return answer.status, _decode(answer.body)

    def _refusal(self, status: int, answer: Json, what: str) -> UnderstageError:
        message = str(answer.get("message") or answer.get("error") or f"status {status}").rstrip(".")
        place = f"Argo CD {self.name!r} refused to {what}"
        if status == 401:
            return ForeignError(
                f"{place}: it does not accept the credentials (401: {message}). Renew them in {self._settings.source}"
            )
        kinds: dict[int, type[UnderstageError]] = {
            400: InputError,
            403: NotAllowedError,
            404: NotFoundError,
            409: ConflictError,
        }
        if status in kinds:
            return kinds[status](f"{place}: {message}")
        return ForeignError(f"{place}: {message} (status {status})")


def _segment(name: str) -> str:
    """`name` as one segment of a path."""
    return path_segment(name, "is no name of an Argo CD object")


def _decode(payload: bytes) -> Json:
    try:
        value = json.loads(payload) if payload else {}
    except ValueError:
        return {"message": payload[:300].decode(errors="replace")}
    return value if isinstance(value, dict) else {"message": str(value)}
