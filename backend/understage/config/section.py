"""What all sections of the settings have in common: key names, strictness, and the types that app-config has.

A known key with a wrong type is an error, an unknown key is kept: it belongs to another plugin. Numbers and booleans
may be written as text, because `${PORT}` is always text.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from understage.config.redaction import REDACTED, is_secret_name

Text = Annotated[str, StringConstraints(min_length=1)]
"""A text that is not empty."""


class Section(BaseModel):
    """One object of the configuration; fields are camelCase in files, snake_case here, unknown keys are in `model_extra`."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Secrets stay out of logs and tracebacks."""
        for name, value in super().__repr_args__():
            yield name, REDACTED if value and name and is_secret_name(name) and isinstance(value, str) else value


def _read_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, (str, int, float)):
        text = str(value).strip().lower()
        if text in ("y", "yes", "true", "1", "on"):
            return True
        if text in ("n", "no", "false", "0", "off"):
            return False
    return value


Boolean = Annotated[bool, Field(strict=True), BeforeValidator(_read_boolean)]
"""True or false; also `yes`, `on`, `1` and their opposites as text, as Backstage reads booleans."""


def _read_list(value: Any) -> Any:
    """A list from a list or text, parts separated by commas or spaces."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return value
    parts = [part for text in texts for part in text.replace(",", " ").split()]
    return list(dict.fromkeys(parts))


TextList = Annotated[tuple[Text, ...], BeforeValidator(_read_list)]
"""Texts as a list or as one text separated by commas or spaces."""

KeepOrDelete = Literal["keep", "delete"]


def one_or_many(value: Any) -> Any:
    """A list from a list or from its only element."""
    return value if isinstance(value, list) or value is None else [value]
