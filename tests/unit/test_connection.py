"""Answers leave the server in one piece; what is much leaves at once."""

import asyncio
from typing import Any

from understage.cli.connection import MOST_BYTES, GatheredTransport


class Wire:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def writelines(self, parts: list[bytes]) -> None:
        assert not self.is_closed
        self.sent.append(b"".join(parts))

    def close(self) -> None:
        self.is_closed = True

    def get_extra_info(self, name: str) -> str:
        return name


def transport() -> tuple[Wire, Any]:
    wire = Wire()
    return wire, GatheredTransport(wire)  # type: ignore[arg-type]


async def test_head_and_body_are_sent_together() -> None:
    wire, gathered = transport()
    gathered.write(b"head")
    gathered.write(b"body")
    assert wire.sent == []
    await asyncio.sleep(0)
    assert wire.sent == [b"headbody"]
    gathered.write(b"next")
    await asyncio.sleep(0)
    assert wire.sent == [b"headbody", b"next"]


async def test_what_is_much_does_not_wait() -> None:
    wire, gathered = transport()
    gathered.write(b"head")
    gathered.write(b"b" * MOST_BYTES)
    assert [len(sent) for sent in wire.sent] == [MOST_BYTES + 4]


async def test_closing_sends_what_is_left() -> None:
    wire, gathered = transport()
    gathered.write(b"goodbye")
    gathered.close()
    await asyncio.sleep(0)
    assert (wire.sent, wire.is_closed) == ([b"goodbye"], True)


async def test_all_else_is_the_transports() -> None:
    _, gathered = transport()
    assert gathered.get_extra_info("peername") == "peername"
