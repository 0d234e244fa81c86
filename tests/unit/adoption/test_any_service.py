"""Made-up services of many shapes: each can be rendered, every difference has a reason, and as it is nothing of a pod changes."""

import asyncio
import copy
import json
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.adoption.sample_reports import SAMPLES
from tests.unit.skeletons.golden_path import GUARDRAILS, SKELETONS

from understage.adoption import Options, compare, take_stock
from understage.adoption import propose as propose_values
from understage.errors import InputError
from understage.integrations.adoption import ServiceAdoption
from understage.integrations.helm import HelmBinary
from understage.sdk import AdoptionProposal, AdoptionRequest
from understage.sdk.yaml import parse_document, parse_documents

Json = dict[str, Any]
TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=12)
NAME = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
PORT = st.sampled_from([80, 1024, 3000, 8080])


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """A map with any of the members."""
    return st.fixed_dictionaries({}, optional=members)


PROBE = st.one_of(
    st.builds(
        lambda get, more: {"httpGet": get, **more},
        some(path=st.sampled_from(["/", "/ok"]), scheme=st.sampled_from(["HTTP", "HTTPS"])).map(
            lambda get: {**get, "port": 8080}
        ),
        some(
            periodSeconds=st.integers(1, 20), initialDelaySeconds=st.integers(0, 90), timeoutSeconds=st.integers(1, 2)
        ),
    ),
    st.just({"tcpSocket": {"port": 8080}}),
    st.just({"exec": {"command": ["true"]}}),
)
AMOUNTS = some(cpu=st.sampled_from(["100m", "1", "0.5"]), memory=st.sampled_from(["64Mi", "1Gi", "0.5Gi"]))
VARIABLES = st.lists(
    st.one_of(
        st.builds(lambda name, value: {"name": name, "value": value}, NAME, TEXT),
        st.builds(lambda name: {"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, NAME),
    ),
    max_size=3,
    unique_by=lambda entry: str(entry["name"]),
)
SECURITY = some(
    runAsNonRoot=st.booleans(),
    runAsUser=st.sampled_from([0, 1000, 10001]),
    readOnlyRootFilesystem=st.booleans(),
    allowPrivilegeEscalation=st.booleans(),
)
CONTAINER = some(
    args=st.lists(TEXT, min_size=1, max_size=2),
    env=VARIABLES,
    readinessProbe=PROBE,
    livenessProbe=PROBE,
    startupProbe=PROBE,
    resources=some(requests=AMOUNTS, limits=AMOUNTS),
    securityContext=SECURITY,
    imagePullPolicy=st.sampled_from(["Always", "IfNotPresent"]),
    workingDir=st.just("/srv"),
)
IMAGE = st.sampled_from(
    ["registry.example.com/a:1", "a", "a:latest", "localhost:5000/a:v1.2", f"registry.example.com/a@sha256:{'0' * 64}"]
)
POD = some(
    enableServiceLinks=st.booleans(),
    automountServiceAccountToken=st.booleans(),
    hostNetwork=st.booleans(),
    shareProcessNamespace=st.booleans(),
    terminationGracePeriodSeconds=st.sampled_from([0, 30, 90]),
    nodeSelector=st.just({"disk": "fast"}),
    tolerations=st.just([{"key": "gpu", "operator": "Exists"}]),
    securityContext=some(runAsNonRoot=st.booleans(), fsGroup=st.sampled_from([0, 1000]), runAsUser=st.just(1000)),
    serviceAccountName=st.sampled_from(["web", "default", "other"]),
    priorityClassName=st.just("high"),
    dnsPolicy=st.sampled_from(["ClusterFirst", "Default"]),
    volumes=st.just([{"name": "tmp", "emptyDir": {}}]),
)


@st.composite
def services(draw: st.DrawFn) -> list[Json]:
    """A Deployment called web, and perhaps what stands around it."""
    ports = draw(st.lists(PORT, max_size=2, unique=True))
    containers = [{"name": draw(st.sampled_from(["web", "main"])), "image": draw(IMAGE), **draw(CONTAINER)}]
    if ports:
        containers[0]["ports"] = [
            {"containerPort": port, **draw(some(name=st.just(f"p{port}"), protocol=st.just("TCP")))} for port in ports
        ]
    if draw(st.booleans()):
        containers.append({"name": "side", "image": draw(IMAGE), **draw(CONTAINER)})
    template = {
        "metadata": {
            "labels": {"app": "web", **draw(some(tier=NAME))},
            **draw(some(annotations=st.just({"a/b": "c"}))),
        },
        "spec": {"containers": containers, **draw(POD)},
    }
    spec = draw(
        some(
            replicas=st.integers(0, 3),
            revisionHistoryLimit=st.integers(0, 10),
            strategy=st.sampled_from([{"type": "Recreate"}, {"type": "RollingUpdate"}]),
            minReadySeconds=st.integers(0, 5),
        )
    )
    objects = [
        _object(
            "apps/v1", "Deployment", "web", {**spec, "selector": {"matchLabels": {"app": "web"}}, "template": template}
        )
    ]
    if ports and draw(st.booleans()):
        own = {"selector": {"app": "web"}, "ports": [{"name": f"s{port}", "port": port} for port in ports]}
        extra = draw(some(type=st.sampled_from(["ClusterIP", "LoadBalancer"]), sessionAffinity=st.just("ClientIP")))
        objects.append(_object("v1", "Service", draw(st.sampled_from(["web", "front"])), {**own, **extra}))
    if draw(st.booleans()):
        limits = draw(some(minReplicas=st.integers(1, 2), targetCPUUtilizationPercentage=st.integers(1, 100)))
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        name = draw(st.sampled_from(["web", "scaler"]))
        spec = {"maxReplicas": 3, "scaleTargetRef": target, **limits}
        objects.append(_object("autoscaling/v1", "HorizontalPodAutoscaler", name, spec))
    if draw(st.booleans()):
        budget = draw(st.sampled_from([{"maxUnavailable": 1}, {"maxUnavailable": 0}, {"minAvailable": "50%"}]))
        spec = {**budget, "selector": {"matchLabels": {"app": "web"}}}
        objects.append(_object("policy/v1", "PodDisruptionBudget", "web", spec))
    return objects


def _object(api_version: str, kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def propose(objects: list[Json], helm: Path, **options: Any) -> AdoptionProposal:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "all.json").write_text(
            json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, ensure_ascii=False)
        )
        request = AdoptionRequest(
            folder=folder,
            base_chart=SKELETONS / "charts" / "base-service",
            owner="group:default/shop",
            team="shop",
            environment="production",
            namespace="shop",
            **options,
        )
        return asyncio.run(ServiceAdoption(HelmBinary(str(helm)), GUARDRAILS).propose(request))


def test_every_difference_of_any_service_has_a_reason(helm_binary: Path) -> None:
    @given(services())
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def check(objects: list[Json]) -> None:
        proposal = propose(objects, helm_binary)
        (service,) = proposal.services
        assert [each for each in service["differences"] if each["why"].startswith("not explained")] == []

    check()


def test_any_service_adopted_as_it_is_keeps_its_pods(helm_binary: Path) -> None:
    @given(services())
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def check(objects: list[Json]) -> None:
        proposal = propose(objects, helm_binary, as_is=True)
        (service,) = proposal.services
        assert service["keepsPods"]
        values = parse_document(proposal.files["deploy/values.yaml"]).value["base-service"]
        assert values["podSpec"] == objects[0]["spec"]["template"]["spec"]

    check()


JUNK: list[Any] = [
    None,
    1,
    -1.5,
    True,
    "x",
    "{{ x }}",
    "../..",
    [],
    [None],
    [[]],
    {},
    {"x": None},
    [{"name": {}}],
    [1, "a"],
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, below in members for place in _places(below, (*path, key)))]


