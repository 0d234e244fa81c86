"""What `understage cost` does."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer

from understage.cli.configuration import read_configuration
from understage.cli.console import fail, json_text, say
from understage.cli.manifest_files import read_manifest_file
from understage.cli.status_form import StatusForm
from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.errors import UnderstageError
from understage.model.cost import Estimate, Line, estimate_cost, money, read_prices
from understage.model.cost.workloads import Assumptions
from understage.model.members import objects_in

CONFIGURATION = "app-config.yaml"


def estimate_manifests(paths: Sequence[Path], config: Sequence[Path], form: StatusForm, limit: float | None) -> int:
    """Print the estimate; returns the exit code."""
    try:
        configured = bool(config) or Path(CONFIGURATION).exists()
        costs = read_settings(read_configuration(config) if configured else Configuration({})).understage.costs
        prices = read_prices(costs.model_dump(mode="json", by_alias=True, exclude_none=True))
        objects = [item for path in paths for given in read_manifest_file(path) for item in objects_in(given)]
        found = estimate_cost(objects, prices, Assumptions(costs.nodes, costs.job_minutes))
    except (UnderstageError, OSError) as error:
        fail(str(error))
        return 2
    if form == StatusForm.json:
        typer.echo(json_text(_as_json(found)))
    else:
        _print(found)
    if limit is not None and found.monthly > Decimal(str(limit)):
        fail(f"{money(found.monthly, prices.currency)} a month is more than {limit:g}")
        return 1
    return 0


def _print(found: Estimate) -> None:
    currency = found.prices.currency
    for line in found.lines:
        notes = f"  ({'; '.join(line.notes)})" if line.notes else ""
        say(f"{money(line.monthly, currency):>16}  {line.kind} {line.name}{_pods(line)}{notes}")
    more = f", up to {money(found.maximum, currency)} when scaled out" if found.maximum > found.monthly else ""
    say(f"{money(found.monthly, currency):>16}  a month{more}")
    if found.unknown_kinds:
        say(f"Not in it: {', '.join(found.unknown_kinds)}")
    if not found.prices.is_own:
        say("At default prices; set understage.costs.prices to yours.")


def _pods(line: Line) -> str:
    if not line.most_pods:
        return ""
    count = str(line.pods) if line.pods == line.most_pods else f"{line.pods} to {line.most_pods}"
    return f", {count} pod{'' if count == '1' else 's'}"


def _as_json(found: Estimate) -> dict[str, Any]:
    return {
        "monthlyTotal": float(found.monthly),
        "monthlyMaximum": float(found.maximum),
        "currency": found.prices.currency,
        "lines": [
            {
                "kind": line.kind,
                "name": line.name,
                "namespace": line.namespace,
                "pods": line.pods,
                "mostPods": line.most_pods,
                "monthly": float(line.monthly),
                "monthlyMaximum": float(line.maximum),
                "notes": list(line.notes),
            }
            for line in found.lines
        ],
        "unknownKinds": list(found.unknown_kinds),
    }
