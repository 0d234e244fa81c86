"""What a service takes while nobody asks it anything: a bound far above the published figures, for what comes in unseen."""

import time
from pathlib import Path

import pytest
from tests.databases import PostgresServer
from tests.perf import memory
from tests.perf.servers import Contender

SETTLE_SECONDS = 3.0
MOST_MEGABYTES = 140.0


@pytest.mark.postgres
def test_an_idle_service_is_small(postgres_server: PostgresServer, tmp_path: Path) -> None:
    understage = Contender(postgres_server, tmp_path)
    port = understage.new_place()
    try:
        with understage.running(port, {}) as server:
            time.sleep(SETTLE_SECONDS)
            found = memory.resident(server.pid)
    finally:
        understage.drop(port)
    assert 30.0 < found < MOST_MEGABYTES, (
        f"{found:.0f} MB: tests/unit/test_light_start.py tells who imports what is not needed"
    )
