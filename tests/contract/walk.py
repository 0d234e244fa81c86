"""A walk: the same requests to both backends, in which later ones use what each backend answered before."""

from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.contract.backend import Backend
from tests.contract.pair import Pair, compare


@dataclass
class Walk:
    """`kept` holds, per backend, what a path or a body may name as `{name}`."""

    pair: Pair
    kept: dict[str, dict[str, str]] = field(default_factory=dict)

    def same(
        self, method: str, path: str, *, json: Any = None, any_order: bool = False
    ) -> tuple[httpx.Response, httpx.Response]:
        """Send it to both; the answers must be the same but for what is each backend's own."""
        responses = (self._send(self.pair.stock, method, path, json), self._send(self.pair.ours, method, path, json))
        stock, ours = self.pair.normalised(*responses, any_order=any_order)
        difference = compare(stock, ours)
        assert not difference, f"{method} {path} {json or ''}\n{difference}"
        return responses

    def keep(self, name: str, values: tuple[str, str]) -> None:
        """Remember a value of each backend."""
        for backend, value in zip(self._backends(), values, strict=True):
            self.kept.setdefault(backend.name, {})[name] = value

    def _backends(self) -> tuple[Backend, Backend]:
        return self.pair.stock, self.pair.ours

    def _send(self, backend: Backend, method: str, path: str, json: Any) -> httpx.Response:
        kept = self.kept.get(backend.name, {})
        return self.pair.send(backend, method, path.format_map(kept), json=_filled(json, kept))


def _filled(value: Any, kept: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, kept) for name, item in value.items()}
    if isinstance(value, str) and value[:1] == "{":
        return value.format_map(kept)
    return value
