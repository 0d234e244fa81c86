"""The questions that dashboards of services ask Prometheus. Pure; `_dashboard` puts them on panels.

Metrics are those of OpenTelemetry's HTTP conventions, of the kubelet, of kube-state-metrics and of OpenCost. Rates and burn
rates are the same as in the rules of the chart `base-service`.
"""

from dataclasses import dataclass
from decimal import Decimal

GIB = "1024 / 1024 / 1024"
HOURS_OF_MONTH = 730


@dataclass(frozen=True)
class Queries:
    """Of one service or of several: `services` is a regular expression of their names, checked to be labels.

    `by` is the label that lines are told apart by, `metric` a histogram of seconds without its suffix, `errors` a matcher of
    the requests that failed, `objective` a percentage.
    """

    services: str
    by: str
    metric: str
    errors: str
    objective: float

    @property
    def _of(self) -> str:
        return f'namespace=~"$namespace",service=~"{self.services}"'

    @property
    def _pods(self) -> str:
        return f'namespace=~"$namespace",pod=~"({self.services})-.*"'

    @property
    def _containers(self) -> str:
        # The kubelet counts a pod's own cgroup and its sandbox beside the containers.
        return f'{self._pods},container!="",container!="POD"'

    @property
    def _budget(self) -> str:
        return f"{(100 - Decimal(str(self.objective))) / 100:f}"

    def requests(self) -> str:
        """Requests a second."""
        return f"sum by ({self.by}) (rate({self.metric}_count{{{self._of}}}[$__rate_interval]))"

    def failures(self) -> str:
        """The part of the requests that failed."""
        failed = f"sum by ({self.by}) (rate({self.metric}_count{{{self._of},{self.errors}}}[$__rate_interval]))"
        # Without a failure there is no such series: that is none of them, not nothing known.
        return f"({failed} or {self.requests()} * 0) / {self.requests()}"

    def latency(self, quantile: float) -> str:
        """Seconds in which that part of the requests was answered."""
        buckets = f"rate({self.metric}_bucket{{{self._of}}}[$__rate_interval])"
        return f"histogram_quantile({quantile:g}, sum by (le, {self.by}) ({buckets}))"

    def cpu(self) -> str:
        """Used cores, as a part of the limit."""
        used = (
            f"sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{{{self._containers}}}[$__rate_interval]))"
        )
        return f"{used} / {self._limits('cpu')}"

    def memory(self) -> str:
        """Used memory, as a part of the limit."""
        used = f"sum by (namespace, pod) (container_memory_working_set_bytes{{{self._containers}}})"
        return f"{used} / {self._limits('memory')}"

    def throttled(self) -> str:
        """The part of the time slices in which a pod had to wait for its limit of CPU."""
        throttled, periods = (
            f"sum by (namespace, pod) (rate(container_cpu_cfs_{name}_total{{{self._containers}}}[$__rate_interval]))"
            for name in ("throttled_periods", "periods")
        )
        return f"{throttled} / {periods}"

    def burn(self, window: str) -> str:
        """So many times faster than what uses up the error budget in 30 days."""
        return f"max by ({self.by}) (service:request_errors:ratio_rate{window}{{{self._of}}}) / {self._budget}"

    def budget_left(self) -> str:
        """The part of the error budget of 30 days that is not used yet."""
        failed = f"sum(increase({self.metric}_count{{{self._of},{self.errors}}}[30d])) or vector(0)"
        return f"1 - ({failed}) / sum(increase({self.metric}_count{{{self._of}}}[30d])) / {self._budget}"

    def restarts(self) -> str:
        """Restarts of containers in an hour."""
        return f"sum by (namespace, pod) (increase(kube_pod_container_status_restarts_total{{{self._pods}}}[1h]))"

    def ready(self) -> str:
        """Pods that take requests."""
        return f'sum by (namespace) (kube_pod_status_ready{{{self._pods},condition="true"}})'

    def wanted(self) -> str:
        """Pods that there should be."""
        of = f'namespace=~"$namespace",deployment=~"{self.services}"'
        return f"sum by (namespace) (kube_deployment_spec_replicas{{{of}}})"

    def compute_cost(self) -> str:
        """Of CPU and memory for a month, at what is set aside now."""
        cpu = self._cost_by_node("container_cpu_allocation", "node_cpu_hourly_cost")
        memory = self._cost_by_node(f"container_memory_allocation_bytes / {GIB}", "node_ram_hourly_cost")
        return f"({cpu} + {memory}) * {HOURS_OF_MONTH}"

    def storage_cost(self) -> str:
        """Of volumes for a month."""
        used = f"sum by (persistentvolume) (pod_pvc_allocation{{{self._pods}}}) / {GIB}"
        price = "max by (persistentvolume) (pv_hourly_cost)"
        return f"(sum({used} * on (persistentvolume) {price}) or vector(0)) * {HOURS_OF_MONTH}"

    def _limits(self, resource: str) -> str:
        return f'sum by (namespace, pod) (kube_pod_container_resource_limits{{{self._pods},resource="{resource}"}})'

    def _cost_by_node(self, amount: str, price: str) -> str:
        metric, is_scaled, scale = amount.partition(" / ")
        set_aside = f"sum by (node) ({metric}{{{self._pods}}})" + (f" / {scale}" if is_scaled else "")
        return f"sum({set_aside} * on (node) max by (node) ({price}))"