@st.composite
def spoilt(draw: st.DrawFn) -> list[Json]:
    """Services with junk in one to three places below their kind."""
    objects: Any = json.loads(json.dumps(draw(services())))
    for _ in range(draw(st.integers(1, 3))):
        places = [place for place in _places(objects) if len(place) > 1 and place[1] not in ("apiVersion", "kind")]
        *path, last = draw(st.sampled_from(places))
        target = objects
        for key in path:
            target = target[key]
        target[last] = copy.deepcopy(draw(st.sampled_from(JUNK)))
    return objects  # type: ignore[no-any-return]


def test_junk_is_refused_or_told_and_breaks_nothing(helm_binary: Path) -> None:
    taken = refused = 0

    @given(spoilt())
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def check(objects: list[Json]) -> None:
        nonlocal taken, refused
        try:
            proposal = propose(objects, helm_binary)
        except InputError:
            refused += 1
            return
        taken += 1
        assert all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in proposal.files)

    check()
    assert taken
    assert refused


@pytest.mark.parametrize("seed", range(3))
def test_junk_in_a_sample_is_refused_or_told(seed: int) -> None:
    """Without Helm, and so with many more shapes."""
    files = [file for pattern in ("*/*.yaml", "*/k8s/*.yaml") for file in sorted(SAMPLES.glob(pattern))]
    texts = [file.read_text() for file in files if "kind: " in file.read_text() and "metadata:" in file.read_text()]
    samples = [[document.value for document in parse_documents(text) if document.value] for text in texts]
    random = Random(seed)
    outcomes: Counter[str] = Counter()
    for _ in range(400):
        objects: Any = copy.deepcopy(random.choice(samples))
        for _ in range(random.randint(1, 4)):
            places = [place for place in _places(objects) if len(place) > 1 and place[1] not in ("apiVersion", "kind")]
            *path, last = random.choice(places)
            target = objects
            for key in path:
                target = target[key]
            target[last] = copy.deepcopy(random.choice(JUNK))
        try:
            for group in take_stock(objects).groups:
                for more in ({}, {"as_is": True}, {"gateway": ("edge", "public")}):
                    proposal = propose_values(group, Options("group:default/shop", "shop", "production", **more))  # type: ignore[arg-type]
                    same = copy.deepcopy(group.objects())
                    names = (proposal.container, proposal.container)
                    assert compare(group.objects(), same, container=names, renamed={}) == []
            outcomes["taken"] += 1
        except InputError:
            outcomes["refused"] += 1
    assert min(outcomes["taken"], outcomes["refused"]) > 50
