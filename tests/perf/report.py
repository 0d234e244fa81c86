"""The table of the bench: both columns, the ratio, the target of the issue and whether it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.perf.questions import questions

Figures = Mapping[str, Any]
ALLOWED_GROWTH = 100.0
FASTER = {"page": 5.0, "text": 5.0, "dump": 4.0, "facets": 5.0, "refs": 2.0, "name": 2.0}
THROUGHPUT = 4.0
INGESTION = 20.0
IDLE = 3.0


@dataclass(frozen=True)
class Row:
    """`stock` and `ours` are (best, median) of the rounds, or None where it was not measured.

    `factor` says how many times better ours has to be; `limit` what ours may be at most. `higher` is for rates.
    """

    title: str
    unit: str
    stock: tuple[float, float] | None
    ours: tuple[float, float] | None
    factor: float | None = None
    limit: float | None = None
    higher: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times better ours is, of the best rounds: what others do on the machine makes a round slower, never faster."""
        if self.stock is None or self.ours is None:
            return None
        better, worse = (self.ours[0], self.stock[0]) if self.higher else (self.stock[0], self.ours[0])
        return better / worse if worse else float("inf")

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None without one, or without the figures for it."""
        if self.limit is not None:
            return None if self.ours is None else self.ours[1] <= self.limit
        if self.factor is None or self.ratio is None:
            return None
        return self.ratio >= self.factor

    @property
    def target(self) -> str:
        if self.limit is not None:
            return f"<= {self.limit:g} {self.unit}".rstrip()
        if self.factor is None:
            return ""
        return f">= {self.factor:g}x" if self.higher or self.title.startswith("ingestion") else f"<= 1/{self.factor:g}"


def rows(stock: Figures | None, ours: Figures | None, count: int) -> list[Row]:
    """The table; either column may be missing."""

    def pair(*path: str) -> dict[str, tuple[float, float] | None]:
        return {"stock": _find(stock, path), "ours": _find(ours, path)}

    found = [
        Row("start to ready", "s", **pair("ready")),
        Row("idle memory", "MB", **pair("idle"), factor=IDLE),
        Row(f"ingestion of {count}, from launch", "s", **pair("ingest")),
        Row(f"ingestion of {count}, from ready", "s", **pair("ingest_ready"), factor=INGESTION),
        Row("processor time of the ingestion, start included", "s", **pair("ingest_cpu")),
        Row("highest memory of the ingestion", "MB", **pair("ingest_peak")),
        Row("rows written while nothing changes", "", **pair("writes", "rows"), limit=0),
        Row("rows of schedules written meanwhile", "", **pair("writes", "schedules")),
    ]
    asked = questions(count)
    for question in asked:
        where = ("questions", question.name)
        found.append(Row(question.title, "ms", **pair(*where, "middle"), factor=FASTER[question.name]))
        found.append(Row(f"{question.title}, 95th percentile", "ms", **pair(*where, "p95")))
        found.append(Row(f"{question.title}, processor time", "ms", **pair(*where, "cpu")))
    found.append(Row("first byte of `/entities`", "ms", **pair("questions", "dump", "first_byte")))
    found.append(Row("memory growth of `/entities`", "MB", **pair("questions", "dump", "growth"), limit=ALLOWED_GROWTH))
    for question in asked:
        found.append(
            Row(
                f"8 connections: {question.title}",
                "/s",
                **pair("questions", question.name, "throughput"),
                factor=THROUGHPUT,
                higher=True,
            )
        )
    found.append(Row("highest memory under all of that", "MB", **pair("questions", "memory")))
    return found


def table(found: Sequence[Row]) -> str:
    """Markdown: best / median of the rounds."""
    lines = ["| | stock | Understage | ratio | target | holds |", "|---|---|---|---|---|---|"]
    for row in found:
        ratio = "" if row.ratio is None or row.limit is not None else f"{row.ratio:.1f}x"
        verdict = {None: "", True: "yes", False: "**no**"}[row.holds]
        cells = [_cell(row.stock, row.unit), _cell(row.ours, row.unit), ratio, row.target, verdict]
        lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def written_tables(name: str, figures: Figures) -> str:
    """One sentence on what was written while nothing changed."""
    found = figures["writes"]
    parts = [f"`{table}` {i} in, {u} changed, {d} out" for table, (i, u, d) in sorted(found["tables"].items())]
    return (
        f"{name}, {found['seconds']:.0f} s, {found['entities']} entities, {found['processed']} turns of processing: "
        + ("; ".join(parts) or "nothing")
        + "."
    )


def different_answers(stock: Figures, ours: Figures) -> list[str]:
    """The questions that both do not answer alike: a faster answer has to be the same answer."""
    return [
        name
        for name, found in ours["questions"].items()
        if isinstance(found, Mapping) and found["answer"] != stock["questions"][name]["answer"]
    ]


def _find(figures: Figures | None, path: Sequence[str]) -> tuple[float, float] | None:
    found: Any = figures
    for name in path:
        if found is None:
            return None
        found = found[name]
    if found is None:
        return None
    return (found["least"], found["median"]) if isinstance(found, Mapping) else (float(found), float(found))


def _cell(value: tuple[float, float] | None, unit: str) -> str:
    if value is None:
        return ""
    least, median = (_number(one) for one in value)
    return f"{least} {unit}".rstrip() if least == median else f"{least} / {median} {unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
