"""Notes on components which repository they stand in, as plugins of the forges ask for it.

Backstage had this processor built in once; now it is a community module. It runs when `catalog.processorOptions` names it.
"""

from understage.catalog.repository import repository_of
from understage.model.entity import Entity
from understage.sdk.processor import ProcessingContext, Processor

ANNOTATIONS = {
    "github": "github.com/project-slug",
    "gitlab": "gitlab.com/project-slug",
    "azure": "dev.azure.com/project-repo",
    "bitbucketCloud": "bitbucket.org/project-slug",
}


class AnnotateScmSlugEntityProcessor(Processor):
    """Adds the annotation of the forge; one that the entity has already wins."""

    on_by_default = False

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """Add what is missing."""
        if entity["kind"].lower() != "component" or context.location.type != "url":
            return entity
        repository = repository_of(context.location.target, self.setup.config.get("integrations") or {})
        annotation = ANNOTATIONS.get(repository.type or "") if repository else None
        annotations = entity["metadata"].get("annotations") or {}
        if repository is None or annotation is None or not repository.owner or not isinstance(annotations, dict):
            return entity
        if annotations.get(annotation):
            return entity
        metadata = {**entity["metadata"], "annotations": {**annotations, annotation: repository.slug}}
        return {**entity, "metadata": metadata}
