"""The Bitbucket Cloud actions, by the real client over the API's shapes: what is sent, as a plan tells; once; no token shown."""

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

from understage.config.integration_settings import BitbucketCloudIntegration, IntegrationSettings
from understage.errors import ConflictError, InputError, UnderstageError
from understage.integrations.forge_apis import create_forge_apis
from understage.platform.http import HttpClient
from understage.scaffolder.actions import ActionRegistry
from understage.sdk.testing import ActionResult, Checkpoints, FakeGit, fake_ports, run_action

TOKEN = "bitbucket-configured"
REPO = "/2.0/repositories/acme/shop"
WHERE = {"repoUrl": "bitbucket.org?workspace=acme&project=WEB&repo=shop"}
ACTIONS = {action.id: action for action in ActionRegistry.from_entry_points().all() if "bitbucket" in action.id.lower()}
PUBLISH, PROPOSE = "publish:bitbucketCloud", "publish:bitbucketCloud:pull-request"
RESTRICT, RUN = "bitbucketCloud:branchRestriction:create", "bitbucket:pipelines:run"
PAGE = "https://bitbucket.org/acme/shop"
FOUND = {
    "mainbranch": {"name": "main", "type": "branch"},
    "links": {
        "html": {"href": PAGE},
        "clone": [
            {"name": "https", "href": f"https://ada@{PAGE.removeprefix('https://')}.git"},
            {"name": "ssh", "href": "git@bitbucket.org:acme/shop.git"},
        ],
    },
}
OPENED = {"id": 3, "links": {"html": {"href": f"{PAGE}/pull-requests/3"}}}


