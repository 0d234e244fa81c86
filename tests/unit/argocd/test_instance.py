"""The REST client: sign-in, upserts, refusals."""

import json
from typing import Any

import httpx
import pytest
import respx

from understage.errors import ConflictError, ForeignError, InputError, NotAllowedError
from understage.integrations.argocd import ArgoCdInstance, InstanceSettings

URL = "https://argocd.example.com"
APPLICATION = {"kind": "Application", "metadata": {"name": "ledger"}, "spec": {}}


def instance(**changes: Any) -> ArgoCdInstance:
    settings: dict[str, Any] = {"name": "main", "url": URL, "source": "argocd.appLocatorMethods[0]", "token": "t0k"}
    return ArgoCdInstance(InstanceSettings(**{**settings, **changes}), timeout=1)


@respx.mock
async def test_objects_are_upserted_with_the_token() -> None:
    applications = respx.post(f"{URL}/api/v1/applications?upsert=true&validate=true").respond(json={})
    projects = respx.post(f"{URL}/api/v1/projects").respond(json={})
    project = {"kind": "AppProject", "metadata": {"name": "payments"}, "spec": {}}
    await instance().apply_application(APPLICATION)
    await instance().apply_project(project)
    assert json.loads(applications.calls.last.request.content) == APPLICATION
    assert json.loads(projects.calls.last.request.content) == {"project": project, "upsert": True}
    assert applications.calls.last.request.headers["authorization"] == "Bearer t0k"


@respx.mock
async def test_a_project_of_a_known_version_is_updated_not_made() -> None:
    update = respx.put(f"{URL}/api/v1/projects/payments").respond(409, json={"message": "the object has been modified"})
    with pytest.raises(ConflictError, match="refused to write project payments: the object has been modified"):
        await instance().apply_project({"metadata": {"name": "payments", "resourceVersion": "7"}, "spec": {}})
    assert update.call_count == 1


@respx.mock
async def test_a_session_that_ended_is_renewed_once() -> None:
    session = respx.post(f"{URL}/api/v1/session")
    session.side_effect = [httpx.Response(200, json={"token": f"session-{number}"}) for number in range(2)]
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(401 if len(seen) == 2 else 200, json={"metadata": {"name": "ledger"}})

    respx.get(f"{URL}/api/v1/applications/ledger").mock(side_effect=answer)
    argocd = instance(token=None, username="bot", password="p4ss")
    for _ in range(2):
        assert await argocd.get_application("ledger")
    assert seen == ["Bearer session-0", "Bearer session-0", "Bearer session-1"]


@respx.mock
async def test_what_is_not_there_is_none() -> None:
    # Argo CD says 403 for an application that does not exist, so that names cannot be guessed
    respx.get(f"{URL}/api/v1/applications/absent").respond(403, json={"message": "permission denied"})
    respx.get(f"{URL}/api/v1/projects/absent").respond(404, json={"message": "not found"})
    assert await instance().get_application("absent") is None
    assert await instance().get_project("absent") is None


@respx.mock
@pytest.mark.parametrize(
    ("status", "answer", "error", "message"),
    [
        (400, {"message": "application spec is invalid: helm"}, InputError, "spec is invalid: helm"),
        (
            401,
            {"error": "invalid session"},
            ForeignError,
            r"401: invalid session\). Renew them in argocd.appLocatorMethods\[0\]",
        ),
        (403, {"message": "permission denied: applications, create"}, NotAllowedError, "applications, create"),
        (500, {"message": "boom"}, ForeignError, r"boom \(status 500\)"),
        (502, "<html>bad gateway</html>", ForeignError, "bad gateway"),
        (302, "", ForeignError, r"status 302"),
    ],
)
async def test_refusals_are_readable(status: int, answer: Any, error: type[Exception], message: str) -> None:
    content: dict[str, Any] = {"json": answer} if isinstance(answer, dict) else {"text": answer}
    respx.post(f"{URL}/api/v1/applications").respond(status, **content)
    with pytest.raises(error, match=message) as caught:
        await instance().apply_application(APPLICATION)
    assert "t0k" not in str(caught.value)


@respx.mock
async def test_no_answer_says_where_the_address_is_configured() -> None:
    respx.get(url__startswith=URL).mock(side_effect=httpx.ConnectTimeout)
    with pytest.raises(ForeignError, match=rf"Argo CD 'main' at {URL} does not answer.*argocd.appLocatorMethods\[0\]"):
        await instance().get_application("ledger")


@respx.mock
async def test_a_name_stays_one_segment_of_the_path() -> None:
    route = respx.get(url__startswith=URL).respond(404)
    await instance().get_application("../session?x=1#")
    assert route.calls.last.request.url.raw_path == b"/api/v1/applications/..%2Fsession%3Fx%3D1%23"
    with pytest.raises(InputError, match="is no name"):
        await instance().get_application("..")


@respx.mock
async def test_a_sync_is_begun_and_another_one_told() -> None:
    begun = respx.post(f"{URL}/api/v1/applications/ledger/sync").respond(json={})
    await instance().sync_application("ledger", revision="v1", prune=True)
    assert json.loads(begun.calls.last.request.content) == {"name": "ledger", "revision": "v1", "prune": True}
    begun.respond(400, json={"message": "rpc error: another operation is already in progress"})
    with pytest.raises(ConflictError, match="already in progress"):
        await instance().sync_application("ledger")
    begun.respond(400, json={"message": "no such revision"})
    with pytest.raises(InputError, match="refused to sync ledger: no such revision"):
        await instance().sync_application("ledger")


@respx.mock
async def test_an_application_is_deleted_with_what_it_deployed_unless_told() -> None:
    path = f"{URL}/api/v1/applications/ledger"
    calls = [
        respx.delete(f"{path}?cascade={each}&propagationPolicy=foreground").respond(json={})
        for each in ("true", "false")
    ]
    await instance().delete_application("ledger")
    await instance().delete_application("ledger", cascade=False)
    assert [each.call_count for each in calls] == [1, 1]
    with pytest.raises(InputError, match="is no name"):
        await instance().delete_application("..")
