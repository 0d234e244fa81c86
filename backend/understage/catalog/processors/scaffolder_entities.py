"""Validation and relations of scaffolder templates."""

from understage.model.entity import Entity
from understage.model.kinds import check_kind, relations_of
from understage.sdk.processor import ProcessingContext, Processor


class ScaffolderEntitiesProcessor(Processor):
    """Knows Template of scaffolder.backstage.io/v1beta3."""

    async def validate_kind(self, entity: Entity) -> bool:
        """Check against the kind's schema."""
        return entity["kind"] == "Template" and check_kind(entity)

    async def post_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """Emit the owner relations."""
        if entity["kind"] == "Template":
            for relation in relations_of(entity):
                context.emit.relation(*relation)
        return entity
