"""`utils:merge` and `utils:json:merge`: values into a JSON or YAML file of the workspace."""

import re
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action
from understage_actions._commented_yaml import merge_keeping_comments
from understage_actions._serialized import (
    format_of,
    json_text,
    merged,
    parse_all,
    parse_json,
    parse_text,
    read_existing,
    yaml_text,
)
from understage_actions._tree import write_file

_INDENT = re.compile(r"^[{\[]\s*?\n([ \t]+)", re.MULTILINE)


class Selection(ActionModel):
    """Which document of a file with several."""

    key: str = Field(description="A key of the document; dots lead into maps")
    value: str = Field(description="The value that it has")


class MergeInput(ActionModel):
    """Into which file, what."""

    path: str = Field(description="Relative path of a .json, .yaml or .yml file")
    content: str | dict[str, Any] = Field(description="What is merged into it: a map, or its text")
    merge_arrays: bool = Field(default=False, description="Put arrays together; by default one replaces the other")
    preserve_yaml_comments: bool = Field(default=False, description="Keep comments and form of the YAML file")
    use_document_including_field: Selection | None = Field(
        default=None, description="Which document of a YAML file with several"
    )
    options: dict[str, Any] | None = Field(
        default=None, description="Taken for the sake of other implementations; the form of the YAML does not change"
    )


class JsonMergeInput(ActionModel):
    """Into which JSON file, what."""

    path: str = Field(description="Relative path of the JSON file; made when it is not there")
    content: str | dict[str, Any] = Field(description="What is merged into it: a map, or its text")
    merge_arrays: bool = Field(default=False, description="Put arrays together; by default one replaces the other")
    match_file_indent: bool = Field(default=False, description="Indent as the file does; by default by two blanks")


class MergeOutput(ActionModel):
    """What was written."""

    path: str = Field(description="The file, relative to the workspace")


@action(
    "utils:merge",
    description="Merges a map into a JSON or YAML file of the workspace: maps merge, anything else replaces.",
    examples=[
        Example("One more value in a values file", {"path": "settings.yaml", "content": {"image": {"tag": "1.2.0"}}}),
        Example(
            "Into one of the documents of a file, comments kept",
            {
                "path": "several.yaml",
                "content": {"spec": {"replicas": 3}},
                "useDocumentIncludingField": {"key": "kind", "value": "Deployment"},
                "preserveYamlComments": True,
            },
        ),
    ],
    supports_dry_run=True,
)
async def merge(ctx: ActionContext, input: MergeInput) -> MergeOutput:
    """Merge. InputError for a file with several documents of which none, or more than one, is meant."""
    text, format = read_existing(ctx, input.path), format_of(input.path)
    content = _content(input.content, format == "json")
    if format == "json":
        result = json_text(merged(parse_json(text, input.path), content, merge_arrays=input.merge_arrays), None, 2)
    else:
        documents = parse_all(text, input.path)
        index = _choose(documents, input)
        if input.preserve_yaml_comments:
            result = merge_keeping_comments(text, index, content, merge_arrays=input.merge_arrays)
        else:
            documents[index : index + 1] = [merged(_at(documents, index), content, merge_arrays=input.merge_arrays)]
            result = "---\n".join(yaml_text(document) for document in documents)
    write_file(ctx.workspace, input.path, result)
    ctx.log.info(f"Merged into {input.path}")
    return MergeOutput(path=input.path)


@action(
    "utils:json:merge",
    description="Merges a map into a JSON file of the workspace, which is made when it is not there.",
    examples=[Example("One more script of a package", {"path": "package.json", "content": {"scripts": {"lint": "x"}}})],
    supports_dry_run=True,
)
async def json_merge(ctx: ActionContext, input: JsonMergeInput) -> MergeOutput:
    """Merge."""
    text = "{}"
    if ctx.workspace.resolve(input.path).exists():
        text = read_existing(ctx, input.path).decode("utf-8")
    value = merged(parse_json(text, input.path), _content(input.content, True), merge_arrays=input.merge_arrays)
    found = _INDENT.search(text) if input.match_file_indent else None
    indented = json_text(value, None, found[1] if found else 2)
    write_file(ctx.workspace, input.path, indented)
    ctx.log.info(f"Merged into {input.path}")
    return MergeOutput(path=input.path)


def _content(content: str | dict[str, Any], is_json: bool) -> Any:
    if isinstance(content, str):
        return parse_text(content, "content", "json" if is_json else "yaml")
    return content


def _choose(documents: list[Any], input: MergeInput) -> int:
    wanted = input.use_document_including_field
    if wanted is None:
        if len(documents) > 1:
            raise InputError(f"{input.path} has {len(documents)} documents: say which by useDocumentIncludingField")
        return 0
    matching = [index for index, document in enumerate(documents) if _has(document, wanted)]
    if len(matching) != 1:
        raise InputError(f"{len(matching)} documents of {input.path} have {wanted.key} {wanted.value!r}: one is needed")
    return matching[0]


def _has(document: Any, wanted: Selection) -> bool:
    found = document
    for part in wanted.key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    text = str(found).lower() if isinstance(found, bool) else str(found)
    return found is not None and text == wanted.value


def _at(documents: list[Any], index: int) -> Any:
    return (documents[index] if documents else None) or {}


MERGE = merge.with_aliases("roadiehq:utils:merge")
JSON_MERGE = json_merge.with_aliases("roadiehq:utils:json:merge")
