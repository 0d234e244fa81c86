"""Every error of an entity from a file names file, line and column, whoever found it and however the file looks."""

import asyncio
import textwrap
from pathlib import Path

import pytest
from tests.store.catalog_bench import PagesReader, component, location, running

from understage.catalog.processing.sources import Sources
from understage.errors import InputError, Place
from understage.model.ref import LocationRef
from understage.model.yaml import parse_document
from understage.platform.database import Database

HEAD = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: bad\n"
SPEC = "spec:\n  type: service\n  lifecycle: production\n  owner: team-a\n"
# What is wrong: the document, the beginning of the message, line and column in the document, and that line.
BAD: dict[str, tuple[str, str, int, int, str]] = {
    "missing property": (
        HEAD + "spec:\n  type: service\n  owner: a\n",
        "Processor BuiltinKindsEntityProcessor threw an error while validating the entity component:default/bad; caused by "
        "TypeError: /spec must have required property 'lifecycle' - missingProperty: lifecycle",
        6,
        3,
        "  type: service",
    ),
    "wrong type": (
        HEAD + "spec: {type: service, lifecycle: 1, owner: a}\n",
        "Processor BuiltinKindsEntityProcessor threw an error while validating the entity component:default/bad; caused by "
        "TypeError: /spec/lifecycle must be string - type: string",
        5,
        34,
        "spec: {type: service, lifecycle: 1, owner: a}",
    ),
    "no spec": (
        HEAD,
        "Processor BuiltinKindsEntityProcessor threw an error while validating the entity component:default/bad; caused by "
        "TypeError: <root> must have required property 'spec' - missingProperty: spec",
        1,
        1,
        "apiVersion: backstage.io/v1alpha1",
    ),
    "item of a list that is sorted": (
        HEAD + SPEC + "  dependsOn:\n    - resource:z\n    - nokind\n    - component:a\n",
        "Processor BuiltinKindsEntityProcessor threw an error while postprocessing; caused by Error: "
        'Entity reference "nokind" had missing or empty kind',
        11,
        7,
        "    - nokind",
    ),
    "label's value": (
        HEAD + "  labels:\n    ok: fine\n    tier: not good\n" + SPEC,
        'Policy check failed for component:default/bad; caused by Error: "labels.tier" is not valid; expected',
        7,
        11,
        "    tier: not good",
    ),
    "label's key": (
        HEAD + "  labels:\n    not/a/key: x\n" + SPEC,
        'Policy check failed for component:default/bad; caused by Error: "labels.not/a/key" is not valid; expected',
        6,
        5,
        "    not/a/key: x",
    ),
    "tag": (
        HEAD + "  tags: [python, Älter]\n" + SPEC,
        'Policy check failed for component:default/bad; caused by Error: "tags.1" is not valid; expected',
        5,
        18,
        "  tags: [python, Älter]",
    ),
    "link": (
        HEAD + "  links:\n    - title: x\n      url: nowhere\n" + SPEC,
        'Policy check failed for component:default/bad; caused by Error: "links.0.url" is not valid; expected',
        7,
        12,
        "      url: nowhere",
    ),
    "another root field": (
        HEAD + SPEC + "color: red\n",
        "Policy check failed for component:default/bad; caused by Error: Malformed envelope, "
        "<root> must NOT have additional properties",
        9,
        1,
        "color: red",
    ),
    "relations": (
        HEAD + SPEC + "relations: []\n",
        "Policy check failed for component:default/bad; caused by Error: Unknown field relations",
        9,
        1,
        "relations: []",
    ),
    "apiVersion": (
        HEAD.replace("v1alpha1", "v9") + SPEC,
        "No processor recognized the entity component:default/bad as valid, "
        "possibly caused by a foreign kind or apiVersion",
        1,
        13,
        "apiVersion: backstage.io/v9",
    ),
    "placeholder": (
        HEAD + "  description:\n    $text: ./not-there.md\n" + SPEC,
        "Processor PlaceholderProcessor threw an error while preprocessing; caused by InputError: "
        "Placeholder $text could not read location ./not-there.md",
        6,
        5,
        "    $text: ./not-there.md",
    ),
    "alias": (
        HEAD + "  labels: {a: &it 'not good', b: x}\n" + SPEC + "  system: *it\n",
        'Policy check failed for component:default/bad; caused by Error: "labels.a" is not valid; expected',
        5,
        15,
        "  labels: {a: &it 'not good', b: x}",
    ),
    "target": (
        location("bad", "./a-good.yaml", "./not-there.yaml"),
        "file {folder}/not-there.yaml does not exist",
        6,
        30,
        '  targets: ["./a-good.yaml", "./not-there.yaml"]',
    ),
    "type of a location": (
        location("bad", "./a.yaml", type="ftp"),
        'Registered locations must be of an allowed type ["url"]',
        7,
        9,
        '  type: "ftp"',
    ),
}
SHAPES = {
    "alone": "{document}",
    "after others": "# é\n{first}\n---\n# ü\n---\n{document}\n---\n{last}\n",
    "indented": "\n\n  # all of it\n{indented}",
    "after a document of Windows": "{first}\r\n--- # \U0001f600\r\n{document}",
}
# How much further down and right the document stands.
FIRST = {"alone": (0, 0), "after others": (12, 0), "indented": (3, 4), "after a document of Windows": (9, 0)}


