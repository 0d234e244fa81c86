"""Attacks that eat memory, each in a process of its own, whose peak is measured.

The process runs a catalog with one good file, registers what the attacker's server answers, waits until that is dealt with,
and tells its peak beyond what it needed before, what is wrong, and whether the good file is still followed.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MIB = 1024 * 1024
CHILD = """
import asyncio, json, resource, sys, zlib
from pathlib import Path
from tests.store.catalog_bench import component, running
from understage.app.integrations import create_integrations
from understage.config.settings import read_settings
from understage.config.sources import load_configuration
from understage.model.yaml import parse_document
from understage.platform.database import connect_sqlite_temporary
from understage.platform.http import HttpClient
from understage.platform.migrations import migrate

MIB = 1024 * 1024
ENTITY = b"---\\n{apiVersion: backstage.io/v1alpha1, kind: Component, metadata: {name: c%d}}\\n"

async def send(writer, name):
    head = b"HTTP/1.1 200 OK\\r\\nconnection: close\\r\\n"
    if name == "children":
        body = b"".join(ENTITY % number for number in range(110_000))
        writer.write(head + b"content-length: %d\\r\\n\\r\\n" % len(body) + body)
    elif name == "gzip-bomb":
        packing = zlib.compressobj(9, wbits=31)
        body = b"".join([packing.compress(b"0" * MIB) for _ in range(512)]) + packing.flush()
        writer.write(head + b"content-encoding: gzip\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
    elif name == "endless":
        writer.write(head + b"\\r\\n")
        while True:
            writer.write(b"#" * MIB)
            await writer.drain()
    elif name == "long":
        writer.write(head + b"content-length: %d\\r\\n\\r\\n" % (1 << 40))
        while True:
            writer.write(b"#" * MIB)
            await writer.drain()
    elif name == "short":
        writer.write(head + b"content-length: 1000000\\r\\n\\r\\n" + b"a: 1")
    await writer.drain()

async def answer(reader, writer):
    request = await reader.readuntil(b"\\r\\n\\r\\n")
    try:
        await send(writer, request.split(b" ")[1].decode().strip("/").removesuffix(".yaml"))
    except ConnectionError:
        pass
    finally:
        writer.close()

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

async def main(folder, name):
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host = "127.0.0.1:%d" % server.sockets[0].getsockname()[1]
    file = folder / "app-config.yaml"
    file.write_text(json.dumps({"app": {"baseUrl": "http://localhost:7007"}, "backend": {
        "baseUrl": "http://localhost:7007", "reading": {"allow": [{"host": host}]}}}))
    configuration = load_configuration([file], parse=parse_document, environ={}, root=folder)
    http = HttpClient()
    integrations = create_integrations(
        configuration, read_settings(configuration), http, root=folder, data_directory=folder, with_local_git=False)
    database = connect_sqlite_temporary()
    await migrate(database)
    (folder / "good.yaml").write_text(component("good"))
    locations = [{"type": "file", "target": "good.yaml"}]
    async with running(database, folder, locations=locations, reader=integrations.reader) as bench:
        before = peak()
        await bench.service.create_location("url", "http://%s/%s.yaml" % (host, name))
        while not await bench.engine.is_idle():
            await asyncio.sleep(0.05)
        after = peak()
        said = [error["message"] for errors in (await bench.stored_errors()).values() for error in errors]
        bench.write("good.yaml", component("good", type="changed"))
        await bench.refresh_all()
        good = (await bench.entity("component:default/good"))["spec"]["type"]
        print(json.dumps({"peak": after - before, "said": said, "names": await bench.names(), "good": good}))
    server.close()
    await http.close()
    await database.close()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""

# name: what the error says, and the most that the process may have needed for it, in MiB
ATTACKS: dict[str, tuple[str, int]] = {
    "children": ("leads to more than 100000 entities; catalog.mostChildren is the limit", 700),
    "gzip-bomb": ("more than 10485760 bytes", 250),
    "endless": ("more than 10485760 bytes", 150),
    "long": ("more than 10485760 bytes", 150),
    "short": ("Unable to read url", 100),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_c5_and_d6_bodies_cannot_take_all_memory(tmp_path: Path, name: str) -> None:
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", CHILD, str(tmp_path), name],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 0, run.stderr[-3000:]
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    message, most = ATTACKS[name]
    assert len(told["said"]) == 1
    assert message in told["said"][0]
    assert told["names"] == ["component:default/good"]
    assert told["good"] == "changed"
    assert told["peak"] < most * MIB, f"{told['peak'] / MIB:.0f} MiB"
