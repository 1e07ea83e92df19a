"""The HTTP server and client over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from harness.wire.client import HttpPool
from harness.wire.http import (
    CallTimeout,
    HttpRequest,
    HttpResponse,
    Limits,
    Malformed,
    Refused,
    WireError,
)
from harness.wire.server import HttpServer


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, request.body)


async def raw(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 3, [200, 200, 200]),
        (b"\x16\x03\x01 garbage\r\n\r\n", [400]),
        (b"GET / HTTP/1.1\r\n\r\n", [400]),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", [400]),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", [400]),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9999999999\r\n\r\n", [413]),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 50_000 + b"\r\n\r\n", [431]),
        (
            b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n"
            b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            [400],
        ),
        (
            b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            [200],
        ),
    ],
)
def test_the_server_answers_each_probe_properly(data: bytes, status: list[int]) -> None:
    async def probe() -> bytes:
        server = HttpServer(echo)
        port = await server.start("127.0.0.1")
        answer = await raw(port, data)
        assert (await raw(port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await server.stop(0.0)
        return answer

    answer = asyncio.run(probe())
    found = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert found == status


def test_a_clients_timeout_does_not_cancel_the_work() -> None:
    done = []

    async def work(_: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0.2)
        done.append(True)
        return HttpResponse(200)

    async def scenario() -> None:
        server = HttpServer(work)
        pool = HttpPool("127.0.0.1", await server.start("127.0.0.1"))
        with pytest.raises(CallTimeout) as caught:
            await pool.request("POST", "/", b"", timeout_s=0.05)
        assert caught.value.sent
        for _ in range(100):
            if done:
                break
            await asyncio.sleep(0.02)
        await server.stop(0.0)

    asyncio.run(scenario())
    assert done == [True]


def test_a_late_answer_is_never_matched_to_the_next_request() -> None:
    async def work(request: HttpRequest) -> HttpResponse:
        if request.body == b"slow":
            await asyncio.sleep(0.1)
        return HttpResponse(200, request.body)

    async def scenario() -> None:
        server = HttpServer(work)
        pool = HttpPool("127.0.0.1", await server.start("127.0.0.1"))
        with pytest.raises(CallTimeout):
            await pool.request("POST", "/", b"slow", timeout_s=0.05)
        for number in range(20):
            body = str(number).encode()
            assert (await pool.request("POST", "/", body, timeout_s=2)).body == body
            await asyncio.sleep(0.01)
        await pool.close()
        await server.stop(0.0)

    asyncio.run(scenario())


def test_a_refused_connection_says_that_nothing_was_sent() -> None:
    async def scenario() -> None:
        server = HttpServer(echo)
        port = await server.start("127.0.0.1")
        await server.stop(0.0)
        with pytest.raises(Refused) as caught:
            await HttpPool("127.0.0.1", port).request("POST", "/", b"", timeout_s=1)
        assert not caught.value.sent

    asyncio.run(scenario())


def test_an_answer_that_is_not_http_is_malformed() -> None:
    async def scenario() -> None:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"\x00\x01 not http at all\r\n\r\n")
            await writer.drain()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Malformed):
            await HttpPool("127.0.0.1", port).request("GET", "/", b"", timeout_s=2)
        server.close()

    asyncio.run(scenario())


def test_a_request_that_never_ends_is_given_up() -> None:
    async def scenario() -> bytes:
        server = HttpServer(echo, limits=Limits(request_s=0.1))
        port = await server.start("127.0.0.1")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-le")
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await server.stop(0.0)
        return answer

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 408")


def test_a_line_break_in_a_header_is_never_written() -> None:
    async def scenario() -> None:
        server = HttpServer(echo)
        pool = HttpPool("127.0.0.1", await server.start("127.0.0.1"))
        with pytest.raises((ValueError, WireError)):
            await pool.request("GET", "/", b"", headers={"a": "b\r\nc: d"}, timeout_s=1)
        await server.stop(0.0)

    asyncio.run(scenario())
