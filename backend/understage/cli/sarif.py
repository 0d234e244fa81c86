"""Findings of `understage catalog validate` as SARIF 2.1.0, the form that code scanners of forges and editors read."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from understage import __version__
from understage.app.validation import Report
from understage.catalog.validation.finding import RULES, Finding
from understage.cli.advice import advice_for
from understage.cli.console import console, json_text
from understage.cli.findings import shown_file

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_RULE_INDEX = {rule: index for index, rule in enumerate(RULES)}


def print_sarif(report: Report, folder: Path) -> None:
    """One run, one result a finding."""
    console().file.write(json_text(sarif_log(report, folder)) + "\n")


def sarif_log(report: Report, folder: Path) -> dict[str, Any]:
    """The log file object."""
    driver = {
        "name": "understage",
        "version": __version__,
        "rules": [{"id": rule, "shortDescription": {"text": text}} for rule, text in RULES.items()],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The folder in which the command ran."}}},
        "results": [_result(finding, folder) for finding in report.findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding, folder: Path) -> dict[str, Any]:
    advice = advice_for(finding)
    text = finding.reason if advice is None else f"{finding.reason}\n{advice}"
    return {
        "ruleId": finding.rule,
        "ruleIndex": _RULE_INDEX[finding.rule],
        "level": finding.level,
        "message": {"text": text},
        "locations": [_location(finding, folder)],
    }


def _location(finding: Finding, folder: Path) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(finding.file, folder)}
    if finding.line is not None:
        region: dict[str, Any] = {"startLine": finding.line}
        if finding.column is not None:
            region["startColumn"] = finding.column
        if finding.text is not None:
            region["snippet"] = {"text": finding.text}
        physical["region"] = region
    location: dict[str, Any] = {"physicalLocation": physical}
    if finding.entity is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.entity}]
    return location


def _artifact(file: str | None, folder: Path) -> dict[str, Any]:
    shown = shown_file(file, folder)
    if (file or "").startswith("url:"):
        return {"uri": quote(shown, safe=":/?#[]@!$&'()*+,;=%~")}
    if shown.startswith("/"):
        return {"uri": "file://" + quote(shown)}
    return {"uri": quote(shown), "uriBaseId": "SRCROOT"}
