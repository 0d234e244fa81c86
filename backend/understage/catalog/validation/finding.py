"""A finding: one thing that is wrong, where, and by which check."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from understage.catalog.failure import SerializedError, serialize_error
from understage.catalog.processing.orchestrator import DisallowedKindError
from understage.catalog.processors.entity_file import EntityFileError, EnvelopePlaceError
from understage.errors import Position, UnderstageError
from understage.model.entity import EnvelopeError, PolicyError
from understage.model.kinds import KindError
from understage.model.ref import IncompleteRefError, RefSyntaxError

Level = Literal["error", "warning"]
Origin = Literal["ingestion", "further", "check"]

RULES = {
    "file": "The file is readable, YAML, and holds objects only.",
    "envelope": "Every entity has apiVersion, kind and metadata.name.",
    "fields": "Names, labels, annotations, tags and links have the form that holds for every kind.",
    "schema": "The entity keeps the schema of its kind.",
    "kind": "Some processor knows the kind and its apiVersion.",
    "reference-form": "References have the form [<kind>:][<namespace>/]<name>, with a kind where the field implies none.",
    "placeholder": "Placeholders such as $text can be read.",
    "allowed-kind": "catalog.rules let the kind in from there.",
    "location": "Targets of locations can be read.",
    "processing": "No processor fails.",
    "duplicate-name": "A name stands once.",
    "reference": "What is referred to exists.",
    "template-expression": "Expressions of templates can be parsed.",
    "template-action": "The actions of templates are registered.",
    "template-input": "The input of steps keeps the schema of their action.",
    "template-step-id": "The ids of a template's steps are unique.",
    "template-name": "What expressions of templates name is there when they are rendered.",
    "skeleton-expression": "Expressions of the files that templates render can be rendered.",
    "skeleton-name": "Nothing vanishes from the files that templates render.",
}
"""Every check by its id."""

_BY_CLASS: tuple[tuple[type[Exception], str], ...] = (
    (EnvelopePlaceError, "envelope"),
    (EnvelopeError, "envelope"),
    (EntityFileError, "file"),
    (DisallowedKindError, "allowed-kind"),
    (PolicyError, "fields"),
    (KindError, "schema"),
    (RefSyntaxError, "reference-form"),
    (IncompleteRefError, "reference-form"),
)


@dataclass(frozen=True)
class Finding:
    """`message` is the ingestion's. `origin`: an error that the ingestion shows, one that it would show once the first is
    mended, or one of the checks that only validation does. `reason` is the message without what is said elsewhere.
    """

    rule: str
    level: Level
    name: str
    message: str
    reason: str
    origin: Origin
    entity: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    text: str | None = None

    @classmethod
    def of_error(cls, error: Exception, entity: str, origin: Origin, default_file: str) -> "Finding":
        """An error of the ingestion."""
        serialized = serialize_error(error)
        position = {name: serialized.get(name) for name in ("line", "column", "text")}
        return cls(
            rule_of(error),
            "error",
            serialized["name"],
            serialized["message"],
            _reason(error, serialized),
            origin,
            entity=entity,
            file=serialized.get("file", default_file),
            **position,
        )

    @classmethod
    def of_check(
        cls, rule: str, level: Level, message: str, entity: str, position: Position | None, file: str
    ) -> "Finding":
        """What a check of validation found."""
        place = {"file": file} if position is None else position._asdict()
        return cls(rule, level, "ValidationError", message, message, "check", entity=entity, **place)

    def to_json(self) -> dict[str, Any]:
        """All members that are known."""
        return {name: value for name, value in asdict(self).items() if value is not None and name != "reason"}


def rule_of(error: BaseException) -> str:
    """The check that an error of the ingestion comes from."""
    for candidate in (error, error.__cause__):
        for cls, rule in _BY_CLASS:
            if isinstance(candidate, cls):
                return rule
    message = str(error)
    if message.startswith(("Processor PlaceholderProcessor ", "Placeholder ")):
        return "placeholder"
    if message.startswith("No processor recognized "):
        return "kind"
    path = error.place.path if isinstance(error, UnderstageError) and error.place else ()
    return "location" if path[:2] in (("spec", "target"), ("spec", "targets"), ("spec", "type")) else "processing"


def _reason(error: Exception, serialized: SerializedError) -> str:
    """For people who see position and entity beside it: what is wrong, without who noticed."""
    if isinstance(error, EntityFileError):
        return error.reason
    if isinstance(error, DisallowedKindError):
        return f"{error.child.entity['kind']} is not of an allowed kind for that location, originated at {error.origin}"
    cause = serialized.get("cause")
    text = str(cause["message"]) if isinstance(cause, dict) else str(error)
    return text.partition(". To learn more about ")[0]