@dataclass
class Bitbucket:
    """Answers as Bitbucket Cloud does; `exists` says whether acme/shop is there, `branches` which of its branches."""

    exists: bool = True
    branches: set[str] = field(default_factory=set)
    reads: list[str] = field(default_factory=list)
    writes: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[httpx.Headers] = field(default_factory=list)
    refusal: httpx.Response | None = None
    lost: str = ""
    """The end of a path: what is written there has its effect, and the answer is lost."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.refusal is not None:
            return self.refusal
        self.headers.append(request.headers)
        path = request.url.path
        if request.method == "GET":
            self.reads.append(str(request.url))
            return self._read(path, dict(request.url.params))
        body = json.loads(request.content)
        self.writes.append((request.method, f"https://api.bitbucket.org{path}", body))
        answer = self._write(path, body)
        if self.lost and path.endswith(self.lost):
            self.lost = ""
            return httpx.Response(500, json={"type": "error", "error": {"message": "gone"}})
        return answer

    def _read(self, path: str, query: dict[str, str]) -> httpx.Response:
        if path == REPO:
            return httpx.Response(200, json=FOUND) if self.exists else httpx.Response(404, json={"type": "error"})
        if path == f"{REPO}/refs/branches":
            return httpx.Response(
                200, json={"values": [{"name": name} for name in self.branches if f'"{name}"' in query["q"]]}
            )
        if path == f"{REPO}/pullrequests":
            sent = [body for _, url, body in self.writes if url.endswith("/pullrequests")]
            return httpx.Response(200, json={"values": [OPENED] if sent else []})
        if path == f"{REPO}/branch-restrictions":
            sent = [body for _, url, body in self.writes if url.endswith("/branch-restrictions")]
            return httpx.Response(200, json={"values": [{**body, "id": 7} for body in sent]})
        return httpx.Response(404, json={"type": "error"})

    def _write(self, path: str, body: Any) -> httpx.Response:
        if path == REPO:
            self.exists = True
            return httpx.Response(200, json=FOUND)
        if path.endswith("/refs/branches"):
            self.branches.add(body["name"])
            return httpx.Response(201, json={"name": body["name"]})
        if path.endswith("/pipelines"):
            return httpx.Response(201, json={"build_number": 12, "repository": FOUND})
        if path.endswith("/branch-restrictions"):
            return httpx.Response(201, json={**body, "id": 7})
        return httpx.Response(201, json=OPENED)


@dataclass
class Bench:
    """A workspace, Bitbucket, and git."""

    bitbucket: Bitbucket
    git: FakeGit
    workspace: Path
    entry: BitbucketCloudIntegration = field(default_factory=lambda: BitbucketCloudIntegration(token=TOKEN))

    async def run(self, id: str, input: dict[str, Any], **options: Any) -> ActionResult:
        settings = IntegrationSettings(bitbucket_cloud=(self.entry,))
        ports = fake_ports(apis=create_forge_apis(settings, HttpClient()), git=self.git)
        return await run_action(ACTIONS[id], input, workspace=self.workspace, ports=ports, **options)

    def is_without(self, id: str) -> None:
        """As it is before the action runs."""
        self.bitbucket.exists = id != PUBLISH

    def branch(self, name: str, files: dict[str, bytes]) -> None:
        """What git finds there."""
        self.git._remote(f"{PAGE}.git", None).branches[name] = files


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    workspace = tmp_path / "workspace"
    for name, content in {"README.md": b"# hi", "service/main.py": b"x"}.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_bytes(content)
    bitbucket = Bitbucket()
    with respx.mock(assert_all_called=False) as mock:
        mock.route(host="api.bitbucket.org").mock(side_effect=bitbucket)
        made = Bench(bitbucket, FakeGit(takes_any=True), workspace)
        # Bitbucket has made the branch when git asks for it.
        for name in ("add-docs", "new-values"):
            made.branch(name, {"old.txt": b"old"})
        yield made


EXAMPLES = [(id, index) for id, action in ACTIONS.items() for index in range(len(action.examples))]


def example(id: str, index: int = 0) -> dict[str, Any]:
    return ACTIONS[id].examples[index].input


def test_these_are_the_actions() -> None:
    assert ACTIONS.keys() == {PUBLISH, PROPOSE, RESTRICT, RUN}


@pytest.mark.parametrize(("id", "index"), EXAMPLES)
async def test_a_plan_is_what_a_run_does(id: str, index: int, bench: Bench) -> None:
    bench.is_without(id)
    plan = await bench.run(id, example(id, index), dry_run=True)
    assert (bench.bitbucket.writes, bench.git.commits) == ([], [])
    run = await bench.run(id, example(id, index))
    told, sent = planned(plan.log), bench.bitbucket.writes
    assert [(method, url) for method, url, _ in told] == [(method, url) for method, url, _ in sent]
    for (_, _, expected), (_, _, body) in zip(told, sent, strict=True):
        assert comparable(expected, body) == expected
    pushes = [match.groups()[1:] for line in plan.log if (match := PUSHED.fullmatch(line))]
    assert pushes == [(commit.branch, commit.remote_url) for commit in bench.git.commits]
    assert plan.output.keys() == run.output.keys()
    assert sent


@pytest.mark.parametrize(("id", "index"), EXAMPLES)
async def test_a_step_that_runs_again_sends_nothing_again(id: str, index: int, bench: Bench) -> None:
    bench.is_without(id)
    checkpoints = Checkpoints()
    first = await bench.run(id, example(id, index), checkpoints=checkpoints)
    bench.bitbucket.writes.clear()
    again = await bench.run(id, example(id, index), checkpoints=checkpoints)
    assert (bench.bitbucket.writes, again.output) == ([], first.output)
    assert len(bench.git.commits) <= 1


@pytest.mark.parametrize(
    ("id", "lost"),
    [(PUBLISH, "/shop"), (PROPOSE, "/refs/branches"), (PROPOSE, "/pullrequests"), (RESTRICT, "/branch-restrictions")],
)
async def test_a_step_that_was_killed_after_an_effect_takes_it_for_its_own(id: str, lost: str, bench: Bench) -> None:
    bench.is_without(id)
    bench.bitbucket.lost = lost
    checkpoints = Checkpoints()
    with pytest.raises(UnderstageError):
        await bench.run(id, example(id), checkpoints=checkpoints)
    await bench.run(id, example(id), checkpoints=checkpoints)
    assert [url for _, url, _ in bench.bitbucket.writes if url.endswith(lost)] == [
        f"https://api.bitbucket.org{REPO}{'' if lost == '/shop' else lost}"
    ]


@pytest.mark.parametrize("id", ACTIONS)
async def test_refusals_say_what_to_do_and_never_the_token(id: str, bench: Bench) -> None:
    bench.bitbucket.refusal = httpx.Response(401, json={"error": {"message": f"no {TOKEN} users-token"}})
    with pytest.raises(UnderstageError) as raised:
        await bench.run(id, {**example(id), "token": "users-token"})
    assert "Check the token that was given to the step" in raised.value.message
    assert "users-token" not in raised.value.message


@pytest.mark.parametrize("id", ACTIONS)
async def test_users_bring_their_own_token_where_they_must(id: str, bench: Bench) -> None:
    with pytest.raises(InputError, match=r"No user credentials provided for host bitbucket\.org"):
        await bench.run(id, example(id), defaults={"userCredentialsHosts": ["bitbucket.org"]})
    assert bench.bitbucket.headers == []


@pytest.mark.parametrize(
    ("entry", "sent"),
    [
        (BitbucketCloudIntegration(token=TOKEN), f"Bearer {TOKEN}"),
        (
            BitbucketCloudIntegration(username="ada", token=TOKEN),
            "Basic " + base64.b64encode(f"ada:{TOKEN}".encode()).decode(),
        ),
        (
            BitbucketCloudIntegration(username="ada", app_password="secret"),
            "Basic " + base64.b64encode(b"ada:secret").decode(),
        ),
    ],
)
async def test_it_signs_in_by_what_the_configuration_has(
    entry: BitbucketCloudIntegration, sent: str, bench: Bench
) -> None:
    bench.entry = entry
    await bench.run(RESTRICT, example(RESTRICT))
    assert bench.bitbucket.headers[0]["authorization"] == sent


async def test_what_publish_sends_and_tells(bench: Bench) -> None:
    bench.bitbucket.exists = False
    told = await bench.run(PUBLISH, example(PUBLISH, 1))
    assert bench.bitbucket.writes == [
        (
            "POST",
            f"https://api.bitbucket.org{REPO}",
            {"scm": "git", "description": "The shop", "is_private": False, "project": {"key": "WEB"}},
        )
    ]
    (commit,) = bench.git.commits
    # The name of a user, which Bitbucket writes into the address, is left out.
    assert (commit.branch, commit.message, commit.remote_url) == ("main", "Begin", f"{PAGE}.git")
    assert told.output == {
        "remoteUrl": f"{PAGE}.git",
        "repoContentsUrl": f"{PAGE}/src/main",
        "commitHash": commit.hash,
    }


async def test_a_repository_that_is_there_is_refused(bench: Bench) -> None:
    checkpoints = Checkpoints()
    for _ in range(2):
        with pytest.raises(ConflictError, match=r"acme/shop exists on bitbucket\.org already: choose another name"):
            await bench.run(PUBLISH, WHERE, checkpoints=checkpoints)
    assert (bench.bitbucket.writes, bench.git.commits) == ([], [])


async def test_a_branch_is_made_of_the_workspaces_files_and_proposed(bench: Bench) -> None:
    told = await bench.run(PROPOSE, example(PROPOSE))
    (made, opened) = bench.bitbucket.writes
    assert made[1:] == (
        f"https://api.bitbucket.org{REPO}/refs/branches",
        {"name": "add-docs", "target": {"hash": "main"}},
    )
    assert opened[1:] == (
        f"https://api.bitbucket.org{REPO}/pullrequests",
        {
            "title": "Add documentation",
            "summary": {},
            "state": "OPEN",
            "source": {"branch": {"name": "add-docs"}},
            "destination": {"branch": {"name": "main"}},
        },
    )
    files = bench.git._remote(f"{PAGE}.git", None).branches["add-docs"]
    assert files.keys() == {"old.txt", "README.md", "service/main.py"}
    assert told.output == {"pullRequestUrl": f"{PAGE}/pull-requests/3"}


async def test_a_branch_that_is_there_is_proposed_as_it_is(bench: Bench) -> None:
    bench.bitbucket.branches.add("add-docs")
    await bench.run(PROPOSE, {**example(PROPOSE), "targetBranch": "release"})
    assert [url.rpartition("/")[2] for _, url, _ in bench.bitbucket.writes] == ["pullrequests"]
    assert bench.git.commits == []


async def test_a_restriction_says_what_its_kind_needs(bench: Bench) -> None:
    told = await bench.run(RESTRICT, example(RESTRICT))
    (_, _, body) = bench.bitbucket.writes[0]
    assert body == {
        "groups": [{"slug": "maintainers", "type": "group"}],
        "users": [],
        "branch_match_kind": "glob",
        "kind": "push",
        "type": "branchrestriction",
        "value": None,
        "pattern": "release/*",
    }
    assert told.output["statusCode"] == 201
    assert json.loads(told.output["json"])["data"]["id"] == 7


async def test_a_pipeline_runs_and_its_variables_stay_out_of_the_plan(bench: Bench) -> None:
    plan = await bench.run(RUN, example(RUN, 1), dry_run=True)
    assert '"test"' not in "\n".join(plan.log)
    told = await bench.run(RUN, example(RUN, 1))
    assert told.output == {"buildNumber": 12, "repoUrl": PAGE, "pipelinesUrl": f"{PAGE}/pipelines"}
    (_, _, body) = bench.bitbucket.writes[0]
    assert body["variables"] == [{"key": "STAGE", "value": "test", "secured": False}]


@pytest.mark.parametrize(
    ("id", "input", "words"),
    [
        (PUBLISH, {"repoUrl": "bitbucket.org?project=WEB&repo=shop"}, "missing workspace"),
        (PUBLISH, {"repoUrl": "bitbucket.org?workspace=acme&repo=shop"}, "missing project"),
        (PUBLISH, {"repoUrl": "bitbucket.org?workspace=acme&project=WEB"}, "missing repo"),
        (PUBLISH, {**WHERE, "signCommit": True}, "no signing key"),
        (
            PUBLISH,
            {"repoUrl": "github.com?workspace=acme&project=WEB&repo=shop"},
            "it is none of bitbucketCloud",
        ),
        (PROPOSE, {**WHERE, "title": "t", "sourceBranch": "main"}, "sourceBranch must be another branch"),
        (RESTRICT, {"repoUrl": "bitbucket.org?repo=shop", "kind": "push"}, "missing workspace"),
        (RUN, {"workspace": "..", "repo_slug": "shop"}, "cannot be a part of a forge's URL"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_sent(
    id: str, input: dict[str, Any], words: str, bench: Bench
) -> None:
    with pytest.raises(InputError, match=words):
        await bench.run(id, input)
    assert bench.bitbucket.writes == []
