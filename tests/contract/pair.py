"""Both backends over the same entity files, asked the same: the fixture `pair` of the parity tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from tests.contract.backend import Backend, at_rest
from tests.contract.cases import Case
from tests.contract.comparison import Answer, normalise
from tests.contract.files import ENTITIES, FileServer


@dataclass
class Pair:
    """`token` is a user's, signed by the stock auth backend and taken by both."""

    stock: Backend
    ours: Backend
    token: str
    files: FileServer

    def ask(self, case: Case) -> tuple[Answer, Answer]:
        """The normalised answers of the stock backend and of ours."""
        stock, ours = (self._send(backend, case) for backend in (self.stock, self.ours))
        return (
            normalise(stock, self.stock.url, any_order=case.any_order),
            normalise(ours, self.ours.url, any_order=case.any_order),
        )

    def difference(self, case: Case) -> str:
        """How the answers differ, as a diff; empty when they are the same."""
        stock, ours = self.ask(case)
        return stock.difference(ours, ("stock", "understage"))

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
            for entity in answer.json()
        }

    def settle(self) -> None:
        """Return when neither has changed for some seconds."""
        at_rest(lambda: (self.refs(self.stock), self.refs(self.ours)))

    def _send(self, backend: Backend, case: Case) -> httpx.Response:
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
