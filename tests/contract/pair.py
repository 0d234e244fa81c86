"""Both backends over the same entity files, asked the same: what the parity tests compare."""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from sqlalchemy import URL
from tests.contract.backend import (
    Backend,
    StockBackend,
    UnderstageBackend,
    at_rest,
    free_port,
    place,
    wait_until,
    write_overlay,
)
from tests.contract.cases import Case
from tests.contract.comparison import Answer, normalise, without_notes
from tests.contract.files import ENTITIES, FileServer, serving
from tests.contract.installation import ROOT, Installation
from tests.contract.policy import SERVICE_TOKEN, Policy, serving_policy
from tests.contract.tally import EQUAL, UNEQUAL, note
from tests.contract.uids import give_the_same_uids

RECORDING = Path(__file__).with_name("recording.cjs")


def compare(stock: Answer, ours: Answer) -> str:
    """How the answers differ, as a diff; empty when they are the same. Counts the comparison."""
    difference = stock.difference(ours, ("stock", "understage"))
    note(UNEQUAL if difference else EQUAL)
    return difference


@dataclass
class Pair:
    """`token` is a user's, signed by the stock auth backend and taken by both; `folder` has the logs and what recording.cjs
    writes.
    """

    METRICS: ClassVar[str] = "stock-metrics.json"

    stock: Backend
    ours: Backend
    token: str
    files: FileServer
    policy: Policy
    folder: Path
    uids: Set[str] = frozenset()

    def ask(self, case: Case) -> tuple[Answer, Answer]:
        """The normalised answers of the stock backend and of ours."""
        stock, ours = (self.respond(backend, case) for backend in (self.stock, self.ours))
        return self.normalised(stock, ours, any_order=case.any_order)

    def normalised(
        self, stock: httpx.Response, ours: httpx.Response, *, any_order: bool = False
    ) -> tuple[Answer, Answer]:
        """What is comparable of an answer of each."""
        return (
            normalise(stock, self.stock.url, any_order=any_order, shared=self.uids),
            normalise(ours, self.ours.url, any_order=any_order, shared=self.uids),
        )

    def difference(self, case: Case) -> str:
        """How the answers differ, as a diff; empty when they are the same."""
        stock, ours = self.ask(case)
        return compare(stock, ours)

    def send(self, backend: Backend, method: str, path: str, **options: Any) -> httpx.Response:
        """A request to one of them, outside of any comparison."""
        return backend.request(method, path, token=self.token, **self._filled(options))

    def refs(self, backend: Backend) -> dict[str, Any]:
        """What the backend serves: per entity reference, its relations, annotations and status."""
        answer = self.send(backend, "GET", "/api/catalog/entities")
        assert answer.status_code == 200, answer.text
        return {
            f"{entity['kind']}:{entity['metadata']['namespace']}/{entity['metadata']['name']}".lower(): {
                "relations": entity.get("relations"),
                "annotations": entity["metadata"].get("annotations"),
                "status": entity.get("status"),
            }
            for entity in map(without_notes, answer.json())
        }

    def common_uids(self) -> Set[str]:
        """The uids by which both serve an entity, the same one."""
        stock, ours = (
            {entity["metadata"]["uid"] for entity in self.send(backend, "GET", "/api/catalog/entities").json()}
            for backend in (self.stock, self.ours)
        )
        return stock & ours

    def settle(self) -> None:
        """Return when neither has changed for some seconds: an owner loses the relation to what went a while after it."""
        at_rest(lambda: (self.refs(self.stock), self.refs(self.ours)))

    def serves(self, backend: Backend, *components: str) -> bool:
        """Whether the backend has all of these components."""
        refs = {"entityRefs": [f"component:default/{name}" for name in components]}
        return all(self.send(backend, "POST", "/api/catalog/entities/by-refs", json=refs).json()["items"])

    def await_served(self, backend: Backend, *components: str) -> None:
        """Return when it has them: the stock backend leaves an orphan of what it was still reading as its location went."""
        wait_until(lambda: self.serves(backend, *components), f"{', '.join(components)} of {backend.name}")

    def respond(self, backend: Backend, case: Case) -> httpx.Response:
        """The answer of one of them."""
        token = None if case.anonymous else self.token
        return backend.request(
            case.method, self._fill(case.path, quoted=True), token=token, **self._filled(case.options)
        )

    def _filled(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._fill(value) for name, value in options.items()}

    def _fill(self, value: Any, *, quoted: bool = False) -> Any:
        if isinstance(value, dict):
            return {name: self._fill(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._fill(item) for item in value]
        if not isinstance(value, str):
            return value
        folder = quote(str(ENTITIES), safe="") if quoted else str(ENTITIES)
        return value.replace("${HTTP}", self.files.url).replace("${ENTITIES}", folder)


@contextmanager
def running_pair(installation: Installation, database: URL, folder: Path, names: Sequence[str]) -> Iterator[Pair]:
    """Both backends, each whole and for itself, over these files of `entities`; ours takes the stock one's user tokens."""
    stock_port, our_port = free_port(), free_port()
    base = ROOT / "app-config.yaml"
    with serving() as files, serving_policy(folder / "policy.json") as policy:
        scripted = {
            "STOCK_POLICY": "scripted",
            "STOCK_POLICY_FILE": str(policy.file),
            "NODE_OPTIONS": f"--require {RECORDING}",
            "METRICS_FILE": str(folder / Pair.METRICS),
            # Logs as JSON.
            "NODE_ENV": "production",
        }
        same = write_overlay(folder / "same.yaml", _over_the_same_files(names, files.address))
        stock_place = write_overlay(folder / "stock.yaml", place(stock_port, database, folder))
        discovery = {"discovery": _signed_in_by(stock_port, our_port, policy)}
        our_place = write_overlay(folder / "ours.yaml", {**place(our_port, database, folder), **discovery})
        with (
            StockBackend.running(
                installation, folder, [base, same, stock_place], port=stock_port, environment=scripted
            ) as stock,
            UnderstageBackend.running(folder, [base, same, our_place], port=our_port) as ours,
        ):
            policy.catalog = f"{ours.url}/api/catalog"
            pair = Pair(stock, ours, stock.sign_in(), files, policy, folder)
            pair.settle()
            give_the_same_uids(database, stock_port, our_port)
            pair.settle()
            pair.uids = pair.common_uids()
            yield pair


def _over_the_same_files(names: Sequence[str], http: str) -> dict[str, object]:
    locations = [{"type": "file", "target": str(ENTITIES / f"{name}.yaml")} for name in names]
    return {
        "backend": {
            "reading": {"allow": [{"host": http}]},
            "auditor": {"severityLogLevelMappings": {"low": "info"}},
            "actions": {"pluginSources": ["catalog", "scaffolder"]},
            "auth": {
                "externalAccess": [{"type": "static", "options": {"token": SERVICE_TOKEN, "subject": "a-service"}}]
            },
        },
        "permission": {"enabled": True},
        # Orphans are noticed when their turn comes: soon.
        "catalog": {"orphanStrategy": "keep", "locations": locations, "processingInterval": {"seconds": 10}},
    }


def _signed_in_by(stock_port: int, our_port: int, policy: Policy) -> dict[str, object]:
    return {
        "endpoints": [
            {"target": f"http://127.0.0.1:{stock_port}/api/{{{{pluginId}}}}", "plugins": ["*"]},
            {"target": f"http://127.0.0.1:{our_port}/api/{{{{pluginId}}}}", "plugins": ["catalog", "scaffolder"]},
            {"target": f"{policy.url}/api/{{{{pluginId}}}}", "plugins": ["permission"]},
        ]
    }
