"""The GitLab actions, by the real client over recorded shapes: what is sent, as what a plan tells; once; and no token shown."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from tests.unit.actions.plans import PUSHED, comparable, planned

from understage.config.integration_settings import GitlabIntegration, IntegrationSettings
from understage.errors import ConflictError, InputError, NotAllowedError, UnderstageError
from understage.integrations.forge_apis import create_forge_apis
from understage.platform.http import HttpClient
from understage.scaffolder.actions import ActionRegistry
from understage.sdk.testing import ActionResult, Checkpoints, FakeGit, fake_ports, run_action
from understage_actions._files import PlacedFile

API = "https://gitlab.com/api/v4"
TOKEN = "glpat-configured"
WEB = "/api/v4/projects/acme%2Fweb"
TWELVE = "/api/v4/projects/12"
REPO = {"repoUrl": "gitlab.com?repo=web&owner=acme"}
ACTIONS = {action.id: action for action in ActionRegistry.from_entry_points().all() if "gitlab" in action.id}
README = {"path": "README.md", "type": "blob", "id": "5fee48bf774bbd7fa9dd1e1a0c9fefb5f1d8b2d2"}
PROJECT = {
    "id": 42, "default_branch": "main", "http_url_to_repo": "https://gitlab.com/acme/web.git",
    "path_with_namespace": "acme/web", "namespace": {"id": 7},
}  # fmt: skip
ISSUE = {
    "id": 42, "iid": 42, "project_id": 12, "state": "closed", "title": "Set up alerts", "updated_at": "2026-11-26T10:00:00.000Z",
    "web_url": "https://gitlab.com/acme/web/-/issues/42",
}  # fmt: skip
USER = {
    "id": 5, "username": "ada", "name": "Ada", "state": "active", "web_url": "https://gitlab.com/ada", "email": "",
    "created_at": "2026-01-01T00:00:00.000Z", "public_email": None,
}  # fmt: skip
READ: dict[str, Any] = {
    "/api/v4/user": USER,
    "/api/v4/users/5": USER,
    "/api/v4/users": [USER],
    "/api/v4/namespaces/acme": {"id": 7, "kind": "group"},
    "/api/v4/groups/acme": {"id": 42, "shared_with_groups": []},
    f"{WEB}/repository/branches/main": {
        "name": "main",
        "web_url": "https://gitlab.com/b",
        "commit": {"id": "1", "message": "x"},
    },
    f"{WEB}/repository/tree": [README, {"path": "deploy", "type": "tree", "id": "0" * 40}],
    f"{WEB}/merge_requests": [],
    f"{WEB}/issues": [],
    f"{TWELVE}/issues": [],
    f"{TWELVE}/issues/3": ISSUE,
}
WRITTEN: dict[str, Any] = {
    "/repository/commits": {"id": "c" * 40},
    "/merge_requests": {"iid": 42, "web_url": "https://gitlab.com/acme/web/-/merge_requests/42"},
    "/issues": ISSUE,
    "/issues/3": ISSUE,
    "/triggers": {"id": 42, "token": "trigger-token"},
    "/trigger/pipeline": {"id": 42, "web_url": "https://gitlab.com/acme/web/-/pipelines/42"},
    "/access_tokens": {"token": "made-access-token"},
    "/deploy_tokens": {"token": "made-deploy-token", "username": "cluster"},
    "/groups": {"id": 42},
    "/bulk_imports": {"id": 42},
    "/projects": PROJECT,
}


@dataclass
class Gitlab:
    """Answers as GitLab does; `exists` says whether acme/web is there. `answers` come first, by method and path."""

    exists: bool = True
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    writes: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[httpx.Headers] = field(default_factory=list)
    refusal: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.refusal is not None:
            return self.refusal
        self.headers.append(request.headers)
        path = request.url.raw_path.decode().partition("?")[0]
        asked = f"{request.method} {path}"
        if request.method == "GET":
            self.reads.append(request.url.raw_path.decode())
        else:
            body = json.loads(request.content) if request.content else None
            self.writes.append((request.method, f"https://gitlab.com{path}", body))
        if asked in self.answers:
            status, answer = self.answers[asked]
            return httpx.Response(status, json=answer)
        if request.method == "DELETE":
            return httpx.Response(204)
        found = self._read(path) if request.method == "GET" else self._written(path)
        return (
            httpx.Response(404, json={"message": "404 Not Found"}) if found is None else httpx.Response(200, json=found)
        )

    def _read(self, path: str) -> Any:
        if path == WEB:
            return PROJECT if self.exists else None
        return READ.get(path)

    def _written(self, path: str) -> Any:
        if path == "/api/v4/projects":
            self.exists = True
        return next((answer for end, answer in WRITTEN.items() if path.endswith(end)), {})


@dataclass
class Bench:
    """A workspace, GitLab, and git."""

    gitlab: Gitlab
    git: FakeGit
    workspace: Path
    token: str | None = TOKEN

    async def run(self, id: str, input: dict[str, Any], **options: Any) -> ActionResult:
        settings = IntegrationSettings(gitlab=(GitlabIntegration(token=self.token),))
        ports = fake_ports(apis=create_forge_apis(settings, HttpClient()), git=self.git)
        return await run_action(ACTIONS[id], input, workspace=self.workspace, ports=ports, **options)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    workspace = tmp_path / "workspace"
    for name, content in {
        "README.md": b"# hi", "service/main.py": b"x", "values/new.yaml": b"a: 1", "values/logo.png": b"\0\1",
    }.items():  # fmt: skip
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_bytes(content)
    gitlab = Gitlab()
    with respx.mock(assert_all_called=False) as mock:
        mock.route(host="gitlab.com").mock(side_effect=gitlab)
        yield Bench(gitlab, FakeGit(takes_any=True), workspace)


EXAMPLES = [(id, index) for id, action in ACTIONS.items() for index in range(len(action.examples))]
READS_ONLY = {"gitlab:user:info"}


def example(id: str, index: int = 0) -> dict[str, Any]:
    return ACTIONS[id].examples[index].input


@pytest.mark.parametrize(("id", "index"), EXAMPLES)
async def test_a_plan_is_what_a_run_does(id: str, index: int, bench: Bench) -> None:
    bench.gitlab.exists = id != "publish:gitlab"
    plan = await bench.run(id, example(id, index), dry_run=True)
    assert (bench.gitlab.writes, bench.git.commits) == ([], [])
    run = await bench.run(id, example(id, index))
    told, sent = planned(plan.log), bench.gitlab.writes
    assert [(method, url) for method, url, _ in told] == [(method, url) for method, url, _ in sent]
    for (_, _, expected), (_, _, body) in zip(told, sent, strict=True):
        assert comparable(expected, body) == expected
    pushes = [match.groups()[1:] for line in plan.log if (match := PUSHED.fullmatch(line))]
    assert pushes == [(commit.branch, commit.remote_url) for commit in bench.git.commits]
    assert plan.output.keys() == run.output.keys()
    assert sent or bench.git.commits or id in READS_ONLY


@pytest.mark.parametrize(("id", "index"), EXAMPLES)
async def test_a_step_that_runs_again_sends_nothing_again(id: str, index: int, bench: Bench) -> None:
    bench.gitlab.exists = id != "publish:gitlab"
    checkpoints = Checkpoints()
    first = await bench.run(id, example(id, index), checkpoints=checkpoints)
    bench.gitlab.writes.clear()
    again = await bench.run(id, example(id, index), checkpoints=checkpoints)
    assert bench.gitlab.writes == []
    assert again.output == first.output
    assert len(bench.git.commits) <= 1


@pytest.mark.parametrize("id", ACTIONS)
async def test_refusals_say_what_to_do_and_never_the_token(id: str, bench: Bench) -> None:
    bench.gitlab.refusal = httpx.Response(401, json={"message": f"401 Unauthorized {TOKEN} users-token"})
    name = "destinationAccessToken" if id == "gitlab:group:migrate" else "token"
    with pytest.raises(UnderstageError) as raised:
        await bench.run(id, {**example(id), name: "users-token"})
    assert "401 Unauthorized" in raised.value.message
    assert "Check the token that was given to the step" in raised.value.message
    assert "users-token" not in raised.value.message


@pytest.mark.parametrize("id", sorted(ACTIONS.keys() - {"gitlab:group:migrate", "gitlab:user:info"}))
async def test_users_bring_their_own_token_where_they_must(id: str, bench: Bench) -> None:
    defaults = {"userCredentialsHosts": ["gitlab.com"]}
    with pytest.raises(InputError, match=r"No user credentials provided for host gitlab\.com"):
        await bench.run(id, example(id), defaults=defaults)
    assert bench.gitlab.headers == []


async def test_given_tokens_are_sent_as_those_of_oauth(bench: Bench) -> None:
    await bench.run("gitlab:user:info", {**REPO, "token": "mine"})
    await bench.run("gitlab:user:info", REPO)
    given, configured = bench.gitlab.headers
    assert (given["authorization"], given.get("private-token")) == ("Bearer mine", None)
    assert (configured.get("authorization"), configured["private-token"]) == (None, TOKEN)


async def test_a_user_is_told_without_what_gitlab_leaves_empty(bench: Bench) -> None:
    told = await bench.run("gitlab:user:info", {**REPO, "userId": 5})
    assert told.output == {
        "id": 5, "username": "ada", "name": "Ada", "state": "active", "webUrl": "https://gitlab.com/ada",
        "createdAt": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip


async def test_what_publish_sends_and_tells(bench: Bench) -> None:
    bench.gitlab.exists = False
    told = await bench.run("publish:gitlab", example("publish:gitlab", 1))
    (_, url, body), *others = bench.gitlab.writes
    assert (url, body) == (f"{API}/projects", {
        "namespace_id": 7, "name": "web", "path": "web", "visibility": "internal", "description": "A service",
        "topics": ["go"], "merge_method": "ff",
    })  # fmt: skip
    assert [(method, url.removeprefix(f"{API}/projects/acme%2Fweb"), body) for method, url, body in others[:4]] == [
        ("POST", "/members", {"user_id": 5, "access_level": 50}),
        ("POST", "/repository/branches", {"branch": "release", "ref": "main"}),
        ("POST", "/protected_branches", {"name": "release"}),
        ("POST", "/variables", {
            "key": "REGION", "value": "eu", "variable_type": "env_var", "protected": False, "masked": False,
            "masked_and_hidden": False, "raw": False, "environment_scope": "*",
        }),
    ]  # fmt: skip
    (commit,) = bench.git.commits
    assert (commit.branch, commit.message, commit.remote_url) == ("main", "Begin", "https://gitlab.com/acme/web.git")
    assert told.output == {
        "remoteUrl": "https://gitlab.com/acme/web", "repoContentsUrl": "https://gitlab.com/acme/web/-/blob/main",
        "projectId": 42, "commitHash": told.output["commitHash"], "created": True,
    }  # fmt: skip


async def test_a_project_that_is_there_is_refused_or_taken_as_it_is(bench: Bench) -> None:
    checkpoints = Checkpoints()
    for _ in range(2):
        with pytest.raises(
            ConflictError, match=r"acme/web exists on gitlab\.com already: choose another name, or set skip"
        ):
            await bench.run("publish:gitlab", REPO, checkpoints=checkpoints)
    told = await bench.run("publish:gitlab", {**REPO, "skipExisting": True})
    assert (bench.gitlab.writes, bench.git.commits) == ([], [])
    assert told.output == {
        "remoteUrl": "https://gitlab.com/acme/web", "repoContentsUrl": "https://gitlab.com/acme/web/-/blob/main",
        "projectId": 42, "created": False,
    }  # fmt: skip


async def test_a_step_that_was_killed_after_the_project_was_made_goes_on(bench: Bench) -> None:
    bench.gitlab.exists = False
    checkpoints = Checkpoints()
    bench.gitlab.answers["POST /api/v4/projects"] = (500, {})
    with pytest.raises(UnderstageError, match="500"):
        await bench.run("publish:gitlab", {**REPO, "skipExisting": True}, checkpoints=checkpoints)
    bench.gitlab.exists = True  # GitLab had made it all the same
    bench.gitlab.writes.clear()
    told = await bench.run("publish:gitlab", {**REPO, "skipExisting": True}, checkpoints=checkpoints)
    assert told.output["created"] is True
    assert bench.gitlab.writes == []
    assert len(bench.git.commits) == 1


@pytest.mark.parametrize(
    ("id", "input", "answers", "error", "text"),
    [
        ("publish:gitlab", {"repoUrl": "gitlab.com?repo=web"}, {}, InputError, "No owner provided for host: gitlab.com"),
        ("publish:gitlab", {"repoUrl": "github.com?repo=web&owner=acme"}, {}, InputError, "No integration for host github.com"),
        ("publish:gitlab", {"repoUrl": "gitlab.com?repo=web&owner=nobody"}, {}, InputError,
         "The namespace nobody is not found or the user doesn't have permissions to access it"),
        ("publish:gitlab", {**REPO, "sourcePath": ".."}, {}, NotAllowedError, "outside"),
        ("publish:gitlab", {**REPO, "signCommit": True}, {}, InputError, "no signing key is provided in the configuration"),
        ("publish:gitlab:merge-request", {**REPO, "title": "T", "branchName": "main", "targetBranchName": "release"},
         {f"GET {WEB}/merge_requests": (200, [{"web_url": "https://gitlab.com/mr/1"}])}, InputError,
         "https://gitlab.com/b. Additionally, there is a Merge Request for this branch: https://gitlab.com/mr/1"),
        ("publish:gitlab:merge-request", {**REPO, "title": "T", "branchName": "new"},
         {f"POST {WEB}/repository/branches": (400, {"message": "bad name"})}, InputError,
         "The branch creation failed. Please check that your repo does not already contain a branch named 'new'. bad name"),
        ("publish:gitlab:merge-request", {**REPO, "title": "T", "branchName": "new"},
         {f"POST {WEB}/merge_requests": (409, {"message": ["Another open merge request"]})}, InputError,
         "Merge request creation failed. Another open merge request"),
        ("gitlab:repo:push", {**REPO, "branchName": "main", "commitMessage": "m", "commitAction": "create"},
         {f"POST {WEB}/repository/commits": (400, {"message": "A file with this name already exists"})}, InputError,
         "Please check that none of the files created by the template already exists. A file with this name"),
        ("gitlab:repo:push", {**REPO, "branchName": "main", "commitMessage": "m", "sourcePath": ".."}, {},
         NotAllowedError, "outside"),
        ("gitlab:group:access", {**REPO, "path": 1}, {}, InputError, "At least one of userIds or groupIds must be provided"),
        ("gitlab:group:access", {**REPO, "path": 1, "userIds": [1], "accessLevel": "king"}, {}, InputError,
         'Invalid access level: "king". Valid values are: no_access, minimal_access, guest'),
        ("gitlab:issues:create", {**REPO, "title": "t", "dueDate": "2026-02-31T00:00:00Z"}, {}, InputError,
         "Failed to create GitLab issue: Error converting input date"),
        ("gitlab:issue:edit", {**REPO, "projectId": 99, "issueIid": 1},
         {"PUT /api/v4/projects/99/issues/1": (404, {"message": "404 Project Not Found"})}, InputError,
         "Failed to edit/modify GitLab issue: 404 Project Not Found"),
        ("gitlab:projectDeployToken:create", {**REPO, "projectId": 1, "name": "n", "scopes": []}, {}, InputError,
         'Could not create token for project "1": scopes cannot be empty.'),
        ("gitlab:projectAccessToken:create", {**REPO, "projectId": 12}, {f"POST {TWELVE}/access_tokens": (201, {})},
         UnderstageError, "Could not create project access token"),
        ("gitlab:group:migrate", {"destinationAccessToken": "a", "sourceAccessToken": "b", "sourceFullPath": "o/w",
          "sourceUrl": "https://old.example.org/", "destinationUrl": "gitlab.com?repo=web&owner=acme"},
         {"POST /api/v4/bulk_imports": (422, {"message": "no"})}, InputError,
         "Failed to transfer repo o/w. Make sure that o/w exists in https://old.example.org/, and token has enough rights."),
    ],
)  # fmt: skip
async def test_errors_are_in_the_words_of_backstage(
    id: str, input: dict[str, Any], answers: dict[str, tuple[int, Any]], error: type[Exception], text: str, bench: Bench
) -> None:
    bench.gitlab.exists = id != "publish:gitlab"
    bench.gitlab.answers.update(answers)
    with pytest.raises(error) as raised:
        await bench.run(id, input)
    assert text in str(raised.value)


async def test_a_merge_request_holds_what_differs(bench: Bench) -> None:
    (bench.workspace / "service/main.py").chmod(0o755)
    bench.gitlab.answers[f"GET {WEB}/repository/tree"] = (200, [README, {**README, "path": "values/new.yaml"}])
    readme = base64.b64encode(b"# hi").decode()
    told = await bench.run("publish:gitlab:merge-request", {**REPO, "title": "T", "branchName": "new"})
    (_, _, branch), (_, _, commit), (_, _, request) = bench.gitlab.writes
    assert branch == {"branch": "new", "ref": "main"}
    assert [(change["action"], change["file_path"], change["execute_filemode"]) for change in commit["actions"]] == [
        ("update", "README.md", False), ("create", "service/main.py", True), ("create", "values/logo.png", False),
        ("update", "values/new.yaml", False),
    ]  # fmt: skip
    assert commit["actions"][0]["content"] == readme
    assert request == {"source_branch": "new", "target_branch": "main", "title": "T", "remove_source_branch": False}
    assert told.output == {
        "targetBranchName": "main", "projectid": "acme/web", "projectPath": "acme/web",
        "mergeRequestUrl": "https://gitlab.com/acme/web/-/merge_requests/42",
    }  # fmt: skip


async def test_whom_gitlab_does_not_know_is_left_out(bench: Bench) -> None:
    bench.gitlab.answers["GET /api/v4/users"] = (200, [])
    input = {**REPO, "title": "T", "branchName": "new", "assignee": "x", "reviewers": ["y"]}
    told = await bench.run("publish:gitlab:merge-request", input)
    assert bench.gitlab.writes[-1][2]["reviewer_ids"] == []
    assert "assignee_id" not in bench.gitlab.writes[-1][2]
    warnings = [line.text for line in told.lines if line.level == "warn"]
    assert [text.partition(":")[0] for text in warnings] == [
        f"Failed to find gitlab user id for {name}" for name in "xy"
    ]


async def test_those_who_may_approve_are_asked(bench: Bench) -> None:
    request = f"{WEB}/merge_requests/42"
    bench.gitlab.answers[f"GET {request}"] = (200, {"detailed_merge_status": "mergeable"})
    bench.gitlab.answers[f"GET {request}/approval_rules"] = (200, [{"eligible_approvers": [{"id": 8}, {"id": 5}]}, {}])
    input = {**REPO, "title": "T", "branchName": "new", "reviewers": ["ada"], "assignReviewersFromApprovalRules": True}
    await bench.run("publish:gitlab:merge-request", input)
    assert bench.gitlab.writes[-1] == ("PUT", f"https://gitlab.com{request}", {"reviewer_ids": [8, 5]})


async def test_nothing_is_committed_where_nothing_changes(bench: Bench) -> None:
    blob = {"path": "values/new.yaml", "type": "blob", "id": "1dd48cdf2ec1d4d1d0d6b1ff8b2b7a3e9d6b5c01"}
    (bench.workspace / "values/logo.png").unlink()
    (bench.workspace / "values/new.yaml").write_bytes(b"hello\n")
    bench.gitlab.answers[f"GET {WEB}/repository/tree"] = (
        200,
        [{**blob, "id": "ce013625030ba8dba906f756967f9e9ca394464a"}],
    )
    input = {**REPO, "branchName": "main", "commitMessage": "m", "sourcePath": "values", "targetPath": "values"}
    told = await bench.run("gitlab:repo:push", input)
    assert bench.gitlab.writes == []
    assert told.output == {"projectid": "acme/web", "projectPath": "acme/web"}
    assert any("No file changes to commit to acme/web on branch 'main'; skipping commit." in line for line in told.log)
    await bench.run("gitlab:repo:push", {**input, "allowEmpty": True})
    assert bench.gitlab.writes[-1][2] == {"branch": "main", "commit_message": "m", "actions": [], "allow_empty": True}


async def test_a_push_to_a_new_branch_is_compared_with_the_default_branch(bench: Bench) -> None:
    await bench.run("gitlab:repo:push", {**REPO, "branchName": "new", "commitMessage": "m"})
    (_, _, branch), (_, _, commit) = bench.gitlab.writes
    assert branch == {"branch": "new", "ref": "main"}
    assert next(read for read in bench.gitlab.reads if "/tree?" in read).partition("?")[2].startswith("ref=main&")
    assert {change["file_path"]: change["action"] for change in commit["actions"]}["README.md"] == "update"


async def test_missing_groups_are_made_from_the_outside(bench: Bench) -> None:
    told = await bench.run(
        "gitlab:group:ensureExists", {"repoUrl": "gitlab.com", "path": ["acme/b", "c"], "description": "d"}
    )
    assert [body for _, _, body in bench.gitlab.writes] == [
        {"name": "b", "path": "b", "parent_id": 42}, {"name": "c", "path": "c", "parent_id": 42, "description": "d"},
    ]  # fmt: skip
    assert "/api/v4/groups/acme%2Fb%2Fc" in bench.gitlab.reads
    assert told.output == {"groupId": 42}


async def test_members_that_are_there_have_their_level_changed(bench: Bench) -> None:
    bench.gitlab.answers["POST /api/v4/groups/7/members"] = (409, {"message": "Member already exists"})
    told = await bench.run(
        "gitlab:group:access", {"repoUrl": "gitlab.com", "path": 7, "userIds": [5], "accessLevel": "Owner"}
    )
    assert bench.gitlab.writes[-1] == ("PUT", f"{API}/groups/7/members/5", {"access_level": 50})
    assert told.output == {"userIds": [5], "path": 7, "accessLevel": 50}


async def test_an_epic_of_another_group_is_left_out(bench: Bench) -> None:
    bench.gitlab.answers.update({
        "GET /api/v4/groups/7": (200, {"id": 7, "parent_id": 1}),
        "GET /api/v4/groups/1": (200, {"id": 1, "name": "Acme", "parent_id": None}),
        "GET /api/v4/groups/1/epics": (200, [{"id": 3, "group_id": 8}, {"id": 4, "group_id": 9}]),
        "GET /api/v4/groups/8": (200, {"full_path": "acme"}),
        "GET /api/v4/groups/9": (200, {"full_path": "acme/we"}),
    })  # fmt: skip
    for epic in (3, 4):
        await bench.run("gitlab:issues:create", {**REPO, "title": "t", "epicId": epic})
    inside, outside = (body for _, _, body in bench.gitlab.writes)
    assert inside["epic_id"] == 3
    assert "epic_id" not in outside
    with pytest.raises(InputError, match="Epic with id 5 not found in the top-level parent group Acme"):
        await bench.run("gitlab:issues:create", {**REPO, "title": "t", "epicId": 5})


async def test_a_trigger_token_is_removed_whatever_happens(bench: Bench) -> None:
    bench.gitlab.answers[f"POST {TWELVE}/trigger/pipeline"] = (400, {"message": "no such branch trigger-token"})
    with pytest.raises(InputError, match="no such branch"):
        await bench.run("gitlab:pipeline:trigger", example("gitlab:pipeline:trigger"))
    assert bench.gitlab.writes[-1][:2] == ("DELETE", f"{API}/projects/12/triggers/42")


@pytest.mark.parametrize("id", ["gitlab:projectAccessToken:create", "gitlab:projectDeployToken:create"])
async def test_made_tokens_are_hidden_in_every_run_of_the_step(id: str, bench: Bench) -> None:
    checkpoints = Checkpoints()
    for _ in range(2):
        told = await bench.run(id, example(id), checkpoints=checkpoints)
        assert set(told.hidden) == {text for text in told.output.values() if text.startswith("made-")} != set()
    plan = await bench.run(id, example(id), dry_run=True)
    assert "***" in plan.output.values()
    assert plan.hidden == ()


@pytest.mark.parametrize(
    ("id", "input"),
    [
        ("gitlab:repo:push", {**REPO, "branchName": "main", "commitMessage": "m", "sourcePath": "values"}),
        ("publish:gitlab:merge-request", {**REPO, "branchName": "new", "title": "m", "sourcePath": "values"}),
    ],
)
async def test_a_commit_that_an_earlier_run_made_is_not_made_again(
    id: str, input: dict[str, Any], bench: Bench
) -> None:
    checkpoints, commits = Checkpoints(), f"POST {WEB}/repository/commits"
    bench.gitlab.answers[commits] = (500, {})
    with pytest.raises(UnderstageError, match="500"):
        await bench.run(id, input, checkpoints=checkpoints)
    del bench.gitlab.answers[commits]
    branch = f"GET {WEB}/repository/branches/{input['branchName']}"
    bench.gitlab.answers[branch] = (200, {"commit": {"id": "d" * 40, "message": "m\n"}})
    bench.gitlab.writes.clear()
    other = await bench.run(id, input, checkpoints=Checkpoints(checkpoints.values.copy()))
    assert [
        url for _, url, _ in bench.gitlab.writes if url.endswith("/commits")
    ]  # its newest has the same message only
    tree = [
        {"path": name, "type": "blob", "id": PlacedFile(name, "100644", content).blob_id("sha256")}
        for name, content in {"new.yaml": b"a: 1", "logo.png": b"\0\1"}.items()
    ]
    bench.gitlab.answers[f"GET {WEB}/repository/tree"] = (200, tree)
    bench.gitlab.writes.clear()
    told = await bench.run(id, input, checkpoints=checkpoints)
    assert not [url for _, url, _ in bench.gitlab.writes if url.endswith("/commits")]
    assert told.output.keys() == other.output.keys()
    assert told.output.get("commitHash") in (None, "d" * 40)


async def test_a_project_may_be_named_by_its_path(bench: Bench) -> None:
    input = {"repoUrl": "gitlab.com?project=acme%2Fweb", "branchName": "main", "commitMessage": "m"}
    assert (await bench.run("gitlab:repo:push", input)).output["projectPath"] == "acme/web"


async def test_the_configured_token_may_tell_who_it_belongs_to(bench: Bench) -> None:
    told = await bench.run("gitlab:user:info", REPO, defaults={"userCredentialsHosts": ["gitlab.com"]})
    assert told.output["username"] == "ada"
