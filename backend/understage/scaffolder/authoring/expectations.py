"""Whether a trial did what its case expects: each way in which it did not, in words. Called by `suite`."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from understage.scaffolder.authoring.case import Expectation
from understage.scaffolder.authoring.effects import diff_files
from understage.scaffolder.authoring.trial import Trial, read_files


def failures(expect: Expectation, trial: Trial, folder: Path) -> list[str]:
    """What is not as expected; empty when all is well. `folder` is that of the case file."""
    found = [*_ending(expect, trial), *_steps(expect, trial)]
    found += [f"the log has no {text!r}" for text in expect.log if text not in trial.log]
    if expect.output is not None:
        found += _missing(expect.output, trial.output, "output")
    found += [problem for path, texts in expect.files.items() for problem in _file(path, texts, trial.files)]
    if expect.tree is not None:
        expected = read_files(folder / expect.tree)
        if difference := diff_files(expected, trial.files):
            found.append(f"the workspace is not {expect.tree} (--update makes it so):\n{difference.rstrip()}")
    if expect.plan is not None:
        made = [effect.summary for effect in trial.plan]
        if made != expect.plan:
            lines = "\n".join(difflib.unified_diff(expect.plan, made, "expected", "made", lineterm="", n=99))
            found.append(f"the plan is another one:\n{lines}")
    return found


def _ending(expect: Expectation, trial: Trial) -> Iterator[str]:
    error = trial.error or {}
    shown = f"{error.get('name')}: {error.get('message')}"
    wanted = expect.status or ("completed" if expect.error is None else None)
    if wanted is not None and trial.status != wanted:
        yield f"the task {trial.status}, expected was {wanted}" + (f"; {shown}" if error else "")
    elif expect.error is not None and not error:
        yield f"the task {trial.status}, expected was the error {expect.error!r}"
    elif expect.error is not None and expect.error not in shown:
        yield f"the error is {shown!r}, expected was {expect.error!r}"


def _steps(expect: Expectation, trial: Trial) -> Iterator[str]:
    statuses = trial.step_statuses
    for step, status in expect.steps.items():
        if statuses.get(step) != status:
            yield f"the step {step} is {statuses.get(step, 'not there')}, expected was {status}"


def _missing(expected: Any, actual: Any, place: str) -> Iterator[str]:
    """Objects may have more members than expected, everything else is equal."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key, value in expected.items():
            if key not in actual:
                yield f"{place}.{key} is not there"
            else:
                yield from _missing(value, actual[key], f"{place}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, pair in enumerate(zip(expected, actual, strict=True)):
            yield from _missing(*pair, f"{place}[{index}]")
    elif expected != actual:
        yield f"{place} is {actual!r}, expected was {expected!r}"


def _file(path: str, texts: str | list[str] | None, files: Mapping[str, bytes]) -> Iterator[str]:
    if texts is None:
        if path in files:
            yield f"the file {path} should not be there"
        return
    if path not in files:
        near = difflib.get_close_matches(path, files, n=1)
        yield f"the file {path} is not there" + (f"; there is {near[0]}" if near else "")
        return
    content, position = files[path].decode("utf-8", "replace"), 0
    for text in [texts] if isinstance(texts, str) else texts:
        at = content.find(text, position)
        if at < 0:
            yield f"the file {path} has no {text!r}" + (" after what was found before" if position else "")
            return
        position = at + len(text)
