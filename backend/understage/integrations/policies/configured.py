"""The rules that the configuration names: the port of actions. Read when they are first asked, since most processes never do."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from understage.config.platform_settings import PolicySettings
from understage.integrations.policies.check import PolicyCheck
from understage.integrations.policies.rules import Policies, read_policies
from understage.sdk.ports import Violation


class PolicyFile:
    """Implements `understage.sdk.Guardrails`. `file` None: there are no rules."""

    def __init__(self, file: Path | None, settings: Mapping[str, Any] | None = None) -> None:
        self._file = file
        self._settings = settings

    @classmethod
    def from_settings(cls, settings: PolicySettings, root: Path) -> "PolicyFile":
        """Those of the configuration, whose relative paths start at `root`."""
        return cls(None if settings.rules is None else root / settings.rules, settings.settings)

    def is_configured(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    def check(self, objects: Iterable[Mapping[str, Any]]) -> list[Violation]:
        """What is wrong with the objects. Raises SourceError, InputError or OSError for a file that cannot be read."""
        return [] if self._file is None else self._check.check(objects)

    @cached_property
    def policies(self) -> Policies | None:
        """The rules themselves."""
        return None if self._file is None else read_policies(self._file, self._settings)

    @cached_property
    def _check(self) -> PolicyCheck:
        assert self.policies is not None
        return PolicyCheck(self.policies)
