"""More calls for `test_plan_is_run`: what writes into the workspace only, clusters, Argo CD, Helm, requests, undoing."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from tests.unit.actions.test_examples import ANSWERS, TEXTS

from understage.model.yaml import dump
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.authoring.world import Surroundings, World
from understage.sdk.testing import FakeForge

REGISTRY = ActionRegistry.from_entry_points()
NAME = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
PATH = st.lists(NAME, min_size=1, max_size=3).map("/".join)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20)
FILES = st.dictionaries(PATH, TEXT, min_size=1, max_size=4).filter(
    lambda files: not any(other.startswith(f"{path}/") for path in files for other in files)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAME, inner, max_size=2),
    max_leaves=4,
)
MAP = st.dictionaries(NAME, JSON, max_size=3)
TEAM = "payments"
COMMIT = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
APPLICATION = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "spec": {"project": TEAM}}
CHART = {"deploy/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n"}
MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {size: {{ .Values.size | quote }}}\n"
SKELETON = {"skeleton/cookiecutter.json": '{"name": "x"}', "skeleton/{{cookiecutter.name}}/a": "{{cookiecutter.name}}"}
Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Call:
    """One call: the input, the files of the workspace, of the template, what there is in the world; `seed` adds to it."""

    input: Mapping[str, Any]
    files: Files = field(default_factory=dict)
    skeleton: Files = field(default_factory=dict)
    surroundings: Surroundings = field(default_factory=Surroundings)
    seed: Callable[[World], None] = lambda _world: None


def _examples(action_id: str, files: Files | None = None, **given: Any) -> Callable[[st.DrawFn], Call]:
    """Those that are shown with the action."""
    return lambda draw: Call(draw(st.sampled_from(REGISTRY.get(action_id).examples)).input, files or {}, **given)


def _utils(action_id: str) -> Callable[[st.DrawFn], Call]:
    files = {"file1.txt": "one", "docs/a.md": "a", "service/main.py": "x", **TEXTS}
    return _examples(action_id, files)


def _write(draw: st.DrawFn) -> Call:
    return Call({"path": draw(PATH), "content": draw(TEXT)}, draw(FILES))


def _merge(draw: st.DrawFn) -> Call:
    files = {"values.yaml": dump(draw(MAP)), "values.json": "{}"}
    path = draw(st.sampled_from(sorted(files)))
    return Call({"path": path, "content": draw(MAP), "mergeArrays": draw(st.booleans())}, files)


def _replace(draw: st.DrawFn) -> Call:
    files = draw(FILES)
    found = {"file": draw(st.sampled_from(["**/*", *files])), "find": draw(NAME), "replaceWith": draw(NAME)}
    return Call({"files": [{**found, "matchRegex": draw(st.booleans())}]}, files)


def _packed(draw: st.DrawFn) -> Call:
    files = draw(FILES)
    return Call({"path": draw(st.sampled_from([".", *files])), "outputPath": "packed.zip"}, files)


def _zipped(draw: st.DrawFn) -> Call:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in draw(FILES).items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return Call({"path": "packed.zip", "targetPath": draw(PATH)}, {"packed.zip": buffer.getvalue()})


def _objects(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(NAME, min_size=1, max_size=3, unique=True))
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": draw(NAME)}}
        for name in names
    ]


def _apply(draw: st.DrawFn) -> Call:
    """Some of the objects are there already, as they are or otherwise."""
    objects = _objects(draw)
    there = {each["metadata"]["name"]: draw(st.sampled_from([None, "same", "other"])) for each in objects}

    def seed(world: World) -> None:
        [cluster] = world.clusters
        cluster.seed({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, manager="understage")
        for each in objects:
            state = there[each["metadata"]["name"]]
            placed = {**each, "metadata": {**each["metadata"], "namespace": "shop"}}
            if state is not None:
                changed = placed if state == "same" else {**placed, "data": {"a": "otherwise"}}
                cluster.seed(changed, manager="understage")

    input = {"manifests": objects, "namespace": "shop", "wait": draw(st.booleans())}
    return Call(input, surroundings=Surroundings(clusters=("east",)), seed=seed)


def _waited(draw: st.DrawFn) -> Call:
    def seed(world: World) -> None:
        [cluster] = world.clusters
        cluster.seed({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, manager="x")
        name = {"name": "web", "namespace": "shop"}
        cluster.seed({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": name, "spec": {}}, manager="x")

    objects = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}]
    input = {"objects": objects, "namespace": "shop", "timeout": draw(st.integers(1, 9))}
    return Call(input, surroundings=Surroundings(clusters=("east",)), seed=seed)


def _with_application(draw: st.DrawFn, input: Mapping[str, Any], *, is_there: bool = True) -> Call:
    """A call about an Application of Argo CD."""
    name = draw(NAME)

    def seed(world: World) -> None:
        if is_there:
            [instance] = world.argocd
            instance.applications[name] = {**APPLICATION, "metadata": {"name": name}}

    return Call({"name": name, **input}, surroundings=Surroundings(argocd=("main",)), seed=seed)


def _resources(draw: st.DrawFn) -> Call:
    input = {"appName": draw(NAME), "argoInstance": "main", "namespace": "shop", "path": draw(PATH)}
    repository = {"repoUrl": "https://forge.test/acme/web.git"}
    return Call({**input, **repository}, surroundings=Surroundings(argocd=("main",)))


def _chart_to_push(draw: st.DrawFn) -> Call:
    version = f"1.{draw(st.integers(0, 9))}.0"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        text = f"apiVersion: v2\nname: web\nversion: {version}\n".encode()
        entry = tarfile.TarInfo("web/Chart.yaml")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    packed = gzip.compress(buffer.getvalue(), mtime=0)
    file = f"web-{version}.tgz"
    return Call({"path": file, "repository": "oci://registry.test/charts"}, {file: packed})


def _chart(draw: st.DrawFn, **input: Any) -> Call:
    files = {**CHART, "deploy/templates/map.yaml": MANIFEST, "deploy/values.yaml": "size: 1\n"}
    return Call({"chart": "deploy", **input}, files)


def _values(draw: st.DrawFn) -> Call:
    layers = {"baseValues": draw(MAP), "overlays": {"production": draw(MAP)}, "environment": "production"}
    return Call({"chart": "deploy", **layers, "targetPath": draw(PATH) + ".yaml"}, CHART)


def _undone_object(draw: st.DrawFn) -> Call:
    is_there = draw(st.booleans())

    def seed(world: World) -> None:
        [cluster] = world.clusters
        if is_there:
            name = {"name": "web", "namespace": "default"}
            cluster.seed({"apiVersion": "v1", "kind": "ConfigMap", "metadata": name}, manager="understage")

    input = {"cluster": "east", "apiVersion": "v1", "kind": "ConfigMap", "name": "web", "namespace": "default"}
    return Call(input, surroundings=Surroundings(clusters=("east",)), seed=seed)


def _undone_repository(draw: st.DrawFn) -> Call:
    has_commits = draw(st.booleans())

    def seed(world: World) -> None:
        [forge] = world.forges.forges
        assert isinstance(forge, FakeForge)
        if not has_commits:
            forge.repositories["acme/web"].branches.clear()

    repositories = {"acme/web": {"README.md": "x"}}
    input = {"host": "forge.test", "owner": "acme", "name": "web"}
    return Call(input, surroundings=Surroundings(repositories=repositories), seed=seed)


def _undone_commit(draw: st.DrawFn) -> Call:
    written = draw(st.dictionaries(NAME, NAME, min_size=1, max_size=3))
    since = {name: draw(st.sampled_from([text, f"{text} and more"])) for name, text in written.items()}
    files = [
        {"path": name, "existed": True, "written": hashlib.sha256(text.encode()).hexdigest()}
        for name, text in written.items()
    ]
    input = {"host": "forge.test", "owner": "acme", "name": "web", "commit": COMMIT, "files": files}

    def seed(world: World) -> None:
        world.git.snapshots[COMMIT] = {name: f"before {text}".encode() for name, text in written.items()}

    return Call(input, surroundings=Surroundings(repositories={"acme/web": since}), seed=seed)


def _undone_location(draw: st.DrawFn) -> Call:
    target = "https://forge.test/acme/web/src/branch/main/catalog-info.yaml"
    return Call({"target": target}, seed=lambda world: world.catalog.locations.append(target))


WITH_HTTP = {"surroundings": Surroundings(http=ANSWERS)}
MORE: dict[str, Callable[[st.DrawFn], Call]] = {
    "argocd:create-resources": _resources,
    "argocd:delete-app": lambda draw: _with_application(draw, {"team": TEAM}, is_there=draw(st.booleans())),
    "argocd:sync": lambda draw: _with_application(draw, {"team": TEAM, "wait": draw(st.booleans())}),
    "argocd:wait": lambda draw: _with_application(draw, {"timeout": draw(st.integers(1, 9))}),
    "fetch:cookiecutter": lambda draw: Call({"url": "./skeleton", "values": {"name": draw(NAME)}}, {}, SKELETON),
    "helm:lint": lambda draw: _chart(draw, values={"size": draw(NAME)}),
    "helm:package": lambda draw: _chart(draw, version="1.2.0", targetPath=draw(PATH)),
    "helm:push": _chart_to_push,
    "helm:render-values": _values,
    "helm:template": lambda draw: _chart(draw, values={"size": draw(NAME)}, targetPath="out.yaml"),
    "http:backstage:request": _examples("http:backstage:request", **WITH_HTTP),
    "http:request": _examples("http:request", **WITH_HTTP),
    "kubernetes:apply": _apply,
    "kubernetes:wait": _waited,
    "notification:send": _examples("notification:send", **WITH_HTTP),
    "service:describe": _examples("service:describe"),
    "team:render": _examples("team:render"),
    "undo:commit": _undone_commit,
    "undo:location": _undone_location,
    "undo:object": _undone_object,
    "undo:repository": _undone_repository,
    "utils:fs:append": _write,
    "utils:fs:parse": _utils("utils:fs:parse"),
    "utils:fs:replace": _replace,
    "utils:fs:write": _write,
    "utils:json:merge": lambda draw: Call({"path": draw(PATH), "content": draw(MAP)}),
    "utils:jsonata": _utils("utils:jsonata"),
    "utils:jsonata:json:transform": _utils("utils:jsonata:json:transform"),
    "utils:jsonata:yaml:transform": _utils("utils:jsonata:yaml:transform"),
    "utils:merge": _merge,
    "utils:serialize:json": lambda draw: Call({"data": draw(MAP)}),
    "utils:serialize:yaml": lambda draw: Call({"data": draw(MAP)}),
    "utils:sleep": lambda draw: Call({"amount": draw(st.sampled_from([0, 0.001]))}),
    "utils:unzip": _zipped,
    "utils:zip": _packed,
}
PROCESSES = frozenset(("fetch:cookiecutter", "helm:lint", "helm:package", "helm:template", "utils:jsonata"))
"""Each call starts a program: a few inputs are enough."""
NEED_HELM = frozenset(("helm:lint", "helm:package", "helm:template"))
ELSEWHERE = {
    "cost:estimate": "tests/unit/actions/test_cost_estimate.py::test_by_the_platforms_prices",
    "dashboard:render": (
        "tests/unit/actions/test_dashboard_render.py::test_the_same_input_gives_the_same_file_in_a_dry_run_too"
    ),
    "environment:expire": "tests/unit/actions/test_environment_expire.py::test_a_dry_run_tells_and_leaves_it",
    "gitops:promote": "tests/unit/argocd/test_promotion.py::test_a_dry_run_tells_and_touches_nothing",
    "gitops:rollback": "tests/unit/argocd/test_promotion.py::test_at_once_means_a_commit_on_the_default_branch",
    "policy:check": "tests/unit/actions/test_policy_check.py::test_nothing_wrong_passes_in_a_dry_run_too",
    "service:adopt": "tests/unit/actions/test_service_adopt.py::test_a_dry_run_proposes_the_same",
}
"""What needs a platform around it: action to the test that holds its plan against its run."""
SAME_CODE = {
    "environment:clone": "reads repositories, writes files into the workspace",
    "helm:dependency-update": "reads repositories of charts, writes files into the workspace",
    "vault:access": "reads files of the workspace, writes one",
}
"""What never asks whether it is a dry run: it has no other effects."""
