"""What objects cost a month, each beside the sum done by hand."""

from decimal import Decimal
from typing import Any

import pytest

from understage.errors import InputError
from understage.model.cost import PriceList, describe_estimate, estimate_cost, money, read_prices
from understage.model.cost.schedule import runs_of_month
from understage.model.cost.workloads import Assumptions

# A core a month is 7.30, a GiB of memory 0.73.
PRICES = PriceList(
    currency="EUR",
    cpu_hour=Decimal("0.01"),
    memory_gib_hour=Decimal("0.001"),
    storage_gib_month=Decimal("0.10"),
    load_balancer_month=Decimal(20),
    storage_classes={"fast": Decimal("0.25")},
    is_own=True,
)
Json = dict[str, Any]


def container(cpu: Any = None, memory: Any = None, **more: Any) -> Json:
    asked = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value is not None}
    return {"name": "app", "resources": {"requests": asked}, **more}


def workload(kind: str, *containers: Json, name: str = "web", spec: Json | None = None, **pod: Any) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": list(containers), **pod}}, **(spec or {})},
    }


def scaler(least: int | None, most: int, name: str = "web", kind: str = "Deployment") -> Json:
    spec: Json = {"scaleTargetRef": {"kind": kind, "name": name}, "maxReplicas": most}
    if least is not None:
        spec["minReplicas"] = least
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec}


def cron_job(schedule: str, *containers: Json, spec: Json | None = None, **job: Any) -> Json:
    template = {"spec": {"template": {"spec": {"containers": list(containers)}}, **job}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "night"},
        "spec": {"schedule": schedule, "jobTemplate": template, **(spec or {})},
    }


def claim(size: str, storage_class: str | None = None) -> Json:
    spec: Json = {"resources": {"requests": {"storage": size}}}
    return {
        "metadata": {"name": "data"},
        "spec": {**spec, "storageClassName": storage_class} if storage_class else spec,
    }


def cost(*objects: Json, nodes: int = 1) -> str:
    return str(estimate_cost(objects, PRICES, Assumptions(nodes=nodes)).monthly)


