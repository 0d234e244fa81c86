"""`gitops:promote` and `gitops:rollback`: what changes, as which pull request, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from understage.errors import ConflictError, InputError, NotFoundError, UnderstageError
from understage.sdk import Ports
from understage.sdk.testing import (
    ActionResult,
    FakeArgoCd,
    FakeArgoCds,
    FakeForge,
    FakeForges,
    FakeGit,
    FakeRepository,
    fake_ports,
    run_action,
)
from understage_actions.gitops_promote import promote
from understage_actions.gitops_rollback import rollback

Json = dict[str, Any]
URL = "https://forge.test/payments/ledger.git"
STAGING, PRODUCTION = "deploy/environments/staging.yaml", "deploy/environments/production.yaml"
FILES = {
    "deploy/values.yaml": "base-service:\n  image:\n    repository: r/ledger\n    tag: 1.0.0\n",
    STAGING: "base-service:\n  env: {FEATURES: new}\n  image:\n    tag: 1.3.0\n",
    PRODUCTION: "# What production has\nbase-service:\n  replicas: 3 # of two zones\n  image:\n    tag: 1.2.0\n",
}
OLD, NEW = "a" * 40, "b" * 40


class World:
    """A service's repository, and an Argo CD that deploys it to two environments."""

    def __init__(self, **files: str) -> None:
        self.forge = FakeForge()
        made = FakeRepository(self.forge.plan_repository("payments", "ledger"))
        made.branches["main"] = {path: text.encode() for path, text in {**FILES, **files}.items()}
        self.forge.repositories["payments/ledger"] = made
        self.repository = made
        self.git = FakeGit(FakeForges([self.forge]))
        self.argocd = FakeArgoCd()
        for environment, tag in (("staging", "1.3.0"), ("production", "1.2.0")):
            self.deploy(environment, tag)

    def deploy(self, environment: str, tag: str, *, project: str = "payments", url: str = URL, **status: Any) -> None:
        name = f"ledger-{environment}"
        sources = [{"repoURL": url, "path": "deploy"}, {"repoURL": url, "ref": "values"}]
        self.argocd.applications[name] = {"metadata": {"name": name}, "spec": {"project": project, "sources": sources}}
        history = [
            {"deployedAt": f"2026-11-26T1{index}:00:00Z", "revisions": [commit] * 2, "sources": sources}
            for index, commit in enumerate((OLD, NEW))
        ]
        known = {
            "sync": {"status": "Synced"},
            "health": {"status": "Healthy"},
            "summary": {"images": [f"r/ledger:{tag}"]},
            "history": history,
        }
        self.argocd.statuses[name] = [{**known, **status}]

    def remember(self, commit: str, **files: str) -> None:
        self.git.snapshots[commit] = {path: text.encode() for path, text in {**FILES, **files}.items()}

    @property
    def ports(self) -> Ports:
        return fake_ports(forges=FakeForges([self.forge]), git=self.git, argocd=FakeArgoCds([self.argocd]))

    def on(self, branch: str, path: str = PRODUCTION) -> str:
        return self.repository.branches[branch][path].decode()


async def bring(tmp_path: Path, world: World, *, dry_run: bool = False, **more: Any) -> ActionResult:
    step = {"service": "ledger", "team": "group:default/payments", "from": "staging", "to": "production", **more}
    return await run_action(promote, step, workspace=tmp_path, ports=world.ports, dry_run=dry_run)


async def back(tmp_path: Path, world: World, *, dry_run: bool = False, **more: Any) -> ActionResult:
    step = {"service": "ledger", "team": "payments", "environment": "production", **more}
    return await run_action(rollback, step, workspace=tmp_path, ports=world.ports, dry_run=dry_run)


async def test_a_promotion_is_a_pull_request_of_the_lines_that_matter(tmp_path: Path) -> None:
    world = World()
    output = (await bring(tmp_path, world)).output
    assert output["changes"] == [{"key": "base-service.image.tag", "before": "1.2.0", "after": "1.3.0"}]
    assert output["pullRequestUrl"] == "https://forge.test/payments/ledger/pulls/1"
    assert world.on(output["branch"]) == FILES[PRODUCTION].replace("1.2.0", "1.3.0")
    assert world.on("main") == FILES[PRODUCTION]
    assert world.git.commits[-1].message == snapshot("""\
Promote ledger 1.3.0 from staging to production

| Value | production now | from staging |
|---|---|---|
| `base-service.image.tag` | `1.2.0` | `1.3.0` |

In staging it is Synced and Healthy since 2026-11-26T11:00:00Z.

Merged, Argo CD deploys it to production. To take it back, revert the merge or roll back.\
""")


