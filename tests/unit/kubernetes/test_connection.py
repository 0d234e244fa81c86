"""An API server that misbehaves: the step fails in time, with words that help."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from understage.errors import ForeignError, InputError, UnderstageError
from understage.integrations.kubernetes import ClusterSettings, KubernetesCluster

KINDS = b'{"resources": [{"name": "namespaces", "kind": "Namespace", "namespaced": false}]}'


@asynccontextmanager
async def server(*answers: bytes | None, asked: list[str] | None = None) -> AsyncIterator[KubernetesCluster]:
    """A cluster whose server gives these answers, one per connection; None is silence. `asked` collects what was."""
    waiting = list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if asked is not None:
            asked.append(request.split(b" HTTP/")[0].decode())
        text = waiting.pop(0)
        if text is None:
            await reader.read()
        else:
            writer.write(text)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield KubernetesCluster(ClusterSettings("bad", "the configuration", url=url, token="t0k"), timeout=0.5)


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([None], r"does not answer: no answer within 0\.5 s. .* the configuration"),
        ([b"", b""], r"does not answer: .*disconnected"),  # the client asks once more
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], r"does not answer: "),
        ([http(b"<html>maintenance</html>", "503 Service Unavailable")], r"maintenance.*\(status 503\)"),
        (
            [http(KINDS), http(b'{"message": "etcd is gone"}', "500 Error")],
            r"read Namespace x: etcd is gone \(status 500\)",
        ),
        ([http(KINDS), http(b"[]", "429 Too Many Requests")], r"status 429"),
    ],
)
async def test_a_bad_answer_is_told(answers: list[bytes | None], message: str) -> None:
    async with server(*answers) as cluster:
        with pytest.raises(ForeignError, match=message) as caught:
            await cluster.get("v1", "Namespace", "x")
    assert "t0k" not in str(caught.value)


async def test_a_name_stays_one_segment_of_the_path() -> None:
    asked: list[str] = []
    async with server(http(KINDS), http(b"{}", "404 Not Found"), asked=asked) as cluster:
        assert await cluster.get("v1", "Namespace", "../secrets?x=1") is None
        for name in ("..", ".", ""):
            with pytest.raises(InputError, match="is no name"):
                await cluster.get("v1", "Namespace", name)
    assert asked == ["GET /api/v1", "GET /api/v1/namespaces/..%2Fsecrets%3Fx=1"]


async def test_a_kind_that_is_not_served_is_named() -> None:
    async with server(http(KINDS)) as cluster:
        with pytest.raises(UnderstageError, match="knows no kind Pod in v1"):
            await cluster.get("v1", "Pod", "x", "default")
