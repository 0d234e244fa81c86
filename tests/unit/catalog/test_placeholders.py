"""Placeholders of files by URL: what may be read, and what `$openapi` and `$asyncapi` make of files that refer to others."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from tests.unit.catalog.test_scm_processors import INTEGRATIONS, Forge, at, entity

from understage.catalog.processors.bundling import split_reference
from understage.catalog.processors.placeholder import PlaceholderProcessor, installed_resolvers
from understage.config.backend_settings import Reading
from understage.config.integration_settings import IntegrationSettings
from understage.errors import InputError, UnderstageError
from understage.integrations.sources import create_readers
from understage.model.yaml import parse_document
from understage.platform.http import HttpClient
from understage.sdk import Placeholder, ProcessorSetup
from understage.sdk.testing import FakeReader

PAGE = "https://github.com/o/r/blob/main/apis/catalog-info.yaml"
ROOT = "https://github.com/o/r/blob/main/apis"


async def bundle(
    files: Mapping[str, Any], *, name: str = "openapi", page: str = f"{ROOT}/c.yaml"
) -> tuple[Any, list[str]]:
    """The placeholder's document for files beside the entity, and the refresh keys."""
    reader = FakeReader({f"{ROOT}/{path}": json.dumps(value) for path, value in files.items()})
    context, emitted = at(page)
    first = next(iter(files))
    processor = PlaceholderProcessor(ProcessorSetup(reader))
    filled = await processor.pre_process(entity("API", definition={f"${name}": f"./{first}"}), context)
    return parse_document(filled["spec"]["definition"]).value, emitted.keys


async def test_files_are_put_where_they_are_referred_to_first() -> None:
    files = {
        "openapi.yaml": {
            "openapi": "3.0.0",
            "paths": {
                "/pets/{id}": {"$ref": "./paths/pet.yaml"},
                "/pets": {"get": {"schema": {"$ref": "./schemas/pet.yaml#/Pet"}}},
            },
            "components": {"schemas": {"Own": {"type": "string"}, "Alias": {"$ref": "#/components/schemas/Own"}}},
        },
        "paths/pet.yaml": {
            "get": {
                "schema": {"$ref": "../schemas/pet.yaml#/Pet"},
                "own": {"$ref": "../openapi.yaml#/components/schemas/Own"},
            },
            "post": {"$ref": "#/get"},
        },
        "schemas/pet.yaml": {
            "Pet": {"type": "object", "properties": {"owner": {"$ref": "#/Person"}, "name": {"$ref": "#/Person/name"}}},
            "Person": {"name": {"type": "string"}},
        },
    }
    value, keys = await bundle(files)
    pet = "#/paths/~1pets~1%7Bid%7D"
    assert value == {
        "openapi": "3.0.0",
        "paths": {
            "/pets/{id}": {
                "get": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "owner": {"name": {"type": "string"}},
                            "name": {"$ref": f"{pet}/get/schema/properties/owner/name"},
                        },
                    },
                    "own": {"$ref": "#/components/schemas/Own"},
                },
                "post": {"$ref": f"{pet}/get"},
            },
            "/pets": {"get": {"schema": {"$ref": f"{pet}/get/schema"}}},
        },
        "components": {"schemas": {"Own": {"type": "string"}, "Alias": {"$ref": "#/components/schemas/Own"}}},
    }
    assert set(keys) == {f"url:{ROOT}/{path}" for path in files}


async def test_what_stands_beside_a_reference_wins_over_what_it_names() -> None:
    value, _ = await bundle(
        {
            "a.yaml": {
                "one": {"$ref": "b.yaml", "title": "mine"},
                "two": {"$ref": "b.yaml"},
                "three": {"$ref": "b.yaml", "x": 1},
            },
            "b.yaml": {"title": "theirs", "type": "string"},
        }
    )
    assert value["one"] == {"title": "mine", "type": "string"}
    assert value["two"] == {"title": "theirs", "type": "string"}
    assert value["three"] == {"$ref": "#/two", "x": 1}


async def test_circles_become_references_and_circles_of_nothing_are_refused() -> None:
    value, _ = await bundle(
        {
            "a.yaml": {"tree": {"$ref": "tree.yaml#/Tree"}},
            "tree.yaml": {"Tree": {"children": {"items": {"$ref": "#/Tree"}}, "owner": {"$ref": "a.yaml"}}},
        }
    )
    assert value == {"tree": {"children": {"items": {"$ref": "#/tree"}}, "owner": {"$ref": "#"}}}
    with pytest.raises(
        InputError, match=r"unable to bundle the file at \./a\.yaml, the reference 'b\.yaml#/x' .* in a circle"
    ):
        await bundle({"a.yaml": {"x": {"$ref": "b.yaml#/x"}}, "b.yaml": {"x": {"$ref": "#/y"}, "y": {"$ref": "#/x"}}})


