"""Findings of `understage catalog validate` as text for people, as JSON, and as workflow commands of GitHub."""

import os
from pathlib import Path

from rich.text import Text

from understage.app.validation import Report
from understage.catalog.validation.finding import Finding
from understage.catalog.validation.targets import STANDARD_INPUT_NAME
from understage.cli.advice import advice_for
from understage.cli.console import console, json_text

COLORS = {"error": "red", "warning": "yellow"}
TAB = "\t"
_ESCAPES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY_ESCAPES = {**_ESCAPES, ":": "%3A", ",": "%2C"}


def shown_file(file: str | None, folder: Path) -> str:
    """A file as a person names it: relative to the folder if it is below it, a URL as it is."""
    type_, _, target = (file or "").partition(":")
    if type_ != "file":
        return target or (file or "")
    if target == str(folder / STANDARD_INPUT_NAME):
        return STANDARD_INPUT_NAME
    return os.path.relpath(target, folder) if Path(target).is_relative_to(folder) else target


def print_text(report: Report, folder: Path) -> None:
    """One paragraph a finding: place and reason, the line with a mark, what to do; then how many there are."""
    for finding in report.findings:
        file = _printable(shown_file(finding.file, folder)).replace("\n", "\ufffd")
        place = ":".join(str(part) for part in (file, finding.line, finding.column) if part)
        line = Text.assemble(
            (place, "bold"), ": ", (finding.level, COLORS[finding.level]), f": {_one_line(finding.reason)}"
        )
        console().print(line.append(f"  [{finding.rule}]", "dim"), soft_wrap=True)
        for excerpt in _excerpt(finding):
            console().print(excerpt, markup=False, soft_wrap=True)
        about = f"in {finding.entity}" if finding.entity and ":default/generated-" not in finding.entity else None
        for hint in filter(None, (about, advice_for(finding))):
            console().print(Text(f"  {_one_line(hint)}", "dim"), soft_wrap=True)
    console().print(_summary(report), style="green" if not report.findings else "", markup=False, soft_wrap=True)


def print_json(report: Report, folder: Path) -> None:
    """`{files, entities, errors, warnings, findings: [{rule, level, name, message, origin, entity?, file?, line?, …}]}`."""
    findings = [
        {**found.to_json(), **({"advice": hint} if (hint := advice_for(found)) else {})} for found in report.findings
    ]
    counts = {f"{level}s": sum(found.level == level for found in report.findings) for level in COLORS}
    body = {"files": report.files, "entities": report.entities, **counts, "findings": findings}
    _print_line(json_text(body))


def print_workflow_commands(report: Report, folder: Path) -> None:
    """One `::error file=…,line=…,col=…::message` a finding: GitHub shows it beside the line of the pull request."""
    for finding in report.findings:
        properties = {
            "file": shown_file(finding.file, folder),
            "line": finding.line,
            "col": finding.column,
            "title": f"understage: {finding.rule}",
        }
        written = ",".join(
            f"{name}={_escape(str(value), _PROPERTY_ESCAPES)}" for name, value in properties.items() if value
        )
        hint = advice_for(finding)
        message = finding.reason if hint is None else f"{finding.reason}\n{hint}"
        _print_line(f"::{finding.level} {written}::{_escape(message, _ESCAPES)}")


def _excerpt(finding: Finding) -> list[str]:
    if finding.text is None or finding.line is None:
        return []
    number = f"{finding.line:>6}"
    # A terminal's tabs would move the mark away from its place.
    lines = [f"{number} | {_printable(finding.text).replace(TAB, ' ')}"]
    # A very long line is shown in part, from the place on.
    column = 2 if finding.text.startswith("…") else finding.column
    if column is not None and column <= len(finding.text) + 1:
        lines.append(f"{' ' * len(number)} | {' ' * (column - 1)}^")
    return lines


def _summary(report: Report) -> str:
    looked_at = f"{_count(report.entities, 'entity', 'entities')} in {_count(report.files, 'file', 'files')}"
    if not report.findings:
        return f"{looked_at}: nothing is wrong"
    errors, warnings = (sum(found.level == level for found in report.findings) for level in ("error", "warning"))
    counts = [_count(errors, "error", "errors")] * bool(errors) + [_count(warnings, "warning", "warnings")] * bool(
        warnings
    )
    return f"{looked_at}: {', '.join(counts)}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _one_line(text: str) -> str:
    return _printable(" ".join(text.split()))


def _printable(text: str) -> str:
    """The text without what a terminal would obey."""
    return "".join(character if character.isprintable() or character in "\t\n" else "\ufffd" for character in text)


def _escape(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in _printable(text))


def _print_line(text: str) -> None:
    console().file.write(text + "\n")
