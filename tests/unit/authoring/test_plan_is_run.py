"""What a dry run announces is what the run does: for each built-in action, on made-up inputs, in two equal worlds of memory."""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.docs.markdown import ROOT
from tests.unit.authoring.planned_calls import (
    ELSEWHERE,
    FILES,
    MORE,
    NAME,
    NEED_HELM,
    PATH,
    PROCESSES,
    REGISTRY,
    SAME_CODE,
    TEXT,
    Call,
)

from understage.errors import UnderstageError
from understage.scaffolder.authoring.effects import Effect
from understage.scaffolder.authoring.trial import read_files, write_files
from understage.scaffolder.authoring.world import Surroundings, World
from understage.sdk import TemplateInfo
from understage.sdk.testing import run_action

COMPONENT = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: web}\nspec: {type: service}\n"
UNKNOWABLE = frozenset(
    (
        "commitHash",
        "applied",
        "deleted",
        "pushed",
        "digest",
        "undone",
        "why",
        "uid",
        "code",
        "sync",
        "health",
        "revision",
        "pullRequestUrl",
        "pullRequestNumber",
        "cloneUrl",
        "repoUrl",
    )
) | {"howToApply"}
"""Of outputs: what only the run can tell, or what says that it ran."""
Facts = set[tuple[str, ...]]


def _publish(draw: st.DrawFn, **input: Any) -> Call:
    taken = {"acme/taken": {"README.md": "x"}}
    return Call(input, draw(FILES), surroundings=Surroundings(repositories=taken))


def _pull_request(draw: st.DrawFn) -> Call:
    there = draw(FILES)
    deleted = draw(st.lists(st.sampled_from(sorted(there)), max_size=1))
    name = "web"
    input = {"repoUrl": f"forge.test?owner=acme&repo={name}", "branchName": "change", "title": "Change"}
    files = draw(st.one_of(FILES, st.just(there)))
    return Call(
        {**input, "filesToDelete": deleted}, files, surroundings=Surroundings(repositories={f"acme/{name}": there})
    )


def _register(draw: st.DrawFn) -> Call:
    there = {"acme/web": {"catalog-info.yaml": COMPONENT}} if draw(st.booleans()) else {}
    url = "https://forge.test/acme/web/src/branch/main/catalog-info.yaml"
    return Call({"catalogInfoUrl": url, "optional": True}, surroundings=Surroundings(repositories=there))


def _namespace(draw: st.DrawFn) -> Call:
    clusters = draw(st.sampled_from([(), ("east",)]))
    input = {"namespace": draw(NAME), "team": draw(NAME), "environment": "staging", "labels": {draw(NAME): "x"}}
    return Call(
        {**input, "podSecurity": draw(st.sampled_from(["restricted", "baseline"]))},
        surroundings=Surroundings(clusters=clusters),
    )


def _application(draw: st.DrawFn) -> Call:
    instances = draw(st.sampled_from([(), ("main",)]))
    input = {
        "name": draw(NAME),
        "team": draw(NAME),
        "repoUrl": "https://forge.test/acme/web.git",
        "namespace": "shop",
    }
    return Call(
        {**input, "wait": bool(instances) and draw(st.booleans())},
        surroundings=Surroundings(argocd=instances, clusters=("east",)),
    )


def _gitops(draw: st.DrawFn) -> Call:
    files = {f"gitops/{path}": text for path, text in draw(FILES).items()}
    there = draw(st.sampled_from([{}, {"platform/gitops": {"README.md": "x"}}]))
    input = {"sourcePath": "gitops", "message": "Add", "repository": {"owner": "platform", "name": "gitops"}}
    return Call(input, files, surroundings=Surroundings(repositories=there))


def _template(draw: st.DrawFn) -> Call:
    skeleton = {f"skeleton/{path}": text for path, text in draw(FILES).items()}
    skeleton["skeleton/${{ values.name }}.txt"] = "${{ values.name }} {% raw %}${{ x }}{% endraw %}"
    input = {
        "url": "./skeleton",
        "values": {"name": draw(NAME)},
        "replace": draw(st.booleans()),
        "copyWithoutTemplating": ["**/a*", "*"],
    }
    return Call(input, draw(FILES), skeleton)


def _rename(draw: st.DrawFn) -> Call:
    files = draw(FILES)
    pairs = [{"from": draw(st.sampled_from(sorted(files))), "to": draw(PATH), "overwrite": draw(st.booleans())}]
    return Call({"files": pairs}, files)