async def test_references_that_asyncapi_3_wants_stay_references() -> None:
    files = {
        "asyncapi.yaml": {
            "asyncapi": "3.0.0",
            "servers": {"main": {"host": "x"}},
            "channels": {"signedup": {"$ref": "./channels.yaml#/signedup"}},
            "operations": {
                "send": {
                    "action": "send",
                    "channel": {"$ref": "#/channels/signedup"},
                    "messages": [{"$ref": "./channels.yaml#/signedup/messages/m"}],
                    "reply": {"channel": {"$ref": "./other.yaml#/elsewhere"}},
                }
            },
        },
        "channels.yaml": {
            "signedup": {
                "address": "user",
                "servers": [{"$ref": "./asyncapi.yaml#/servers/main"}],
                "messages": {"m": {"payload": 1}},
            }
        },
        "other.yaml": {"elsewhere": {}},
    }
    value, _ = await bundle(files, name="asyncapi")
    assert value["operations"]["send"] == {
        "action": "send",
        "channel": {"$ref": "#/channels/signedup"},
        "messages": [{"$ref": "#/channels/signedup/messages/m"}],
        "reply": {"channel": {"$ref": "./other.yaml#/elsewhere"}},
    }
    assert value["channels"]["signedup"] == {
        "address": "user",
        "servers": [{"$ref": "#/servers/main"}],
        "messages": {"m": {"payload": 1}},
    }
    older = {**files, "asyncapi.yaml": {**files["asyncapi.yaml"], "asyncapi": "2.6.0"}}
    assert (await bundle(older, name="asyncapi"))[0]["operations"]["send"]["reply"] == {"channel": {}}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.yaml": {"$ref": "gone.yaml"}}, "unable to bundle .* could not read location gone.yaml, .*404"),
        ({"a.yaml": {"x": {"$ref": "b.yaml#/no/where"}}, "b.yaml": {}}, "b.yaml has nothing at '#/no/where'"),
        ({"a.yaml": {"x": {"$ref": "b.yaml#/1"}}, "b.yaml": ["one"]}, "has nothing at '#/1'"),
        ({"a.yaml": {"x": {"$ref": "b.yaml#anchor"}}, "b.yaml": {}}, "ends in no JSON pointer"),
        ({"a.yaml": {"x": {"$ref": "https://github.com/o/other/blob/main/b.yaml"}}}, "same repository"),
        ({"a.yaml": {"x": {"$ref": "https://evil.org/b.yaml"}}}, "not allowed"),
        ({"a.yaml": {"x": {"$ref": "file:///etc/passwd"}}}, "could not read location"),
        (
            {"a.yaml": {f"x{n}": {"$ref": f"f{n}.yaml"} for n in range(201)}} | {f"f{n}.yaml": n for n in range(201)},
            "more than 200 files",
        ),
        (
            {"a.yaml": {"$ref": "l0.yaml", "n": 1}}
            | {f"l{n}.yaml": {side: {"$ref": f"l{n + 1}.yaml", "n": 1} for side in "ab"} for n in range(19)}
            | {"l19.yaml": {"end": True}},
            "hold more than 500000 values",
        ),
        (
            {f"{n}.yaml": {"x": {"y": {"$ref": f"{n + 1}.yaml"}}} for n in range(120)} | {"120.yaml": 1},
            "more than 200 levels deep",
        ),
    ],
)
async def test_what_cannot_be_bundled_is_refused_with_a_reason(files: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        await bundle(files)


async def test_broken_yaml_of_another_file_is_named_with_its_place() -> None:
    reader = FakeReader({f"{ROOT}/a.yaml": "x: {$ref: b.yaml}", f"{ROOT}/b.yaml": "ok: 1\nbad: ]"})
    with pytest.raises(InputError, match=rf"unable to bundle the file at a\.yaml, {ROOT}/b\.yaml:2:6"):
        await PlaceholderProcessor(ProcessorSetup(reader)).pre_process(entity(d={"$openapi": "a.yaml"}), at(PAGE)[0])


def test_references_are_split() -> None:
    assert split_reference("a.yaml#/a~1b/%7Bc%7D~0/") == ("a.yaml", ("a/b", "{c}~", ""))
    assert [split_reference(text) for text in ("#", "#/", "a.yaml", "a#")] == [
        ("", ()),
        ("", ()),
        ("a.yaml", ()),
        ("a", ()),
    ]


# D2: nothing of another repository, whichever forge.
@pytest.mark.parametrize(
    ("page", "other"),
    [
        (PAGE, "https://github.com/o/secret/blob/main/x"),
        (PAGE, "https://github.com/o/secret/edit/main/x"),
        (PAGE, "../../../../secret/blob/main/x"),
        ("https://git.lab/g/p/-/blob/main/c.yaml", "https://git.lab/g/secret/-/blob/main/x"),
        ("https://git.lab/g/p/-/blob/main/c.yaml", "https://git.lab/g/secret/-/jobs/artifacts/main/raw/x?job=b"),
        ("https://tea.org/o/r/src/branch/main/c.yaml", "https://tea.org/o/secret/raw/branch/main/x"),
        ("https://bitbucket.org/o/r/src/main/c.yaml", "https://bitbucket.org/o/secret/raw/main/x"),
        (
            "https://bb.org/projects/P/repos/r/browse/c.yaml?at=main",
            "https://bb.org/projects/P/repos/secret/browse/x?at=main",
        ),
        ("https://bb.org/projects/P/repos/r/browse/c.yaml?at=main", "https://bb.org/users/r/repos/r/raw/x"),
        ("https://dev.azure.com/o/p/_git/r?path=/c.yaml", "https://dev.azure.com/o/p/_git/secret?path=/x"),
        ("https://dev.azure.com/o/p/_git/r?path=/c.yaml", "https://dev.azure.com/o/secret/_git/r?path=/x"),
        (
            "https://gerrit.org/gitiles/p/+/refs/heads/main/c.yaml",
            "https://gerrit.org/gitiles/secret/+/refs/heads/main/x",
        ),
        (
            "https://gerrit.org/gitiles/p/+/refs/heads/main/c.yaml",
            "https://gerrit.org/a/gitiles/secret/+/refs/heads/main/x",
        ),
        (
            "https://harness.org/ng/account/a/module/code/repos/r/files/main/~/c.yaml",
            "https://harness.org/ng/account/a/module/code/repos/secret/files/main/~/x",
        ),
        (PAGE, "https://git.lab/g/secret/-/blob/main/x"),
    ],
)
@pytest.mark.parametrize("name", ["text", "openapi"])
async def test_another_repository_is_not_read(page: str, other: str, name: str) -> None:
    forge = Forge({})
    http = HttpClient(transport=httpx.MockTransport(forge))
    settings = IntegrationSettings.model_validate({**INTEGRATIONS, "harness": [{"host": "harness.org", "token": "t"}]})
    processor = PlaceholderProcessor(ProcessorSetup(create_readers(settings, Reading(), http)))
    with pytest.raises(UnderstageError, match=r"same repository as the entity|path traversal|could not"):
        await processor.pre_process(entity(x={f"${name}": other}), at(page)[0])
    assert forge.asked == []


@pytest.mark.parametrize(
    "page",
    [
        PAGE,
        "https://git.lab/g/p/-/blob/main/a/c.yaml",
        "https://bb.org/projects/P/repos/r/browse/a/c.yaml?at=main",
        "https://dev.azure.com/o/p/_git/r?path=/a/c.yaml&version=GBmain",
        "https://gerrit.org/gitiles/p/+/refs/heads/main/a/c.yaml",
    ],
)
async def test_files_of_the_own_repository_are_asked_for(page: str) -> None:
    forge = Forge({})
    for target in ("./x.txt", "/x.txt", "../x.txt"):
        with pytest.raises(InputError, match=f"could not read location {target}, NotFoundError|404"):
            await PlaceholderProcessor(forge.setup()).pre_process(entity(x={"$text": target}), at(page)[0])
    assert len(forge.asked) == 3


async def test_a_resolver_of_a_package_is_found_and_may_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def upper(placeholder: Placeholder) -> str:
        first = await placeholder.read(placeholder.value["of"])
        second = await placeholder.read("../b.txt", base=first)
        return (first.content + second.content).decode().upper()

    resolvers = {**installed_resolvers(), "upper": upper}
    assert resolvers.keys() == {"text", "json", "yaml", "openapi", "asyncapi", "upper"}
    monkeypatch.setattr("understage.catalog.processors.placeholder.installed_resolvers", lambda: resolvers)
    reader = FakeReader({f"{ROOT}/sub/a.txt": "a", f"{ROOT}/b.txt": "b"})
    given = entity(x={"$upper": {"of": "sub/a.txt"}}, y={"$other": "x"}, z={"$text": 1})
    processor = PlaceholderProcessor(ProcessorSetup(reader))
    with pytest.raises(InputError, match=r"Placeholder \$text expected a string value parameter"):
        await processor.pre_process(given, at(f"{ROOT}/c.yaml")[0])
    del given["spec"]["z"]
    filled = await processor.pre_process(given, at(f"{ROOT}/c.yaml")[0])
    assert filled["spec"] == {"x": "AB", "y": {"$other": "x"}}
