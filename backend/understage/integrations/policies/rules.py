"""The rules as they are written: which kinds, what each expression is about, and what to say when it is false."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from understage.errors import InputError
from understage.model.yaml import parse_document

Scope = Literal["containers", "anyContainer", "pod", "object"]
NAME = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SETTING = re.compile(r"\bsettings\.(\w+)")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class KindMatch(_Part):
    """Resources of one API group; `resources` are the API server's names, `kinds` those in manifests."""

    group: str
    versions: tuple[str, ...]
    resources: tuple[str, ...]
    kinds: tuple[str, ...]

    def matches(self, api_version: str, kind: str) -> bool:
        """Whether an object with these is meant."""
        group, slash, version = api_version.rpartition("/")
        found = group if slash else ""
        return kind in self.kinds and found == self.group and ("*" in self.versions or version in self.versions)


class Rule(_Part):
    """One thing that must hold. `expression` is CEL, `message` goes on after the name of what breaks it.

    `asked` is CEL of an admission request that is true when the cluster asks, where `updates` cannot make it of the expression.
    With `on` DELETE, which nobody can ask of files, the expression is about `oldObject`.
    """

    name: str = Field(pattern=NAME, max_length=40)
    kinds: str
    of: Scope
    expression: str
    message: str
    asked: str | None = None
    on: Literal["WRITE", "DELETE"] = "WRITE"

    @property
    def settings(self) -> frozenset[str]:
        """The settings that the rule reads."""
        return frozenset(SETTING.findall(f"{self.expression} {self.asked or ''}"))


class Policies(_Part):
    """A whole file of rules."""

    settings: Mapping[str, str | tuple[str, ...]]
    kinds: Mapping[str, tuple[KindMatch, ...]]
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for rule in self.rules:
            if rule.on == "DELETE" and rule.of != "object":
                raise ValueError(f"rule {rule.name}: a deletion can be judged by the object only: `of: object`")
            if rule.kinds not in self.kinds:
                raise ValueError(f"rule {rule.name}: there is no list of kinds {rule.kinds!r}")
            if unknown := sorted(rule.settings - self.settings.keys()):
                raise ValueError(f"rule {rule.name}: there is no setting {unknown[0]!r}")
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"there are two rules {twice[0]!r}")
        return self

    def of(self, rule: Rule) -> Sequence[KindMatch]:
        """The kinds that a rule is about."""
        return self.kinds[rule.kinds]

    def hint(self, rule: Rule) -> str:
        """Where it is explained."""
        return f"{self.settings.get('page', '')}#{rule.name}"


def read_policies(file: Path, settings: Mapping[str, Any] | None = None) -> Policies:
    """The rules of a file, with settings over its own. Raises SourceError or InputError, which name the file."""
    content = parse_document(file.read_bytes(), str(file)).value
    if not isinstance(content, dict):
        raise InputError(f"{file}: rules are a map with settings, kinds and rules")
    try:
        return Policies.model_validate({**content, "settings": {**(content.get("settings") or {}), **(settings or {})}})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{file}: {place or 'rules'}: {first['msg']}") from None
