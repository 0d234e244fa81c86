"""Actions about templates: run one dry, list what their steps may use, run one."""

import base64
from typing import Any

from understage.errors import SourceError
from understage.identity.actions import OfferedAction, schema_of
from understage.identity.audit import Auditor
from understage.identity.authorizer import Authorizer
from understage.identity.credentials import Credentials
from understage.identity.permissions import SCAFFOLDER_TASK_CREATE, SCAFFOLDER_TEMPLATE_DRY_RUN
from understage.model.yaml import parse_document
from understage.scaffolder.api.actions.schemas import ANY_MEMBERS, TEXT, array_of, shape, text
from understage.scaffolder.assembly import Assembly
from understage.scaffolder.dry_run import DryRunRequest
from understage.scaffolder.service import ScaffolderService

FILE = shape({"path": text("Its path, beside the template."), "content": text("Its text.")})
LINE = shape({"message": TEXT}, {"stepId": TEXT, "status": TEXT})
STEP = shape({"id": TEXT, "name": TEXT, "action": TEXT})
ANY_SCHEMA = {"type": "object", "properties": {}, "additionalProperties": True}
ACTION = shape(
    {
        "id": TEXT,
        "description": TEXT,
        "schema": shape(
            {
                "input": {**ANY_SCHEMA, "description": "JSON schema of its input."},
                "output": {**ANY_SCHEMA, "description": "JSON schema of its output."},
            }
        ),
    },
    {"examples": {"type": "array"}},
)
MAX_FILE_LENGTH = 64 * 1024
TOO_LARGE = "<file too large>"


def create_template_actions(
    service: ScaffolderService, assembly: Assembly, authorizer: Authorizer, auditor: Auditor
) -> tuple[OfferedAction, OfferedAction, OfferedAction]:
    """`dry-run-template`, `list-scaffolder-actions`, `execute-template`."""
    return (
        _create_dry_run(assembly, auditor),
        _create_list(assembly, auditor),
        _create_execute(service, authorizer, auditor),
    )


def _create_dry_run(assembly: Assembly, auditor: Auditor) -> OfferedAction:
    async def run(input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        try:
            template = parse_document(input["templateYaml"], "template").value
        except SourceError as error:
            place = [] if error.line is None else [f"At line {error.line}, column {error.column or 1}"]
            errors = [f"YAML parsing error: {error.reason}", *place]
            return {"valid": False, "message": "Failed to parse YAML template", "errors": errors}
        files = [(file["path"], _encode(file["content"])) for file in input.get("files", [])]
        request = DryRunRequest(template=template, values=input.get("values", {}), files=files)
        with auditor.event("task", credentials=credentials, meta={"actionType": "dry-run"}):
            result = await assembly.dry_run.run(request, credentials)
        return {
            "valid": True,
            "message": "Template validation successful",
            "log": [line["body"] for line in result["log"]],
            "output": result["output"],
            "steps": [{name: step[name] for name in STEP["required"]} for step in result["steps"]],
        }

    return OfferedAction(
        "dry-run-template",
        "Dry Run Scaffolder Template",
        "Runs a template without effects, to see whether it is valid and what it would do: its log, output and steps.",
        schema_of(
            {
                "templateYaml": text("The YAML of the template."),
                "values": {**ANY_MEMBERS, "description": "Values of its parameters."},
                "files": array_of(FILE, "Files beside the template."),
            },
            ["templateYaml"],
        ),
        schema_of(
            {
                "valid": {"type": "boolean", "description": "Whether it is a template that runs."},
                "message": text("What came out."),
                "errors": array_of(TEXT, "What is wrong."),
                "log": array_of(LINE, "What the run said."),
                "output": {**ANY_MEMBERS, "description": "The output of the template."},
                "steps": array_of(STEP, "The steps."),
            },
            ["valid", "message"],
        ),
        run=run,
        read_only=True,
        idempotent=True,
        visible_by=SCAFFOLDER_TEMPLATE_DRY_RUN,
    )


def _create_list(assembly: Assembly, auditor: Auditor) -> OfferedAction:
    async def run(_input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        with auditor.event("action-fetch", credentials=credentials):
            actions = await assembly.actions.describe(credentials)
        return {
            "actions": [
                {
                    "id": action["id"],
                    "description": action["description"],
                    "schema": {part: action["schema"].get(part, {}) for part in ("input", "output")},
                    "examples": action.get("examples", []),
                }
                for action in actions
            ]
        }

    return OfferedAction(
        "list-scaffolder-actions",
        "List Scaffolder Actions",
        "Lists the actions that steps of templates may use, with their descriptions, schemas and examples.",
        {**schema_of({}), "description": "Nothing."},
        schema_of({"actions": {"type": "array", "items": ACTION}}, ["actions"]),
        run=run,
        read_only=True,
        idempotent=True,
    )


def _create_execute(service: ScaffolderService, authorizer: Authorizer, auditor: Auditor) -> OfferedAction:
    async def run(input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        ref, secrets = input["templateRef"], input.get("secrets", {})
        meta = {"actionType": "create", "templateRef": ref}
        with auditor.event("task", credentials=credentials, severity="medium", meta=meta) as event:
            await authorizer.require(SCAFFOLDER_TASK_CREATE, credentials)
            task_id = await service.create(ref, input["values"], secrets, credentials)
            event.meta["taskId"] = task_id
        return {"taskId": task_id}

    return OfferedAction(
        "execute-template",
        "Execute Scaffolder Template",
        "Runs a template as the caller, with values for its parameters; answers the id of the task, whose log "
        "get-scaffolder-task-logs tells. Which parameters and secrets there are, the template's entity says.",
        schema_of(
            {
                "templateRef": text("Reference of the template, such as template:default/service."),
                "values": {**ANY_MEMBERS, "description": "Values of its parameters."},
                "secrets": {"type": "object", "additionalProperties": TEXT, "description": "Secrets it asks for."},
            },
            ["templateRef", "values"],
        ),
        schema_of({"taskId": text("Id of the task.")}, ["taskId"]),
        run=run,
        destructive=True,
    )


def _encode(content: str) -> str:
    return base64.b64encode((TOO_LARGE if len(content) > MAX_FILE_LENGTH else content).encode()).decode()
