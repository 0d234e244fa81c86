"""The connection of the bench: kept while the server keeps it, and opened anew when it was closed unused."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from tests.perf.connection import Connection

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@contextmanager
def serving(answers: list[list[bytes]]) -> Iterator[tuple[str, list[int]]]:
    """A server that gives each of its connections these answers, one a request, and then closes it."""
    seen: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for given in answers:
            connected, _ = listener.accept()
            seen.append(0)
            with connected:
                for answer in given:
                    if not connected.recv(1 << 16):
                        return
                    seen[-1] += 1
                    connected.sendall(answer)

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        listener.close()
        thread.join(5)


def test_a_connection_is_kept() -> None:
    with serving([[ANSWER] * 3]) as (url, seen), Connection(url) as connection:
        for _ in range(3):
            assert connection.json("GET", "/") == {}
    assert seen == [3]


def test_a_connection_that_was_closed_unused_is_opened_anew() -> None:
    with serving([[ANSWER], [ANSWER]]) as (url, seen), Connection(url) as connection:
        assert [connection.json("GET", "/") for _ in range(2)] == [{}, {}]
    assert seen == [1, 1]


@pytest.mark.parametrize("half", [b"", ANSWER[:20]])
def test_a_server_that_does_not_answer_is_an_error(half: bytes) -> None:
    with (
        serving([[half]]) as (url, _),
        Connection(url) as connection,
        pytest.raises(ConnectionError, match="the server closed the connection"),
    ):
        connection.json("GET", "/")
