"""Texts that are parsed in another process give what they give in this one, whatever becomes of the process."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from understage.errors import SourceError
from understage.model.yaml import Document, parse_each
from understage.platform import document_processes
from understage.platform.document_processes import LARGE, PROGRAM, DocumentProcesses

FILE = "file:/catalog.yaml"
DOCUMENT = """\
kind: Component  # comment
metadata:
  name: part-{number}
  numbers: [1, 1.5, .inf, .nan, 123456789012345678901234567890, 0x1f]
  texts: ["line\\u2028break", 'nel\u0085here', null, true, ~, "ä"]
  map: {{a: {{b: {{c: d}}}}, <<: e}}
"""
LONG = "---\n".join(DOCUMENT.format(number=number) for number in range(2000)).encode()
assert len(LONG) > LARGE


@pytest.fixture
async def processes() -> AsyncIterator[DocumentProcesses]:
    made = DocumentProcesses()
    yield made
    await made.close()
    gc.collect()


def children() -> set[int]:
    """The parsing processes that this one has started and not reaped."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, status = (folder / "cmdline").read_bytes(), (folder / "stat").read_text()
        except OSError:
            continue
        after_name = status.rpartition(")")[2].split()
        if PROGRAM.encode() in command and after_name[1] == str(os.getpid()) and after_name[0] != "Z":
            found.add(int(folder.name))
    return found


def told(found: list[Document | SourceError]) -> list[object]:
    """All that documents and errors say."""
    return [
        str(item)
        if isinstance(item, SourceError)
        else (repr(item.value), item.file, item.position_of(("metadata", "map")))
        for item in found
    ]


async def test_the_same_comes_out(processes: DocumentProcesses) -> None:
    found = await processes.parse(LONG, FILE)
    assert len(found) == 2000
    assert told(found) == told(parse_each(LONG, FILE))
    assert len(children()) == 1


async def test_short_texts_need_no_process(processes: DocumentProcesses) -> None:
    assert told(await processes.parse(b"metadata: {map: 1}", FILE)) == told(parse_each(b"metadata: {map: 1}", FILE))
    assert children() == set()


@pytest.mark.parametrize(
    "broken",
    [LONG + b"---\n{", b"---\n: [\n" + LONG, b"\xff" + LONG, LONG + b"---\na: 1\na: 2\n---\nb: *none\n"],
    ids=["end", "beginning", "no text", "twice"],
)
async def test_what_is_broken_is_told_in_the_same_words(processes: DocumentProcesses, broken: bytes) -> None:
    found = await processes.parse(broken, FILE)
    assert any(isinstance(item, SourceError) for item in found)
    assert told(found) == told(parse_each(broken, FILE))


async def test_several_at_a_time(processes: DocumentProcesses) -> None:
    texts = [LONG + f"---\nlast: {number}\n".encode() for number in range(6)]
    found = await asyncio.gather(*(processes.parse(text, FILE) for text in texts))
    assert [documents[-1].value for documents in found if isinstance(documents[-1], Document)] == [
        {"last": number} for number in range(6)
    ]
    assert 1 <= len(children()) <= document_processes.MOST


async def test_one_that_was_killed_is_replaced(processes: DocumentProcesses) -> None:
    await processes.parse(LONG, FILE)
    [first] = children()
    os.kill(first, signal.SIGKILL)
    assert len(await processes.parse(LONG, FILE)) == 2000
    assert len(await processes.parse(LONG, FILE)) == 2000
    [second] = children()
    assert second != first


async def test_an_answer_that_nobody_waits_for_reaches_nobody(processes: DocumentProcesses) -> None:
    await processes.parse(LONG, FILE)
    parsing = asyncio.create_task(processes.parse(LONG, FILE))
    await asyncio.sleep(0.01)
    parsing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await parsing
    other = LONG + b"---\nother: 1\n"
    found = await processes.parse(other, FILE)
    assert told(found) == told(parse_each(other, FILE))


async def test_one_without_work_ends(processes: DocumentProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_processes, "IDLE_SECONDS", 0.05)
    await processes.parse(LONG, FILE)
    while children():
        await asyncio.sleep(0.02)
    assert len(await processes.parse(LONG, FILE)) == 2000


def test_it_ends_with_its_input() -> None:
    ended = subprocess.run([sys.executable, "-m", PROGRAM], input=b"", capture_output=True, timeout=60, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")


async def test_what_is_parsed_ahead_is_what_comes_out(processes: DocumentProcesses) -> None:
    texts = [LONG + f"---\nlast: {number}\n".encode() for number in range(3)]
    for text in texts:
        processes.parse_ahead(text, FILE)
    await asyncio.sleep(0)
    # The first is under way, the others are not: all come out, those too that nobody has announced.
    found = await asyncio.gather(*(processes.parse(text, FILE) for text in [*texts, texts[0], LONG]))
    assert [told(documents) for documents in found] == [
        told(parse_each(text, FILE)) for text in [*texts, texts[0], LONG]
    ]


async def test_a_text_that_was_parsed_ahead_is_parsed_once(
    processes: DocumentProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    ask = processes._ask
    monkeypatch.setattr(processes, "_ask", lambda content, file: asked.append(content) or ask(content, file))
    processes.parse_ahead(LONG, FILE)
    await asyncio.sleep(0.01)
    changed = LONG + b"---\nlast: 1\n"
    assert told(await processes.parse(changed, FILE)) == told(parse_each(changed, FILE))
    assert told(await processes.parse(LONG, FILE)) == told(parse_each(LONG, FILE))
    assert asked == [LONG, changed]


async def test_what_nobody_asks_for_is_forgotten(processes: DocumentProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_processes, "AHEAD_SECONDS", 0.05)
    processes.parse_ahead(LONG, FILE)
    async with asyncio.timeout(10):
        while processes._ahead:
            await asyncio.sleep(0.05)
    assert len(await processes.parse(LONG, FILE)) == 2000


async def test_a_process_that_dies_while_it_parses_ahead_loses_nothing(processes: DocumentProcesses) -> None:
    await processes.parse(LONG, FILE)
    [child] = children()
    os.kill(child, signal.SIGSTOP)
    changed = LONG + b"---\nlast: 1\n"
    processes.parse_ahead(changed, FILE)
    await asyncio.sleep(0.05)
    parsing = asyncio.create_task(processes.parse(changed, FILE))
    await asyncio.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    assert told(await parsing) == told(parse_each(changed, FILE))


async def test_a_reader_that_is_broken_off_leaves_the_others_what_is_parsed_ahead(processes: DocumentProcesses) -> None:
    other = LONG + b"---\nother: 1\n"
    processes.parse_ahead(LONG, FILE)
    processes.parse_ahead(other, FILE)
    await asyncio.sleep(0)
    reading = asyncio.create_task(processes.parse(LONG, FILE))
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert told(await processes.parse(other, FILE)) == told(parse_each(other, FILE))


async def test_they_can_be_closed_while_they_parse_ahead(processes: DocumentProcesses) -> None:
    processes.parse_ahead(LONG, FILE)
    await asyncio.sleep(0.05)
    await processes.close()
    async with asyncio.timeout(10):
        while children():
            await asyncio.sleep(0.01)
