"""An estimate as Markdown: in the output of tasks, in pull requests, on a terminal."""

from collections.abc import Iterator
from decimal import Decimal

from understage.model.cost.estimate import Estimate, Line

HEAD = "| Object | Pods | CPU | Memory | Storage | A month | |\n|---|---:|---:|---:|---:|---:|---|"


def money(amount: Decimal, currency: str) -> str:
    """`1 234.50 EUR`, as a text that does not break."""
    return f"{amount:,.2f} {currency}".replace(",", "\N{NO-BREAK SPACE}")


def describe_estimate(estimate: Estimate) -> str:
    """The sum, a table of the lines, and what is not in it."""
    return "\n".join(_parts(estimate)) + "\n"


def _parts(estimate: Estimate) -> Iterator[str]:
    currency = estimate.prices.currency
    more = f", up to {money(estimate.maximum, currency)} when scaled out" if estimate.maximum > estimate.monthly else ""
    yield f"About **{money(estimate.monthly, currency)} a month**{more}."
    if estimate.lines:
        yield ""
        yield HEAD
        yield from (_row(line, currency) for line in estimate.lines)
    yield ""
    whose = "the platform's" if estimate.prices.is_own else "default"
    yield f"Reckoned from what is requested, at {whose} prices; traffic and backups are not in it."
    if estimate.unknown_kinds:
        yield f"Not in it either: {', '.join(_cell(kind) for kind in estimate.unknown_kinds)}."


def _row(line: Line, currency: str) -> str:
    pods = str(line.pods) if line.pods == line.most_pods else f"{line.pods} to {line.most_pods}"
    cells = [
        f"{line.kind} {line.name}",
        pods if line.most_pods else "",
        f"{line.cpu.normalize():f}" if line.cpu else "",
        f"{_short(line.memory)} GiB" if line.memory else "",
        f"{_short(line.storage)} GiB" if line.storage else "",
        money(line.monthly, currency),
        "; ".join(line.notes),
    ]
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _short(amount: Decimal) -> str:
    return f"{amount.quantize(Decimal('0.001')).normalize():f}"


def _cell(text: str) -> str:
    """Names come from manifests: none may end its cell, nor become a link or HTML."""
    return "".join(f"\\{char}" if char in "|<>[]*_`\\" else char for char in " ".join(text.split()))
