"""The files that say what a template should do: `*.test.yaml` beside it. Read by `suite`.

template: template.yaml          # the default
roots: [..]                      # folders that the template may fetch from, as understage.templateRoots
world: {clusters: [east]}        # of all cases; a case may have its own
cases:
  - name: a service in Go
    values: {name: shop, language: go}
    expect:
      output: {links: [{title: Repository}]}
      plan: [create repository acme/shop on forge.test]
      files: {service/go.mod: [module shop]}
      tree: expected/go          # the workspace, file by file; `understage template test --update` writes it
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from understage.errors import InputError
from understage.scaffolder.authoring import SUFFIX
from understage.scaffolder.authoring.world import Surroundings
from understage.sdk import HttpResponse
from understage.sdk.yaml import parse_document, parse_documents


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Answer(_Part):
    """What a request is answered."""

    method: str = "GET"
    url: str
    status: int = 200
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None


class WorldPart(_Part):
    """What there is beside the template. Paths are relative to the file."""

    entities: list[str | dict[str, Any]] = Field(default_factory=list)
    repositories: dict[str, dict[str, str]] = Field(default_factory=dict)
    clusters: list[str] = Field(default_factory=list)
    argocd: list[str] = Field(default_factory=list)
    http: list[Answer] = Field(default_factory=list)
    urls: dict[str, str] = Field(default_factory=dict)


class Expectation(_Part):
    """What must be true of the trial; what is not written down is not looked at.

    `error`: a text in the error's message. `output`: members that the output has, among others. `log`: texts in the log.
    `files`: by path in the workspace the texts that the file holds, in order; null for a file that must not be there.
    `plan`: all effects, line by line. `steps`: the last status by step id.
    """

    status: Literal["completed", "failed", "refused"] | None = None
    error: str | None = None
    output: dict[str, Any] | None = None
    log: list[str] = Field(default_factory=list)
    files: dict[str, str | list[str] | None] = Field(default_factory=dict)
    tree: str | None = None
    plan: list[str] | None = None
    steps: dict[str, str] = Field(default_factory=dict)


class Case(_Part):
    """One run of the template, and what is expected of it."""

    name: str
    values: dict[str, Any] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict)
    world: WorldPart | None = None
    expect: Expectation = Expectation()


class CaseFile(_Part):
    """A whole file."""

    template: str = "template.yaml"
    roots: list[str] = Field(default_factory=list)
    defaults: dict[str, Any] = Field(default_factory=dict)
    world: WorldPart = WorldPart()
    cases: list[Case] = Field(min_length=1)


def find_case_files(paths: Sequence[Path]) -> list[Path]:
    """The files of cases that are named, or lie in or below the folders. Raises InputError where there is none."""
    found: list[Path] = []
    for path in paths:
        if path.is_file():
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob(f"*{SUFFIX}") if ".git" not in file.parts)
        if not inside:
            raise InputError(f"There are no cases in {path}: write them into files named *{SUFFIX} beside the template")
        found += inside
    return found


def read_case_file(file: Path) -> CaseFile:
    """Read one. Raises SourceError or InputError naming every part that is wrong."""
    value = parse_document(file.read_bytes(), str(file)).value
    try:
        return CaseFile.model_validate(value)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_input=False)]
        raise InputError(f"{file}: {'; '.join(problems)}") from error


def surroundings_of(file: Path, part: WorldPart) -> Surroundings:
    """The world of a case. Raises InputError for a file that is not there."""
    entities: list[Mapping[str, Any]] = []
    for entry in part.entities:
        if isinstance(entry, dict):
            entities.append(entry)
        else:
            content = _existing(file, entry).read_bytes()
            entities += [document.value for document in parse_documents(content, entry) if document.value]
    return Surroundings(
        entities=entities,
        repositories=part.repositories,
        clusters=part.clusters,
        argocd=part.argocd,
        http={(answer.method.upper(), answer.url): _response(answer) for answer in part.http},
        urls={url: _existing(file, path) for url, path in part.urls.items()},
    )


def _existing(file: Path, relative: str) -> Path:
    path = (file.parent / relative).resolve()
    if not path.exists():
        raise InputError(f"{file}: there is no {relative}")
    return path


def _response(answer: Answer) -> HttpResponse:
    from understage.platform.json import dumps

    body = answer.body.encode() if isinstance(answer.body, str) else b"" if answer.body is None else dumps(answer.body)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return HttpResponse(answer.status, {"content-type": "application/json", **headers}, body)
