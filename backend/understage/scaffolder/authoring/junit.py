"""Results as JUnit XML, which continuous integration shows. Written by `understage template test --junit`."""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement

from understage.scaffolder.authoring.suite import FileResult

# XML has no form for these, escaped or not.
_IMPOSSIBLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(results: Sequence[FileResult], target: Path) -> None:
    """One suite a file of cases, with the coverage among its properties."""
    cases = [case for result in results for case in result.results]
    root = Element("testsuites", name="understage template test")
    _count(root, len(cases), sum(result.failed for result in results), sum(case.seconds for case in cases))
    for result in results:
        suite = SubElement(root, "testsuite", name=str(result.file))
        _count(suite, len(result.results), result.failed, sum(case.seconds for case in result.results))
        if result.coverage is not None:
            properties = SubElement(suite, "properties")
            SubElement(properties, "property", name="branch-coverage", value=f"{result.coverage.percent:.0f}")
        if result.problem is not None:
            broken = SubElement(suite, "testcase", classname=str(result.file), name="(the file)", time="0")
            SubElement(broken, "error", message=_plain(result.problem))
        for case in result.results:
            attributes = {"classname": str(result.template), "name": _plain(case.name), "time": f"{case.seconds:.3f}"}
            element = SubElement(suite, "testcase", attributes)
            if case.failures:
                text = "\n".join(case.failures)
                SubElement(element, "failure", message=_plain(case.failures[0].splitlines()[0])).text = _plain(text)
            if case.trial is not None:
                SubElement(element, "system-out").text = _plain(case.trial.log)
    target.parent.mkdir(parents=True, exist_ok=True)
    ElementTree(root).write(target, encoding="utf-8", xml_declaration=True)


def _count(element: Element, tests: int, failed: int, seconds: float) -> None:
    element.set("tests", str(tests))
    element.set("failures", str(failed))
    element.set("time", f"{seconds:.3f}")


def _plain(text: str) -> str:
    return _IMPOSSIBLE.sub("", re.sub(r"\x1b\[[0-9;]*m", "", text))
