"""`understage measures`, the command itself, against a whole service that listens."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from tests.store.measured_history import BEGIN, BOOKS, END, ENTITIES, EVENTS, TICKETS
from tests.store.service_bench import running_service

SHOWN = """\
2026-03-02T00:00:00Z to 2026-03-30T00:00:00Z, 2 components
  time to production    2 d 1 h (median of 1; 0 not there yet)
  deployment frequency  1.75 a week (7 changes)
  lead time             3 h (median of 6; 1 unknown, 1 skewed)
  change failure rate   57.1% (4 of 7 changes)
  time to restore       1 h 2 min (median of 3; 1 open)
  tickets               1 opened, 2 closed
  satisfaction          not told (0 answers)
"""
PERIOD = ("--from", BEGIN, "--to", END)


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    async with running_service(tmp_path, ENTITIES) as bench:
        answer = await bench.post("/api/understage/measures/events", {"events": EVENTS})
        assert answer.status_code == 202
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(bench.service.web, log_level="error", lifespan="off"))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True
            await serving


async def measures(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("understage"),
        "measures",
        *arguments,
        env={"COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_tickets_are_imported_and_figures_shown(address: str, tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text(TICKETS)
    imported = await measures("import-tickets", str(file), "--source", "jira", "--url", address)
    assert imported == (0, "4 tickets of jira are stored.\n", "")
    again = await measures("import-tickets", str(file), "--source", "jira", "--url", address, "--json")
    assert json.loads(again[1]) == {"tickets": 4}

    assert await measures("show", "--team", "books", *PERIOD, "--url", address) == (0, SHOWN, "")
    code, out, _ = await measures("show", "--team", "books", *PERIOD, "--url", address, "--json")
    answer = json.loads(out)
    assert code == 0
    assert {name: answer["measures"][name] for name in BOOKS} == BOOKS


async def test_what_is_wrong_is_told(address: str, tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("id,opened\n1,soon\n")
    code, _, err = await measures("import-tickets", str(file), "--source", "jira", "--url", address)
    assert code == 2
    assert "line 2: openedAt must be a time such as" in err
    other = tmp_path / "tickets.xlsx"
    other.write_text("x")
    code, _, err = await measures("import-tickets", str(other), "--source", "jira", "--url", address)
    assert (code, "neither .csv nor .json" in err) == (2, True)
    code, _, err = await measures("show", "--service", "nowhere", "--url", address)
    assert (code, "There is no component:default/nowhere in the catalog" in err) == (2, True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
    assert (await measures("show", "--url", closed))[0] == 2