SIMPLE = container("500m", "1Gi")  # 3.65 + 0.73 = 4.38


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([workload("Deployment", SIMPLE)], "4.38"),
        ([workload("Deployment", SIMPLE, spec={"replicas": 3})], "13.14"),
        ([workload("Deployment", SIMPLE, spec={"replicas": 0})], "0.00"),
        ([workload("Deployment", SIMPLE, SIMPLE, spec={"replicas": 2})], "17.52"),
        # The autoscaler says how many, whatever `replicas` says; not where replicas are 0, which switches it off.
        ([workload("Deployment", SIMPLE, spec={"replicas": 9}), scaler(2, 5)], "8.76"),
        ([workload("Deployment", SIMPLE), scaler(None, 5)], "4.38"),
        ([workload("Deployment", SIMPLE, spec={"replicas": 0}), scaler(2, 5)], "0.00"),
        ([workload("Deployment", SIMPLE), scaler(2, 5, name="other")], "4.38"),
        ([workload("Deployment", SIMPLE), scaler(2, 5, kind="StatefulSet")], "4.38"),
        # A limit without a request is the request.
        ([workload("Deployment", {"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}})], "8.03"),
        # Init containers run alone, before; a sidecar beside all.
        ([workload("Deployment", SIMPLE, initContainers=[container("1", "1Gi")])], "8.03"),
        ([workload("Deployment", SIMPLE, initContainers=[container("100m", "1Gi")])], "4.38"),
        ([workload("Deployment", SIMPLE, initContainers=[container("100m", "1Gi", restartPolicy="Always")])], "5.84"),
        ([workload("Deployment", SIMPLE, overhead={"cpu": "500m"})], "8.03"),
        ([workload("Deployment", SIMPLE, resources={"requests": {"cpu": "1"}})], "8.03"),
        ([workload("Deployment", container())], "0.00"),
        ([workload("DaemonSet", SIMPLE)], "13.14"),
        ([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [SIMPLE]}}], "4.38"),
        # Two pods with 10 GiB each at 0.10, and with 4 GiB at 0.25.
        ([workload("StatefulSet", SIMPLE, spec={"replicas": 2, "volumeClaimTemplates": [claim("10Gi")]})], "10.76"),
        ([workload("StatefulSet", SIMPLE, spec={"replicas": 2, "volumeClaimTemplates": [claim("4Gi", "fast")]})], "10.76"),
        ([{"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim("20Gi")}], "2.00"),
        ([{"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim("20Gi", "fast")}], "5.00"),
        ([workload("Deployment", SIMPLE, volumes=[{"ephemeral": {"volumeClaimTemplate": claim("1Gi")}}])], "4.48"),
        ([{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"type": "LoadBalancer"}}], "20.00"),
        ([{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"type": "ClusterIP"}}], "0"),
        # 730 runs of 5 minutes are 60.83 of 730 hours, a twelfth: of 100 cores 60.83.
        ([cron_job("0 * * * *", container("100", "0"))], "60.83"),
        # 30.4167 runs of one minute: 30.4167 / 43800 of 730.
        ([cron_job("0 3 * * *", container("100", "0"), activeDeadlineSeconds=60)], "0.51"),
        ([cron_job("0 * * * *", container("100", "0"), parallelism=2)], "121.67"),
        ([cron_job("* * * * *", container("1", "0"))], "7.30"),
        ([cron_job("0 * * * *", container("100", "0"), spec={"suspend": True})], "0.00"),
        ([{"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "db"},
           "spec": {"instances": 3, "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
                    "storage": {"size": "10Gi"}, "walStorage": {"size": "2Gi", "storageClass": "fast"}}}], "17.64"),
    ],
)  # fmt: skip
def test_by_hand(objects: list[Json], expected: str) -> None:
    assert cost(*objects, nodes=3) == expected


def test_what_a_database_brings_has_no_price_of_its_own() -> None:
    pooler = {"instances": 2, "template": {"spec": {"containers": [SIMPLE]}}}
    objects: list[Json] = [
        {"apiVersion": "postgresql.cnpg.io/v1", "kind": kind, "metadata": {"name": "db"}, "spec": spec}
        for kind, spec in (("Pooler", pooler), ("Database", {}), ("ScheduledBackup", {}))
    ]
    found = estimate_cost(objects, PRICES)
    assert (str(found.monthly), found.unknown_kinds) == ("8.76", [])


def test_an_autoscaler_gives_a_range() -> None:
    found = estimate_cost([workload("Deployment", SIMPLE), scaler(2, 5)], PRICES)
    assert (str(found.monthly), str(found.maximum)) == ("8.76", "21.90")


def test_lines_add_up_to_the_sum() -> None:
    found = estimate_cost([workload("Deployment", container("1m", "1Mi"), name=f"web{n}") for n in range(7)], PRICES)
    assert found.monthly == sum(line.monthly for line in found.lines) == Decimal("0.07")


@pytest.mark.parametrize(
    ("schedule", "runs"),
    [("0 0 1 * *", 12), ("@daily", 365), ("0 */6 * * *", 4 * 365), ("30 8 * * 1-5", 261), ("0 0 29 2 *", 0)],
)
def test_runs_are_those_of_a_twelfth_of_a_year(schedule: str, runs: int) -> None:
    assert runs_of_month(schedule, "CronJob x") == pytest.approx(runs / 12)


@pytest.mark.parametrize(
    ("schedule", "runs"), [("* * * * *", 43800), ("*/5 * * * *", 8760), ("* 9-16 * * 1-5", 5 * 480 / 168 * 730)]
)
def test_frequent_runs_are_counted_over_whole_weeks(schedule: str, runs: float) -> None:
    assert runs_of_month(schedule, "CronJob x") == pytest.approx(runs)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (workload("Deployment", SIMPLE, spec={"replicas": -1}), "Deployment web: replicas must be"),
        (workload("Deployment", SIMPLE, spec={"replicas": "2"}), "Deployment web: replicas must be"),
        (workload("Deployment", SIMPLE, spec={"replicas": 10**12}), "Deployment web: replicas must be"),
        (workload("Deployment", container("lots")), "container app: cpu 'lots' is no quantity"),
        (workload("Deployment", container("1", {"a": 1})), "container app: memory"),
        (workload("Deployment", container("9E")), "would cost more than there is money"),
        (cron_job("whenever", SIMPLE), "schedule 'whenever' is no cron expression"),
        (cron_job("* * * * * *", SIMPLE), "has not five fields"),
        (cron_job("0 0 31 2 *", SIMPLE), "is no cron expression"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(item: Json, words: str) -> None:
    with pytest.raises(InputError, match=words):
        estimate_cost([item], PRICES)


@pytest.mark.parametrize("spec", [None, [], "x", {"template": []}, {"template": {"spec": {"containers": "x"}}}])
def test_objects_of_another_shape_cost_nothing(spec: Any) -> None:
    item = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    assert estimate_cost([item], PRICES).monthly == 0


def test_kinds_without_a_price_are_named() -> None:
    bucket = {"apiVersion": "s3.aws.example.com/v1", "kind": "Bucket", "metadata": {"name": "b"}}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}}
    found = estimate_cost([bucket, role], PRICES)
    assert found.unknown_kinds == ["Bucket"]
    assert "Not in it either: Bucket." in describe_estimate(found)


def test_the_text_cannot_be_broken_by_names() -> None:
    evil = workload("Deployment", SIMPLE, name="a|b\n<script>[x](y)")
    row = describe_estimate(estimate_cost([evil], PRICES)).splitlines()[4]
    assert row.startswith(r"| Deployment a\|b \<script\>\[x\](y) | 1 | 0.5 | 1 GiB |")
    assert row.endswith("| 4.38 EUR |  |")


def test_money() -> None:
    assert money(Decimal("1234567.5"), "EUR") == "1\xa0234\xa0567.50 EUR"


def test_a_price_list_is_used_whole() -> None:
    given = {"currency": "EUR", "prices": {"cpuHour": 0.01, "memoryGibHour": "0.001", "storageGibMonth": 0.1}}
    prices = read_prices(given)
    assert (prices.currency, prices.cpu_hour, prices.load_balancer_month) == ("EUR", Decimal("0.01"), 0)
    assert read_prices({}) == PriceList()
    with pytest.raises(InputError, match=r"prices in EUR are missing"):
        read_prices({"currency": "EUR"})
    with pytest.raises(InputError, match=r"lacks memoryGibHour, storageGibMonth"):
        read_prices({"prices": {"cpuHour": 1}})
    with pytest.raises(InputError, match=r"cpuHour must be a number from 0"):
        read_prices({"prices": {**given["prices"], "cpuHour": "NaN"}})  # type: ignore[dict-item]
