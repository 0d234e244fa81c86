"""What some commits together did to files: a file that was added and removed again is no news.

Called by the analyzers of pushes, oldest commit first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage.catalog.scm.event import MOST_COMMITS, ScmEvent, is_relevant, paths_of


@dataclass(frozen=True, slots=True)
class _Added:
    """It was not there before."""


@dataclass(frozen=True, slots=True)
class _Changed:
    """It was there, and still is."""


@dataclass(frozen=True, slots=True)
class _Removed:
    """It was there, and is not any more."""


@dataclass(frozen=True, slots=True)
class _Renamed:
    """It was there under another name."""

    before: str


class Ledger:
    """The state of each file that was touched."""

    def __init__(self) -> None:
        self._files: dict[str, _Added | _Changed | _Removed | _Renamed] = {}

    def note_commit(self, commit: Mapping[str, Any]) -> None:
        """Note a commit as pushes list it: paths under `added`, `removed` and `modified`."""
        for path in paths_of(commit, "modified"):
            self.change(path)
        for path in paths_of(commit, "added"):
            self.add(path)
        for path in paths_of(commit, "removed"):
            self.remove(path)

    def add(self, path: str) -> None:
        """A file appears; one that was removed before has changed."""
        known = self._files.get(path)
        self._files[path] = _Changed() if isinstance(known, _Removed) else known or _Added()

    def change(self, path: str) -> None:
        """A file has another content."""
        known = self._files.get(path)
        self._files[path] = _Changed() if isinstance(known, _Removed) else known or _Changed()

    def remove(self, path: str) -> None:
        """A file goes; one that was added before was never there."""
        match self._files.pop(path, None):
            case _Added():
                return
            case _Renamed(before):
                # A new file may have its first name by now: then that one has another content, and none is new.
                known = self._files.get(before, _Removed())
                self._files[before] = _Changed() if isinstance(known, _Added) else known
            case _:
                self._files[path] = _Removed()

    def rename(self, before: str, after: str) -> None:
        """A file has another name, perhaps another content too."""
        match self._files.pop(before, None):
            case _Added():
                self._files[after] = _Added()
            case _Renamed(first):
                self._files[after] = _Renamed(first) if first != after else _Changed()
            case _:
                self._files[after] = _Renamed(before)

    def events(self, url_of: Callable[[str], str]) -> Sequence[ScmEvent]:
        """What it comes to, for files that may hold entities; `url_of` gives the page of a path."""
        return [self._event(path, url_of) for path in self._files if is_relevant(path)]

    def _event(self, path: str, url_of: Callable[[str], str]) -> ScmEvent:
        match self._files[path]:
            case _Added():
                return ScmEvent("location.created", url_of(path))
            case _Removed():
                return ScmEvent("location.deleted", url_of(path))
            case _Renamed(before):
                return ScmEvent("location.moved", url_of(before), url_of(path))
            case _Changed():
                return ScmEvent("location.updated", url_of(path))


def events_of_push(
    repository: str, commits: Sequence[Mapping[str, Any]], total: Any, url_of: Callable[[str], str]
) -> Sequence[ScmEvent]:
    """What a push comes to, of commits that name their files, oldest first; nothing of one that was cut off.

    Of `total` commits a forge may list only some: then the repository as a whole may have changed.
    """
    if len(commits) >= MOST_COMMITS:
        return ()
    if isinstance(total, int) and total > len(commits):
        return [ScmEvent("repository.updated", repository)]
    ledger = Ledger()
    for commit in commits:
        ledger.note_commit(commit)
    return ledger.events(url_of)
