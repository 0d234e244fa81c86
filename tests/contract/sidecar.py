"""The production form without containers: the processes of docker-compose.yml, started from its configuration files.

PostgreSQL, `understage serve` for catalog and scaffolder, and a stock backend for sign-in, permissions and everything else, which
calls each other by `discovery.endpoints`. Only ports, hosts and database differ from the files, by one overlay each.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL
from tests.contract.backend import StockBackend, UnderstageBackend, at_rest, free_port, place, write_overlay
from tests.contract.files import ENTITIES
from tests.contract.installation import ROOT, Installation

COUNT = "/api/catalog/entities/by-query?limit=0"
BOTH_PLUGINS = ("catalog", "scaffolder")
# Their owner is the guest, who may read it under the policy of the tests.
GUESTS_TEMPLATES = [str(ENTITIES / "templates" / name / "template.yaml") for name in ("params", "remote")]
LOCATIONS = ["catalog-info/all.yaml", "skeletons/all.yaml", *GUESTS_TEMPLATES]
STATIC_TOKEN = "a-static-token-of-a-script"
SCAFFOLDER_ONLY_TOKEN = "a-static-token-for-the-scaffolder"


@dataclass(frozen=True)
class Sidecar:
    """Both backends; `token` is the guest's, from the stock sign-in."""

    stock: StockBackend
    ours: UnderstageBackend
    token: str


@contextmanager
def running_sidecar(
    installation: Installation,
    database: URL,
    folder: Path,
    plugins: Sequence[str] = BOTH_PLUGINS,
    *,
    locations: Sequence[str] = LOCATIONS,
) -> Iterator[Sidecar]:
    """Start both, as `docker compose up` does: Understage first, for signing in asks its catalog who the user is.

    `plugins` are those that Understage serves to all; the others are the stock backend's.
    """
    ports = {"stock": free_port(), "ours": free_port()}
    base = ROOT / "app-config.yaml"
    shared = (ports, database, folder, plugins, locations)
    stock_files = [base, ROOT / "docker" / "app-config.backstage.yaml", _overlay("stock", *shared)]
    our_files = [base, ROOT / "docker" / "app-config.compose.yaml", _overlay("ours", *shared)]
    password = {"POSTGRES_PASSWORD": "not-asked-for"}
    policy = {"STOCK_POLICY": "owned-only"}
    with (
        UnderstageBackend.running(folder, our_files, port=ports["ours"], environment=password) as ours,
        StockBackend.running(
            installation, folder, stock_files, port=ports["stock"], environment={**password, **policy}
        ) as stock,
    ):
        catalog = ours if "catalog" in plugins else stock
        at_rest(lambda: catalog.request("GET", COUNT, token=STATIC_TOKEN).json()["totalItems"], quiet=1)
        yield Sidecar(stock, ours, stock.sign_in())


def _overlay(
    name: str,
    ports: dict[str, int],
    database: URL,
    folder: Path,
    plugins: Sequence[str],
    locations: Sequence[str],
) -> Path:
    overlay: dict[str, Any] = place(ports[name], database, folder)
    overlay["backend"]["cors"] = {"origin": "http://127.0.0.1:*", "credentials": True}
    overlay["backend"]["actions"] = {"pluginSources": sorted({*BOTH_PLUGINS, *plugins})}
    overlay["backend"]["auth"] = {"externalAccess": _external_access()}
    overlay["permission"] = {"enabled": True}
    serves_catalog = (name == "ours") == ("catalog" in plugins)
    overlay["catalog"] = {"locations": [{"type": "file", "target": it} for it in locations] if serves_catalog else []}
    overlay["discovery"] = {
        "endpoints": [
            {"target": f"http://127.0.0.1:{ports['stock']}/api/{{{{pluginId}}}}", "plugins": ["*"]},
            {"target": f"http://127.0.0.1:{ports['ours']}/api/{{{{pluginId}}}}", "plugins": list(plugins)},
        ]
    }
    return write_overlay(folder / f"{name}.yaml", overlay)


def _external_access() -> list[dict[str, Any]]:
    return [
        {"type": "static", "options": {"token": STATIC_TOKEN, "subject": "a-script"}},
        {
            "type": "static",
            "options": {"token": SCAFFOLDER_ONLY_TOKEN, "subject": "another-script"},
            "accessRestrictions": [{"plugin": "scaffolder"}],
        },
    ]