async def test_run_again_it_is_the_same_pull_request_and_merged_it_is_none(tmp_path: Path) -> None:
    world = World()
    first, second = (await bring(tmp_path, world)).output, (await bring(tmp_path, world)).output
    assert first["pullRequestUrl"] == second["pullRequestUrl"]
    assert len(world.repository.pull_requests) == 1
    world.repository.branches["main"] = world.repository.branches[first["branch"]]
    merged = (await bring(tmp_path, world)).output
    assert (merged["changes"], merged["pullRequestUrl"], merged["commitHash"]) == ([], None, None)


async def test_images_of_all_environments_and_named_values_are_brought_too(tmp_path: Path) -> None:
    files = {PRODUCTION: "base-service:\n  replicas: 3\n", STAGING: FILES[STAGING]}
    world = World(**files)
    output = (await bring(tmp_path, world, keys=["base-service.env.FEATURES"])).output
    assert [(change["key"], change["before"], change["after"]) for change in output["changes"]] == [
        ("base-service.image.tag", "1.0.0", "1.3.0"),
        ("base-service.env.FEATURES", None, "new"),
    ]
    with pytest.raises(InputError, match=r"has no value 'base-service\.nothing'"):
        await bring(tmp_path, world, keys=["base-service.nothing"])


async def test_a_digest_that_a_tag_takes_the_place_of_goes(tmp_path: Path) -> None:
    world = World(**{PRODUCTION: "base-service:\n  image:\n    tag: 1.2.0\n    digest: sha256:00\n"})
    output = (await bring(tmp_path, world)).output
    assert "digest: null" in world.on(output["branch"]) or "digest:\n" in world.on(output["branch"])


async def test_a_dry_run_tells_and_touches_nothing(tmp_path: Path) -> None:
    world = World()
    result = await bring(tmp_path, world, dry_run=True)
    assert [line for line in result.log if line.startswith("Would")] == [
        f"Would commit 1 file to payments/ledger ({result.output['branch']})",
        "Would open a pull request into main",
    ]
    assert list(world.repository.branches) == ["main"]
    # What the run then does is that, and its changes are those that were shown.
    ran = await bring(tmp_path, world)
    assert (ran.output["branch"], ran.output["changes"]) == (result.output["branch"], result.output["changes"])
    branches = world.repository.branches
    assert [name for name, text in branches[ran.output["branch"]].items() if branches["main"].get(name) != text] == [
        PRODUCTION
    ]
    assert [(source, target) for source, target, _ in world.repository.pull_requests] == [
        (ran.output["branch"], "main")
    ]


@pytest.mark.parametrize("example", promote.examples, ids=lambda each: each.description)
async def test_examples_of_promotions_run(example: Any, tmp_path: Path) -> None:
    world = World(**{"deploy/environments/development.yaml": FILES[STAGING]})
    await run_action(promote, example.input, workspace=tmp_path, ports=world.ports)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"health": {"status": "Degraded"}}, "ledger-staging is Synced and Degraded: wait"),
        ({"sync": {"status": "OutOfSync"}}, "ledger-staging is OutOfSync and Healthy: wait"),
        ({"summary": {"images": ["r/ledger:1.2.9"]}}, r"is 1\.3\.0 in Git, and runs nowhere yet \(r/ledger:1\.2\.9\)"),
    ],
)
async def test_what_does_not_run_well_is_promoted_only_when_told_so(status: Json, message: str, tmp_path: Path) -> None:
    world = World()
    world.deploy("staging", "1.3.0", **status)
    with pytest.raises(ConflictError, match=message):
        await bring(tmp_path, world)
    assert list(world.repository.branches) == ["main"]
    assert (await bring(tmp_path, world, requireHealthy=False)).output["pullRequestUrl"]


async def test_what_argo_cd_has_not_seen_yet_is_not_promoted(tmp_path: Path) -> None:
    world = World()
    world.deploy("staging", "1.3.0", sync={"status": "Synced", "revisions": [OLD, OLD]}, summary={})
    world.remember(OLD, **{STAGING: FILES[STAGING].replace("1.3.0", "1.2.9")})
    with pytest.raises(ConflictError, match="staging runs the images of aaaaaaaa, and Git has others since: wait"):
        await bring(tmp_path, world)
    world.remember(OLD, **{STAGING: FILES[STAGING].replace("new", "older")})
    assert (await bring(tmp_path, world)).output["pullRequestUrl"]


