"""Validation and relations of the core kinds."""

from understage.model.entity import Entity
from understage.model.kinds import check_kind, relations_of, sort_references
from understage.sdk.processor import ProcessingContext, Processor

FOREIGN_KINDS = frozenset(("Template",))
"""Kinds of the model that another processor is responsible for."""


class BuiltinKindsEntityProcessor(Processor):
    """Knows API, Component, Domain, Group, Location, Resource, System and User."""

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """Sort the lists of references, so that their order never counts as a change."""
        return entity if entity["kind"] in FOREIGN_KINDS else sort_references(entity)

    async def validate_kind(self, entity: Entity) -> bool:
        """Check against the kind's schema."""
        return entity["kind"] not in FOREIGN_KINDS and check_kind(entity)

    async def post_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """Emit the relations that the fields of `spec` make."""
        if entity["kind"] not in FOREIGN_KINDS:
            for relation in relations_of(entity):
                context.emit.relation(*relation)
        return entity
