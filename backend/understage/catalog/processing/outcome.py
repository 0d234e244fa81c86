"""One claimed entity and what its run gave, on the way from the orchestrator to the database."""

from collections.abc import Callable
from dataclasses import dataclass, field

from understage.catalog.failure import SerializedError, serialize_error
from understage.catalog.processing.collector import Child
from understage.catalog.processing.orchestrator import Result
from understage.catalog.processing.result_hash import ForeignParents, add_parents, digest_result
from understage.catalog.store.claims import DueEntity
from understage.catalog.store.write_states import UnprocessedEntity
from understage.catalog.unprocessed import make_unprocessed
from understage.errors import InputError
from understage.platform.json import dumps_text


@dataclass(slots=True)
class Outcome:
    """Serialised once, so that a value without a JSON form fails its entity alone."""

    claimed: DueEntity
    result: Result
    cache: str | None
    children: list[UnprocessedEntity] = field(default_factory=list)
    errors: list[SerializedError] = field(default_factory=list)
    entity_json: str | None = None
    digest: str = ""
    conflicts: list[tuple[UnprocessedEntity, str]] = field(default_factory=list)
    """Children whose names others own, with the owner's location key; known after the commit."""
    early: "dict[str, tuple[UnprocessedEntity, Outcome]]" = field(default_factory=dict)
    """Children by reference, with what became of them when they were processed before their parent was done (`ahead`)."""

    @classmethod
    def of(
        cls, claimed: DueEntity, result: Result, cache: str | None, row_of: Callable[[Child], UnprocessedEntity]
    ) -> "Outcome":
        """Make the rows of a result, those of children by `row_of`."""
        outcome = cls(claimed, result, cache)
        try:
            outcome.children = [row_of(child) for child in result.children]
            outcome.entity_json = None if result.entity is None else dumps_text(result.entity)
            _check_texts(result, outcome.children)
        except (TypeError, InputError) as error:
            result.errors.append(error)
            outcome.children = []
        outcome.errors = [serialize_error(error) for error in result.errors]
        outcome.digest = digest_result(result, outcome.errors, outcome.children)
        return outcome

    def hash(self, foreign: ForeignParents) -> str:
        """The result hash, given the children that others hold."""
        return add_parents(self.digest, foreign if self.result.ok else ())

    def take_early(self, child: UnprocessedEntity) -> "tuple[UnprocessedEntity, Outcome] | None":
        """A child with its outcome, if there is one and it is of this very row."""
        found = self.early.pop(child.entity_ref, None)
        return found if found is not None and found[0] is child else None

    @property
    def is_first_sight(self) -> bool:
        """A valid Location that could not be read has never been served: it is served, to show what is wrong."""
        entity = self.result.entity
        return not self.claimed.is_processed and entity is not None and entity["kind"] == "Location"


def make_row(child: Child) -> UnprocessedEntity:
    """What is stored of a child. Raises InputError for what JSON has no form for."""
    try:
        return make_unprocessed(child.entity, child.location_key)
    except TypeError as error:
        raise InputError(f"{child.ref} holds a value that JSON has no form for: {error}") from error


def _check_texts(result: Result, children: list[UnprocessedEntity]) -> None:
    """PostgreSQL stores no NUL character; names, locations and references have no use for one."""
    owners = [text for child in children for text in (child.entity_ref, child.location_key or "")]
    related = [text for relation in result.relations for text in relation]
    texts = [*owners, *related, *result.refresh_keys]
    if "\0" in "".join(texts):
        text = next(text for text in texts if "\0" in text)
        raise InputError(f"the name or reference {text!r} holds a NUL character; remove it")