@pytest.mark.parametrize("action", [bring, back])
async def test_what_is_of_others_is_not_touched(action: Any, tmp_path: Path) -> None:
    for more in ({"project": "storefront"}, {"url": "https://forge.test/storefront/cart.git"}):
        world = World()
        for environment in ("staging", "production"):
            world.deploy(environment, "1.3.0", **more)
        with pytest.raises(ConflictError, match=r"belongs to project storefront|deploys https://forge.test/storefront"):
            await action(tmp_path, world)
        assert list(world.repository.branches) == ["main"]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"to": "staging"}, "from and to are both staging"),
        ({"to": "../production"}, "to '../production' is not allowed"),
        ({"service": "../x"}, "service '../x' is not allowed"),
        ({"team": "user:default/ada"}, "is a user: choose a group"),
        ({"directory": "../other"}, "must be a path inside"),
        ({"baseValues": "https://evil.example.com/v.yaml"}, "must be a path inside"),
        ({"to": "preview"}, "has no deploy/environments/preview.yaml"),
        ({"repository": {"owner": "payments", "name": "nothing"}}, "There is no repository payments/nothing"),
    ],
)
async def test_bad_input_is_refused_before_anything_is_touched(more: Json, error: str, tmp_path: Path) -> None:
    world = World()
    with pytest.raises(UnderstageError, match=error):
        await bring(tmp_path, world, **more)
    assert not world.git.commits


@pytest.mark.parametrize("tag", ['"1.0\\n  evil: true"', '"`| x"', "[1]", '"a b"'])
async def test_a_version_that_no_registry_has_is_refused(tag: str, tmp_path: Path) -> None:
    world = World(**{STAGING: f"base-service:\n  image:\n    tag: {tag}\n"})
    with pytest.raises(InputError, match="is neither a tag nor a digest"):
        await bring(tmp_path, world, requireHealthy=False)
    assert not world.git.commits


async def test_a_rollback_brings_back_what_was_deployed(tmp_path: Path) -> None:
    world = World()
    before = FILES[PRODUCTION].replace("1.2.0", "1.1.0").replace("replicas: 3", "replicas: 2")
    world.remember(OLD, **{PRODUCTION: before})
    output = (await back(tmp_path, world)).output
    assert output["revision"] == OLD
    assert world.on(output["branch"]) == before
    assert world.git.commits[-1].message == snapshot("""\
Roll ledger in production back to aaaaaaaa

| Value | production now | as it was |
|---|---|---|
| `base-service.replicas` | `3` | `2` |
| `base-service.image.tag` | `1.2.0` | `1.1.0` |

The values of commit aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, which Argo CD deployed before. Chart and source stay as they are.\
""")
    assert (await back(tmp_path, world)).output["pullRequestUrl"] == output["pullRequestUrl"]


async def test_an_image_that_all_environments_had_is_brought_back_for_this_one(tmp_path: Path) -> None:
    shared = FILES["deploy/values.yaml"]
    world = World(**{PRODUCTION: "base-service:\n  replicas: 3\n"})
    world.remember(
        OLD, **{PRODUCTION: "base-service:\n  replicas: 3\n", "deploy/values.yaml": shared.replace("1.0.0", "0.9.0")}
    )
    output = (await back(tmp_path, world)).output
    assert world.on(output["branch"]) == "base-service:\n  replicas: 3\n  image:\n    tag: 0.9.0\n"
    assert world.on(output["branch"], "deploy/values.yaml") == shared


async def test_at_once_means_a_commit_on_the_default_branch(tmp_path: Path) -> None:
    world = World()
    world.remember(OLD, **{PRODUCTION: FILES[PRODUCTION].replace("1.2.0", "1.1.0")})
    dry = await back(tmp_path, world, pullRequest=False, dry_run=True)
    assert [line for line in dry.log if line.startswith("Would")] == ["Would commit 1 file to payments/ledger (main)"]
    before = dict(world.repository.branches["main"])
    output = (await back(tmp_path, world, pullRequest=False)).output
    assert output["changes"] == dry.output["changes"]
    after = world.repository.branches["main"]
    assert [name for name, text in after.items() if before.get(name) != text] == [PRODUCTION]
    assert (output["branch"], output["pullRequestUrl"]) == ("main", None)
    assert "tag: 1.1.0" in world.on("main")
    assert not world.repository.pull_requests


async def test_what_was_never_deployed_is_not_gone_back_to(tmp_path: Path) -> None:
    world = World()
    world.remember(OLD)
    with pytest.raises(InputError, match="there is nothing to go back to"):
        await back(tmp_path, world)
    with pytest.raises(InputError, match=f"revision {'c' * 40} was not deployed to production"):
        await back(tmp_path, world, revision="c" * 40)
    for revision in ("HEAD~1", "--upload-pack=x", "abc"):
        with pytest.raises(InputError, match="must be the whole hash of a commit"):
            await back(tmp_path, world, revision=revision)
    with pytest.raises(NotFoundError):
        await back(tmp_path, world, environment="preview")
    assert not world.git.commits


@pytest.mark.parametrize("example", rollback.examples, ids=lambda each: each.description)
async def test_examples_of_rollbacks_run(example: Any, tmp_path: Path) -> None:
    world = World()
    world.remember(OLD, **{PRODUCTION: FILES[PRODUCTION].replace("1.2.0", "1.1.0")})
    await run_action(rollback, example.input, workspace=tmp_path, ports=world.ports)