CALLS: dict[str, Callable[[st.DrawFn], Call]] = {
    **MORE,
    "argocd:register-app": _application,
    "catalog:fetch": lambda draw: Call({"entityRef": draw(NAME), "optional": True, "defaultKind": "Component"}),
    "catalog:register": _register,
    "catalog:write": lambda draw: Call(
        {"entity": {"kind": "Component", "metadata": {"name": draw(NAME)}}, "filePath": draw(PATH)}
    ),
    "database:render": lambda draw: Call(
        {
            "name": draw(NAME),
            "service": draw(NAME),
            "team": draw(NAME),
            "environment": "staging",
            "size": draw(st.sampled_from(["small", "large"])),
            "valuesFile": "values.yaml",
        },
        {"values.yaml": draw(st.sampled_from(["", "base-service: {replicas: 2}\n"]))},
        surroundings=Surroundings(clusters=draw(st.sampled_from([(), ("east",)]))),
    ),
    "debug:log": lambda draw: Call({"message": draw(TEXT), "listWorkspace": True}, draw(FILES)),
    "debug:wait": lambda draw: Call({"milliseconds": draw(st.integers(0, 3))}),
    "fetch:plain": lambda draw: Call({"url": "./skeleton", "targetPath": draw(PATH)}, {}, {"skeleton/a": draw(TEXT)}),
    "fetch:plain:file": lambda draw: Call({"url": "./a", "targetPath": draw(PATH)}, {}, {"a": draw(TEXT)}),
    "fetch:template": _template,
    "fetch:template:file": lambda draw: Call(
        {"url": "./a", "targetPath": draw(PATH), "values": {"x": 1}}, {}, {"a": "${{ values.x }}"}
    ),
    "fs:delete": lambda draw: Call({"files": [draw(PATH), "*"]}, draw(FILES)),
    "fs:readdir": lambda draw: Call({"paths": ["."], "recursive": draw(st.booleans())}, draw(FILES)),
    "fs:rename": _rename,
    "gitops:commit": _gitops,
    "kubernetes:create-namespace": _namespace,
    "publish:gitea": lambda draw: _publish(
        draw, repoUrl=f"forge.test?owner=acme&repo={draw(st.sampled_from(['taken', 'web']))}", description="x"
    ),
    "publish:gitea:pull-request": _pull_request,
    "publish:repository": lambda draw: _publish(
        draw, owner="acme", name=draw(st.sampled_from(["taken", "web"])), defaultBranch=draw(NAME)
    ),
    "service:check-name": lambda draw: Call(
        {"team": draw(NAME), "repository": {"owner": "acme", "name": draw(st.sampled_from(["taken", "web"]))}},
        surroundings=Surroundings(repositories={"acme/taken": {"README.md": "x"}}),
    ),
}


@dataclass(frozen=True)
class Ran:
    """What one run left."""

    effects: list[Effect]
    files: Mapping[str, bytes]
    output: Mapping[str, Any]
    log: list[str]
    error: str | None


async def _run(action_id: str, call: Call, *, dry_run: bool) -> Ran:
    world = World(call.surroundings)
    call.seed(world)
    world.begin()
    with tempfile.TemporaryDirectory(prefix="understage-test-") as folder:
        workspace, template = Path(folder, "workspace"), Path(folder, "template")
        workspace.mkdir()
        template.mkdir()
        write_files(workspace, {name: _bytes(content) for name, content in call.files.items()})
        write_files(template, {name: _bytes(content) for name, content in call.skeleton.items()})
        error, output, log = None, {}, []
        try:
            result = await run_action(
                REGISTRY.get(action_id),
                call.input,
                workspace=workspace,
                ports=world.ports,
                dry_run=dry_run,
                template=TemplateInfo("template:default/t", (template / "template.yaml").as_uri()),
            )
            output, log = result.output, result.log
        except UnderstageError as found:
            error = found.message.replace(folder, "")
        effects = [effect for effect in world.effects() if not effect.summary.startswith(("GET ", "HEAD "))]
        files = read_files(workspace)
        if action_id == "helm:package":  # Helm writes the time into it
            files = {name: b"" if name.endswith(".tgz") else content for name, content in files.items()}
        return Ran(effects, files, _without(output, folder), log, error)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _without(output: Any, folder: str) -> Any:
    """The output without the folder of the run, which is another one each time."""
    if isinstance(output, str):
        return output.replace(folder, "")
    if isinstance(output, list):
        return [_without(item, folder) for item in output]
    if isinstance(output, dict):
        return {key: _without(value, folder) for key, value in output.items()}
    return output