@pytest.mark.parametrize("shape", SHAPES)
async def test_an_error_has_the_position_of_what_is_wrong(
    sqlite_database: Database, tmp_path: Path, shape: str
) -> None:
    for number, (document, *_) in enumerate(BAD.values()):
        _write(tmp_path / str(number), document.replace("bad", f"bad-{number}"), SHAPES[shape])
    everything = {"type": "file", "target": "*/catalog-info.yaml"}
    async with running(sqlite_database, tmp_path, locations=[everything]) as bench:
        found = await bench.stored_errors()
    lines, columns = FIRST[shape]
    for number, (what, (document, message, line, column, text)) in enumerate(BAD.items()):
        kind = "location" if "kind: Location" in document else "component"
        [error] = found[f"{kind}:default/bad-{number}"]
        file = f"file:{tmp_path}/{number}/catalog-info.yaml"
        message = message.replace("default/bad", f"default/bad-{number}").format(folder=tmp_path / str(number))
        assert error["message"].startswith(message), what
        position = {"file": file, "line": line + lines, "column": column + columns, "text": " " * columns + text}
        assert {name: error.get(name) for name in position} == position, what
        assert error["message"].endswith(f", at {file}:{position['line']}:{position['column']}"), what


def _write(folder: Path, document: str, shape: str) -> None:
    folder.mkdir()
    (folder / "a-good.yaml").write_text(component(f"good-{folder.name}"))
    others = [component(f"{name}-{folder.name}") for name in ("first", "last")]
    indented = textwrap.indent(document, "    ")
    text = shape.format(document=document, indented=indented, first=others[0], last=others[1])
    (folder / "catalog-info.yaml").write_bytes(text.encode())


async def test_an_error_of_the_rules_has_the_position_of_the_kind(sqlite_database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("one") + "\n---\n" + component("two").replace("Component", "System"))
    async with running(sqlite_database, tmp_path, locations=[{"type": "file", "target": "a.yaml"}]) as bench:
        [[error]] = (await bench.stored_errors()).values()
    place = f"file:{tmp_path}/a.yaml"
    assert error["message"] == (
        f"Entity system:default/two at {place}, originated at {place}, is not of an allowed kind for that location, "
        f"at {place}:11:7"
    )
    assert (error["file"], error["line"], error["column"], error["text"]) == (place, 11, 7, "kind: System")


async def test_a_file_is_read_to_its_end_for_the_next_one_when_the_first_is_broken_off() -> None:
    location = LocationRef("url", "https://example.com/a.yaml")
    reader = PagesReader()
    reader.pages[location.target] = component("one", owner="")
    sources, entity = Sources(reader), parse_document(reader.pages[location.target]).value
    for turns in range(8):
        waiting = asyncio.create_task(sources.position(entity, location, Place(("spec", "owner"))))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    position = await sources.position(entity, location, Place(("spec", "owner")))
    assert position is not None
    assert position.line == 8
    assert reader.sent == [location.target]


async def test_a_file_behind_a_url_is_read_again_for_positions_once(sqlite_database: Database, tmp_path: Path) -> None:
    url = "https://example.com/a.yaml"
    reader = PagesReader()
    reader.pages[url] = "\n---\n".join(component(f"c{number}", owner="") for number in range(50))
    async with running(sqlite_database, tmp_path, reader=reader, locations=[{"type": "url", "target": url}]) as bench:
        found = await bench.stored_errors()
        assert sorted((error["line"], error["text"]) for [error] in found.values()) == [
            (8 + number * 9, '  owner: ""') for number in range(50)
        ]
        assert reader.sent == [url, url]
        await bench.refresh_all()
        assert reader.sent == [url, url]


async def test_a_position_follows_the_text_and_is_left_out_when_the_text_is_gone(
    sqlite_database: Database, tmp_path: Path
) -> None:
    bench_file = {"type": "file", "target": "a.yaml"}
    (tmp_path / "a.yaml").write_text(component("one", owner=""))
    async with running(sqlite_database, tmp_path, locations=[bench_file]) as bench:
        [error] = (await bench.stored_errors())["component:default/one"]
        assert error["line"] == 8
        (tmp_path / "a.yaml").write_text("# moved\n\n" + component("one", owner=""))
        await bench.refresh_all()
        [error] = (await bench.stored_errors())["component:default/one"]
        assert error["line"] == 10
        (tmp_path / "a.yaml").unlink()
        await bench.refresh_all()
        [error] = (await bench.stored_errors())["component:default/one"]
        # What was read last is still known.
        assert error["line"] == 10


async def test_validation_and_dry_runs_keep_to_the_stock_words(sqlite_database: Database, tmp_path: Path) -> None:
    reader = PagesReader()
    reader.pages["https://example.com/a.yaml"] = component("one", owner="")
    async with running(sqlite_database, tmp_path, reader=reader) as bench:
        entity = {**parse_document(component("one", owner="")).value}
        [error] = await bench.service.validate_entity(entity, "url:https://example.com/a.yaml")
        assert error.keys() == {"name", "message", "cause"}
        with pytest.raises(InputError) as caught:
            await bench.service.create_location("url", "https://example.com/a.yaml", dry_run=True)
    assert str(caught.value) == f"InputError: {error['message']}"
    assert error["message"].endswith("/spec/owner must NOT have fewer than 1 characters - limit: 1")
