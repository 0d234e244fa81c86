"""The action that says what is wrong with an entity, given as YAML."""

from typing import Any

from understage.catalog.access import Access
from understage.catalog.service import CatalogService
from understage.errors import SourceError, UnderstageError
from understage.identity.actions import OfferedAction, schema_of
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.permissions import CATALOG_ENTITY_VALIDATE
from understage.model.yaml import parse_document

LOCATION = "url:https://localhost/entity-validator"


def create_validation_action(access: Access, service: CatalogService, auditor: Auditor) -> OfferedAction:
    """`validate-entity`; its answer tells of every failure."""

    async def validate(input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        try:
            entity = parse_document(input["entity"], "entity").value
        except SourceError as error:
            return _refused(f"YAML parsing error: {error.message}")
        try:
            with auditor.event("entity-validate", credentials=credentials):
                await access.require(credentials, CATALOG_ENTITY_VALIDATE)
                errors = await service.validate_entity(entity, input.get("location", LOCATION))
        except UnderstageError as error:
            return _refused(f"Validation error: {error.message}")
        if errors:
            return {"isValid": False, "isValidYaml": True, "errors": [str(error["message"]) for error in errors]}
        return {"isValid": True, "isValidYaml": True, "errors": [], "entity": entity}

    return OfferedAction(
        "validate-entity",
        "Validate Catalog Entity",
        "Checks the YAML of an entity as the catalog would on reading it, and lists what is wrong. Nothing is stored.",
        schema_of(
            {
                "entity": {"type": "string", "description": "The YAML of one entity."},
                "location": {
                    "type": "string",
                    "format": "uri",
                    "description": "Where the entity would be read from, as url:https://…",
                },
            },
            ["entity"],
        ),
        schema_of(
            {
                "isValid": {"type": "boolean", "description": "Whether the catalog would take the entity."},
                "isValidYaml": {"type": "boolean", "description": "Whether it is YAML at all."},
                "errors": {"type": "array", "items": {"type": "string"}, "description": "What is wrong."},
                "entity": {
                    "type": "object",
                    "additionalProperties": {},
                    "description": "The entity that was read, where it is valid.",
                },
            },
            ["isValid", "isValidYaml", "errors"],
        ),
        run=validate,
        read_only=True,
        idempotent=True,
    )


def _refused(message: str) -> dict[str, Any]:
    return {"isValid": False, "isValidYaml": False, "errors": [message]}