def announced(log: list[str]) -> Facts:
    """What a dry run says that the run would do."""
    return {fact for line in log for fact in _said(line)}


def _said(line: str) -> Iterator[tuple[str, ...]]:
    if match := re.fullmatch(r"Would register (\S+) in the catalog", line):
        yield "register", match[1]
    elif match := re.fullmatch(r"Would create https://([^/]+)/(\S+) and push (\d+) files to branch (\S+)", line):
        yield "create", match[2], match[1]
        yield "commit", match[3], match[2], match[4]
    elif match := re.fullmatch(r"Would commit (\d+) files? to (\S+) \((\S+)\)", line):
        if match[1] != "0":
            yield "commit", *match.groups()
    elif match := re.fullmatch(r"Would open a pull request into (\S+)", line):
        yield "pull request", match[1]
    elif match := re.fullmatch(r"Would apply (\S+) (\S+) to cluster (\S+?)(?:: (created|changed|unchanged))?", line):
        if match[4] != "unchanged":
            yield "object", match[1], _last(match[2]), match[3]
    elif match := re.fullmatch(r"Would delete (?:the )?(\S+) (\S+) (?:of cluster|from|on) .*", line):
        yield "delete", match[1].lower(), _last(match[2])
    elif match := re.fullmatch(r"Would take back (.+) in \S+ on \S+", line):
        yield from (("file", name) for name in match[1].split(", "))
    elif match := re.fullmatch(r"Would unregister (\S+)", line):
        yield "unregister", match[1]
    elif match := re.fullmatch(r"Would push \S+ as (\S+)", line):
        yield "chart", match[1]
    elif match := re.fullmatch(r"Would sync Application (\S+) in .*", line):
        yield "sync", match[1]
    elif match := re.fullmatch(r"Would send (\S+) (\S+)", line):
        yield "send", *match.groups()
    elif line.startswith("Would send the notification "):
        yield "send", "POST", "notifications"
    elif line.startswith("Would wait "):
        return
    elif match := re.fullmatch(r"Would apply AppProject (\S+) and Application (\S+) to .*", line):
        yield "argocd", "AppProject", match[1]
        yield "argocd", "Application", match[2]
    elif re.fullmatch(r"Would create the GitOps repository .+, with a README.md", line):
        yield "file", "README.md"
    elif match := re.fullmatch(r"Would write (\S+) to .*", line):
        yield "file", match[1]
    else:
        assert not line.startswith("Would "), line


def made(effects: list[Effect], *, file_by_file: bool) -> Facts:
    """The same, of what the run did. `file_by_file`: a commit as its files, the repository made on the way left out."""
    return {fact for effect in effects for fact in _done(effect, file_by_file)}


def _done(effect: Effect, file_by_file: bool) -> Iterator[tuple[str, ...]]:
    text = effect.summary
    if match := re.fullmatch(r"register (\S+) in the catalog", text):
        yield "register", match[1]
    elif match := re.fullmatch(r"create repository (\S+) on (\S+)", text):
        if not file_by_file:
            yield "create", match[1], match[2]
    elif match := re.match(r"commit (\d+) files? to (\S+) \((\S+)\) on ", text):
        if file_by_file:
            yield from (("file", name) for name in re.findall(r"^\+\+\+ b/(.*)$", effect.detail, re.MULTILINE))
        else:
            yield "commit", *match.groups()
    elif match := re.fullmatch(r"open pull request \S+#\d+ on \S+: \S+ into (\S+)", text):
        yield "pull request", match[1]
    elif match := re.fullmatch(r"unregister (\S+) in the catalog", text):
        yield "unregister", match[1]
    elif match := re.fullmatch(r"push chart (\S+)", text):
        yield "chart", match[1].removeprefix("oci://")
    elif match := re.fullmatch(r"sync Application (\S+) of Argo CD .*", text):
        yield "sync", match[1]
    elif match := re.fullmatch(r"(POST|PUT|PATCH|DELETE) (\S+)", text):
        yield "send", *match.groups()
    elif match := re.fullmatch(r"delete (object|argocd|repository) (\S+) (\S+) of \S+", text):
        kind, name = (match[1], match[2]) if match[1] == "repository" else (match[2].lower(), match[3])
        yield "delete", kind, _last(name)
    elif match := re.fullmatch(r"(?:apply|change) (\S+) (\S+) on cluster (\S+)", text):
        name = _last(match[2])
        is_of_argo_cd = match[1] in ("AppProject", "Application")
        yield ("argocd", match[1], name) if is_of_argo_cd else ("object", match[1], name, match[3])
    elif match := re.fullmatch(r"(?:apply|change) (\S+) (\S+) to Argo CD .*", text):
        yield "argocd", match[1], match[2]
    else:
        raise AssertionError(text)


def _last(name: str) -> str:
    """Without the namespace, or the owner, which not every line tells."""
    return name.rpartition("/")[2]


@pytest.mark.parametrize("action_id", sorted(CALLS))
def test_the_plan_is_what_the_run_does(
    action_id: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if action_id in NEED_HELM:
        binary: Path = request.getfixturevalue("helm_binary")
        monkeypatch.setenv("PATH", f"{binary.parent}{os.pathsep}{os.environ['PATH']}")

    @given(st.data())
    @settings(
        max_examples=3 if action_id in PROCESSES else 15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def check(data: st.DataObject) -> None:
        call = data.draw(st.composite(lambda draw: CALLS[action_id](draw))())
        planned = asyncio.run(_run(action_id, call, dry_run=True))
        ran = asyncio.run(_run(action_id, call, dry_run=False))
        assert planned.effects == []
        assert planned.error == ran.error
        assert planned.files == ran.files
        keys = (planned.output.keys() | ran.output.keys()) - UNKNOWABLE
        shown = {key: planned.output[key] for key in keys if key in planned.output}
        real = {key: ran.output[key] for key in shown}
        if action_id not in ("publish:gitea:pull-request", "kubernetes:wait"):  # which tells a state
            assert shown == real
        if ran.error is None:
            well.append(call)
            by_file = action_id in ("gitops:commit", "undo:commit")
            assert announced(planned.log) == made(ran.effects, file_by_file=by_file)

    well: list[Call] = []
    check()
    assert well, "no made-up input was taken"


def test_every_built_in_action_can_be_run_dry() -> None:
    ours = [action for action in REGISTRY.all() if action.handler.__module__.startswith("understage_actions.")]
    assert [action.id for action in ours if not action.supports_dry_run] == []


def test_each_built_in_action_has_its_plan_held_against_its_run() -> None:
    """Those for GitHub, GitLab and Bitbucket in tests/unit/actions/test_github.py and so on, by all of their examples."""
    ours = [action for action in REGISTRY.all() if action.handler.__module__.startswith("understage_actions.")]
    # An alias is the same function under another name.
    handlers = {action.handler for action in ours if action.id in CALLS}
    left = {action.id for action in ours if action.handler not in handlers}
    forges = {name for name in left if re.search("github|gitlab|bitbucket", name)}
    assert len(forges) >= 30
    assert left - forges == ELSEWHERE.keys() | SAME_CODE.keys()
    for place in ELSEWHERE.values():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), place
    for name in SAME_CODE:
        module = sys.modules[REGISTRY.get(name).handler.__module__]
        assert "is_dry_run" not in Path(str(module.__file__)).read_text("utf-8"), name


def test_a_plan_tells_of_files_objects_and_registrations() -> None:
    """The vocabulary of the property: if nothing were announced and nothing made, it would hold as well."""
    seen: set[str] = set()
    for action_id in ("publish:repository", "kubernetes:create-namespace", "argocd:register-app", "gitops:commit"):
        call = {
            "publish:repository": Call({"owner": "a", "name": "b"}, {"x": "y"}),
            "kubernetes:create-namespace": Call(
                {"namespace": "a", "team": "b", "environment": "c"}, surroundings=Surroundings(clusters=("east",))
            ),
            "argocd:register-app": Call(
                {"name": "a", "team": "b", "repoUrl": "https://f.test/a/b.git", "namespace": "shop"},
                surroundings=Surroundings(argocd=("main",), clusters=("east",)),
            ),
            "gitops:commit": Call(
                {"sourcePath": ".", "message": "m", "repository": {"owner": "a", "name": "b"}}, {"clusters/x.yaml": "y"}
            ),
        }[action_id]
        seen |= {fact[0] for fact in announced(asyncio.run(_run(action_id, call, dry_run=True)).log)}
    assert seen == {"create", "commit", "object", "argocd", "file"}
