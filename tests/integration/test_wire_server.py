"""The server's behaviour at each probe, over real sockets, on both loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from paychain.wire.http import Handler, HttpRequest, HttpResponse, ServerLimits
from paychain.wire.server import HttpServer
from tests.support.wire_peer import ON_EACH_LOOP, Peer, Runner, run, until

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: "
QUICK = ServerLimits(request_s=0.2, idle_s=0.4, linger_s=0.2, telltale_s=0.3)


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, request.body)


class Work:
    """A handler that ends when the test lets it, and the answers that did not arrive."""

    def __init__(self, answer: HttpResponse | None = None) -> None:
        self.answer = answer or HttpResponse(200, b"done")
        self.begun: list[bytes] = []
        self.done: list[bytes] = []
        self.undelivered: list[bytes] = []
        self.may_end = asyncio.Event()

    async def handle(self, request: HttpRequest) -> HttpResponse:
        self.begun.append(request.body)
        await self.may_end.wait()
        self.done.append(request.body)
        return self.answer

    def undeliverable(self, request: HttpRequest, response: HttpResponse) -> None:
        assert response is self.answer
        self.undelivered.append(request.body)


@asynccontextmanager
async def serving(
    handler: Handler, limits: ServerLimits = QUICK
) -> AsyncIterator[tuple[HttpServer, int]]:
    server = HttpServer(handler, limits=limits)
    port = await server.start("127.0.0.1")
    try:
        yield server, port
    finally:
        await server.stop(0.0)
        assert not server.pending


@asynccontextmanager
async def working(
    answer: HttpResponse | None = None, limits: ServerLimits = QUICK
) -> AsyncIterator[tuple[Work, HttpServer, int]]:
    work = Work(answer)
    async with serving(work.handle, limits) as (server, port):
        server.on_undeliverable = work.undeliverable
        yield work, server, port


def statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
PROBES = {
    "one": (GET, [200]),
    "three pipelined": (GET * 3, [200, 200, 200]),
    "garbage": (b"\x16\x03\x01 garbage\r\n\r\n", [400]),
    "garbage after a request": (GET + b"\x16\x03\x01\r\n\r\n", [200, 400]),
    "bad length": (POST + b"content-length: x\r\n\r\n", [400]),
    "negative length": (POST + b"content-length: -1\r\n\r\n", [400]),
    "two lengths": (POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab", [400]),
    "a length of 70 digits": (POST + b"content-length: " + b"9" * 70 + b"\r\n\r\n", [400]),
    "a length of 10 GB": (POST + b"content-length: 9999999999\r\n\r\n", [413]),
    "length and chunks": (
        POST + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        [400],
    ),
    "chunks and length": (
        POST + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
        [400],
    ),
    "chunks hidden by a second coding": (
        POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        [400],
    ),
    "an unknown coding": (POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", [501]),
    "chunks in HTTP/1.0": (
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        [400],
    ),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", [400]),
    "two hosts": (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", [400]),
    "a header of 256 KB": (
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 262_144 + b"\r\n\r\n",
        [431],
    ),
    "a header of 256 KB that does not end": (
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 262_144,
        [431],
    ),
    "a target of 256 KB": (b"GET /" + b"y" * 262_144, [431]),
    "10,000 headers": (GET[:-2] + b"x: y\r\n" * 10_000 + b"\r\n", [200]),
    "20,000 headers": (GET[:-2] + b"x: y\r\n" * 20_000 + b"\r\n", [431]),
    "a body of 20 MB": (POST + b"content-length: 20000000\r\n\r\n" + b"x" * 20_000_000, [413]),
    "chunks of 20 MB": (
        CHUNKED
        + b"10000\r\n"
        + b"x" * 65_536
        + b"\r\n" * 1
        + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 304,
        [413],
    ),
    "a chunk extension of 256 KB": (CHUNKED + b"1;" + b"x" * 262_144, [431]),
    "chunks": (CHUNKED + b"2\r\nhi\r\n3;ext=1\r\nyou\r\n0\r\n\r\n", [200]),
    "chunks with a trailer": (CHUNKED + b"2\r\nhi\r\n0\r\nhost: other\r\n\r\n" + GET, [200, 200]),
    "a bad chunk": (CHUNKED + b"zz\r\n", [400]),
    "HTTP/1.0 without host": (b"GET / HTTP/1.0\r\n\r\n" + GET, [200]),
    "HTTP/1.0 that would stay": (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", [200]),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", [505]),
    "HTTP/0.9": (b"GET /\r\n\r\n", [505]),
    "connection: close": (GET[:-2] + b"connection: close\r\n\r\n" + GET, [200]),
    "an upgrade": (GET[:-2] + b"connection: upgrade\r\nupgrade: h2c\r\n\r\n", [200]),
    "an upgrade before a body, and another request": (
        POST + b"content-length: 2\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nhi" + GET,
        [200, 200],
    ),
    "an upgrade of chunks with a length": (
        CHUNKED[:-2] + b"content-length: 2\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n0\r\n\r\n",
        [400],
    ),
    "CONNECT": (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", [501]),
    "a body cut short": (POST + b"content-length: 10\r\n\r\nhi", []),
    "a head cut short": (POST, []),
    "nothing": (b"", []),
    "a folded header": (GET[:-2] + b"x: a\r\n b\r\n\r\n", [400]),
    "a space before the colon": (GET[:-2] + b"x : a\r\n\r\n", [400]),
    "bare line feeds": (b"GET / HTTP/1.1\nhost: a\n\n", [400]),
    "no path": (b"GET HTTP/1.1\r\nhost: a\r\n\r\n", [400]),
}


@ON_EACH_LOOP
@pytest.mark.parametrize("probe", PROBES)
def test_the_server_answers_each_probe_properly(runner: Runner, probe: str) -> None:
    data, expected = PROBES[probe]

    async def scenario() -> bytes:
        async with serving(echo, ServerLimits(telltale_s=0.01)) as (_, port):
            peer = await Peer.to(port)

            async def send() -> None:
                try:
                    await peer.send(data)
                    peer.end()
                except OSError:
                    pass  # it may stop listening to what it has rejected

            sending = asyncio.create_task(send())
            answer = await peer.until_end()
            await sending
            peer.close()
            other = await Peer.to(port, GET)
            assert (await other.until(b"\r\n\r\n")).startswith(OK)
            other.close()
            return answer

    assert statuses(run(runner, scenario())) == expected


@ON_EACH_LOOP
@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (b"http://api.example:8080/graphql?a=b", b"/graphql?a=b api.example:8080"),
        (b"HTTPS://api.example", b"/ api.example"),
        (b"http://api.example?a=b", b"/?a=b api.example"),
        (b"/at?next=http://b.example/", b"/at?next=http://b.example/ a"),
    ],
)
def test_a_target_that_names_its_server_is_a_path_of_it(
    runner: Runner, asked: bytes, shown: bytes
) -> None:
    async def show(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, f"{request.target} {request.headers['host']}".encode())

    async def scenario() -> bytes:
        async with serving(show) as (_, port):
            peer = await Peer.to(port, b"GET " + asked + b" HTTP/1.1\r\nhost: a\r\n\r\n")
            peer.end()
            return await peer.rest()

    assert run(runner, scenario()).endswith(b"\r\n\r\n" + shown)


@ON_EACH_LOOP
def test_a_rejected_request_is_never_handled(runner: Runner) -> None:
    async def scenario() -> list[bytes]:
        async with working() as (work, _, port):
            work.may_end.set()
            for name, (data, expected) in PROBES.items():
                if 200 not in expected and len(data) < 1_000_000:
                    peer = await Peer.to(port, data)
                    peer.end()
                    assert statuses(await peer.rest()) == expected, name
            return work.begun

    assert run(runner, scenario()) == []


@ON_EACH_LOOP
def test_a_request_may_come_byte_by_byte(runner: Runner) -> None:
    async def scenario() -> bytes:
        async with serving(echo, ServerLimits()) as (_, port):
            peer = await Peer.to(port)
            for byte in POST + b"content-length: 2\r\n\r\nhi":
                await peer.send(bytes([byte]))
                await asyncio.sleep(0)
            answer = await peer.until(b"hi")
            peer.close()
            return answer

    assert run(runner, scenario()) == OK + b"2\r\n\r\nhi"


@ON_EACH_LOOP
def test_head_is_answered_without_the_body_but_with_its_length(runner: Runner) -> None:
    async def ten(_: HttpRequest) -> HttpResponse:
        return HttpResponse(200, b"0123456789")

    async def scenario() -> bytes:
        async with serving(ten) as (_, port):
            peer = await Peer.to(port, b"HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            return await peer.rest()

    assert run(runner, scenario()) == OK + b"10\r\nconnection: close\r\n\r\n"


@ON_EACH_LOOP
def test_no_content_has_neither_body_nor_length(runner: Runner) -> None:
    async def nothing(_: HttpRequest) -> HttpResponse:
        return HttpResponse(204, b"ignored", close=True)

    async def scenario() -> bytes:
        async with serving(nothing) as (_, port):
            return await (await Peer.to(port, GET)).rest()

    expected = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
    assert run(runner, scenario()) == expected


@ON_EACH_LOOP
def test_a_failing_handler_is_answered_with_500_and_reported(runner: Runner) -> None:
    async def fail(request: HttpRequest) -> HttpResponse:
        if request.target == "/raise":
            raise KeyError("no")
        return HttpResponse(200, headers={"x": "a\r\nset-cookie: b"})

    async def scenario() -> tuple[bytes, bytes, list[str]]:
        reported: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(type(context["exception"]).__name__)
        )
        async with serving(fail) as (_, port):
            peer = await Peer.to(port, b"GET /raise HTTP/1.1\r\nhost: a\r\n\r\n")
            first = await peer.until(b"}")
            await peer.send(GET)
            second = await peer.until(b"}")
            peer.close()
        return first, second, reported

    first, second, reported = run(runner, scenario())
    assert statuses(first) == statuses(second) == [500]
    assert b"KeyError: 'no'" in first
    assert b"set-cookie" not in second.lower()
    assert reported == ["KeyError", "ValueError"]


# -- 100-continue -------------------------------------------------------------------------------
EXPECTING = POST + b"content-length: 2\r\nexpect: 100-continue\r\n\r\n"


@ON_EACH_LOOP
def test_a_client_that_expects_100_continue_gets_it(runner: Runner) -> None:
    async def scenario() -> bytes:
        async with serving(echo) as (_, port):
            peer = await Peer.to(port, EXPECTING)
            assert await peer.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await peer.send(b"hi")
            answer = await peer.until(b"hi")
            peer.close()
            return answer

    assert run(runner, scenario()) == OK + b"2\r\n\r\nhi"


@ON_EACH_LOOP
def test_100_continue_comes_after_the_answers_that_are_owed_before_it(runner: Runner) -> None:
    async def scenario() -> bytes:
        async with working() as (work, _, port):
            peer = await Peer.to(port, POST + b"content-length: 1\r\n\r\n1" + EXPECTING)
            await until(lambda: work.begun)
            work.may_end.set()
            got = await peer.until(b"100 Continue\r\n\r\n")
            await peer.send(b"hi")
            got += await peer.until(b"done")
            peer.close()
            assert work.begun == [b"1", b"hi"]
            return got

    assert statuses(run(runner, scenario())) == [200, 100, 200]


@ON_EACH_LOOP
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (EXPECTING + b"hi", [200]),  # it did not wait
        (POST + b"content-length: 9999999\r\nexpect: 100-continue\r\n\r\n", [413]),
        (POST + b"expect: 100-continue\r\n\r\n", [200]),  # nothing to wait for
        (b"POST / HTTP/1.0\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\nhi", [200]),
    ],
)
def test_100_continue_is_not_sent_where_it_means_nothing(
    runner: Runner, data: bytes, expected: list[int]
) -> None:
    async def scenario() -> bytes:
        async with serving(echo) as (_, port):
            peer = await Peer.to(port, data)
            peer.end()
            return await peer.rest()

    assert statuses(run(runner, scenario())) == expected


# -- clients that go away -----------------------------------------------------------------------
Leave = Callable[[Peer], object]


@ON_EACH_LOOP
@pytest.mark.parametrize("leave", [Peer.reset, Peer.close])
@pytest.mark.parametrize("size", [4, 3_000_000])
def test_work_goes_on_without_its_client_and_the_answer_is_reported(
    runner: Runner, leave: Leave, size: int
) -> None:
    async def scenario() -> Work:
        async with working(HttpResponse(200, b"x" * size)) as (work, server, port):
            peer = await Peer.to(port, POST + b"content-length: 1\r\n\r\n7")
            await until(lambda: work.begun)
            leave(peer)
            await asyncio.sleep(0.05)
            assert not work.done
            work.may_end.set()
            await until(lambda: work.undelivered)
            await until(lambda: not server.pending)
            return work

    work = run(runner, scenario())
    assert (work.done, work.undelivered) == ([b"7"], [b"7"])


@ON_EACH_LOOP
@pytest.mark.parametrize("size", [0, 4, 3_000_000])
def test_a_client_that_has_ended_its_side_is_still_answered(runner: Runner, size: int) -> None:
    async def scenario() -> bytes:
        async with working(HttpResponse(200, b"x" * size)) as (work, _, port):
            peer = await Peer.to(port, POST + b"content-length: 1\r\n\r\n7")
            peer.end()
            await until(lambda: work.begun)
            await asyncio.sleep(0.05)
            work.may_end.set()
            answer = await peer.rest()
            await asyncio.sleep(0.05)
            assert not work.undelivered
            return answer

    answer = run(runner, scenario())
    assert answer == OK + f"{size}\r\n\r\n".encode() + b"x" * size


@ON_EACH_LOOP
def test_a_reset_at_once_after_the_answer_means_that_it_was_not_read(runner: Runner) -> None:
    async def scenario() -> list[bytes]:
        async with working() as (work, server, port):
            work.may_end.set()
            read = await Peer.to(port, POST + b"content-length: 1\r\n\r\n1")
            await read.until(b"done")
            read.close()
            unread = await Peer.to(port, POST + b"content-length: 1\r\n\r\n2")
            await until(lambda: len(work.done) == 2)
            await asyncio.sleep(0.02)
            unread.reset()
            await until(lambda: not server.pending)
            return work.undelivered

    assert run(runner, scenario()) == [b"2"]


@ON_EACH_LOOP
def test_an_answer_that_is_only_half_taken_is_undeliverable(runner: Runner) -> None:
    big = HttpResponse(200, b"x" * 8_000_000)

    async def scenario() -> list[bytes]:
        async with working(big, ServerLimits(telltale_s=0.0)) as (work, server, port):
            work.may_end.set()
            peer = await Peer.to(port, POST + b"content-length: 1\r\n\r\n1", receive_bytes=4_096)
            await peer.some()
            await asyncio.sleep(0.1)
            peer.reset()
            await until(lambda: not server.pending)
            return work.undelivered

    assert run(runner, scenario()) == [b"1"]


@ON_EACH_LOOP
def test_an_answer_that_is_never_taken_is_given_up(runner: Runner) -> None:
    big = HttpResponse(200, b"x" * 8_000_000)

    async def scenario() -> list[bytes]:
        async with working(big) as (work, server, port):
            work.may_end.set()
            peer = await Peer.to(port, POST + b"content-length: 1\r\n\r\n1", receive_bytes=4_096)
            await until(lambda: work.undelivered)
            await until(lambda: not server.pending)
            peer.close()
            return work.undelivered

    assert run(runner, scenario()) == [b"1"]


@ON_EACH_LOOP
def test_the_next_answer_waits_until_the_one_before_is_taken(runner: Runner) -> None:
    big = HttpResponse(200, b"x" * 6_000_000)

    async def scenario() -> tuple[int, bytes]:
        async with working(big, ServerLimits()) as (work, _, port):
            work.may_end.set()
            request = POST + b"content-length: 1\r\n\r\n1"
            peer = await Peer.to(port, request * 2, receive_bytes=65_536)
            await asyncio.sleep(0.2)
            begun = len(work.begun)
            peer.end()
            return begun, await peer.rest()

    begun, answers = run(runner, scenario())
    assert begun == 1
    assert statuses(answers) == [200, 200]
    assert answers.count(b"x") == 12_000_000


@ON_EACH_LOOP
def test_an_answer_that_never_leaves_holds_the_connection_until_its_client_ends(
    runner: Runner,
) -> None:
    begun: list[bytes] = []

    async def silent(request: HttpRequest) -> None:
        begun.append(request.body)

    async def scenario() -> None:
        async with serving(silent, ServerLimits(idle_s=0.5)) as (server, port):
            request = POST + b"content-length: 1\r\n\r\n1"
            ended, early, patient = [await Peer.to(port, request * 2) for _ in range(3)]
            early.end()  # perhaps before the handler is through
            await until(lambda: len(begun) == 3)
            assert await early.rest() == b""
            await asyncio.sleep(0.1)
            assert server.pending == 2
            ended.end()
            assert await ended.rest() == b""
            await until(lambda: server.pending == 1)
            assert await patient.rest() == b""  # after idle_s

    run(runner, scenario())
    assert begun == [b"1"] * 3


# -- slow clients and many clients --------------------------------------------------------------
@ON_EACH_LOOP
@pytest.mark.parametrize(
    "pieces",
    [
        [b"POST / HT", b"TP/1.1\r\nho", b"st: a\r\n", b"x: y\r\n"],
        [POST + b"content-length: 10\r\n\r\n", b"a", b"b", b"c"],
        [CHUNKED, b"1\r\n", b"a\r\n", b"1\r\n"],
        [GET + POST, b"x: y\r\n", b"x: z\r\n"],
    ],
)
def test_a_request_that_never_ends_is_given_up(runner: Runner, pieces: list[bytes]) -> None:
    async def scenario() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        async with serving(echo) as (_, port):
            peer = await Peer.to(port)
            begun = loop.time()
            for piece in pieces:
                await peer.send(piece)
                await asyncio.sleep(0.03)
            answer = await peer.rest()
            return answer, loop.time() - begun

    answer, took_s = run(runner, scenario())
    assert statuses(answer)[-1] == 408
    assert (
        0.199 <= took_s < 5
    )  # counted from the first byte: 0.2 s, although every piece was in time


@ON_EACH_LOOP
def test_a_slow_request_behind_one_that_is_worked_on_is_given_up_after_its_answer(
    runner: Runner,
) -> None:
    async def scenario() -> bytes:
        async with working() as (work, _, port):
            peer = await Peer.to(port, GET + b"POST / HT")
            await asyncio.sleep(0.4)
            work.may_end.set()
            return await peer.rest()

    assert statuses(run(runner, scenario())) == [200, 408]


@ON_EACH_LOOP
@pytest.mark.parametrize("sent", [b"", GET, b"\r\n"])
def test_an_idle_connection_is_closed(runner: Runner, sent: bytes) -> None:
    async def scenario() -> bytes:
        async with serving(echo) as (_, port):
            return await (await Peer.to(port, sent)).rest()

    assert statuses(run(runner, scenario())) == ([200] if sent == GET else [])


@ON_EACH_LOOP
def test_a_long_answer_is_not_an_idle_connection(runner: Runner) -> None:
    async def scenario() -> bytes:
        async with working() as (work, _, port):
            peer = await Peer.to(port, GET)
            await asyncio.sleep(0.6)  # idle_s is 0.4, request_s 0.2
            work.may_end.set()
            return await peer.rest()

    assert statuses(run(runner, scenario())) == [200]


@ON_EACH_LOOP
def test_no_more_connections_than_allowed_are_served(runner: Runner) -> None:
    async def scenario() -> None:
        async with serving(echo, ServerLimits(connections=2)) as (server, port):
            kept = [await Peer.to(port, GET) for _ in range(2)]
            for peer in kept:
                await peer.until(b"\r\n\r\n")
            surplus = await Peer.to(port)
            assert await surplus.rest() == b""
            assert server.pending == 2
            kept[0].close()
            await until(lambda: server.pending == 1)
            again = await Peer.to(port, GET)
            await again.until(b"\r\n\r\n")
            for peer in (kept[1], again):
                peer.close()

    run(runner, scenario())


@ON_EACH_LOOP
def test_requests_are_read_ahead_only_so_far(runner: Runner) -> None:
    async def scenario() -> bytes:
        async with working(None, ServerLimits(pipelined=4)) as (work, server, port):
            request = POST + b"content-length: 60000\r\n\r\n" + b"x" * 60_000
            peer = await Peer.to(port)
            sending = asyncio.create_task(peer.send(request * 400))  # 24 MB: more than any buffer
            await asyncio.sleep(0.3)
            (connection,) = server._connections
            assert not sending.done()
            assert len(connection._queue) < 4 + 262_144 // 60_000 + 1
            work.may_end.set()
            got, answers = b"", 0
            while answers < 400:
                got = got[-3:] + await peer.some()
                answers += got.count(b"done")
            await sending
            peer.close()
            return got

    assert run(runner, scenario()).endswith(b"done")


@ON_EACH_LOOP
def test_a_thousand_idle_connections_do_not_hold_up_one_that_asks(runner: Runner) -> None:
    async def scenario() -> None:
        async with serving(echo, ServerLimits()) as (server, port):
            idle = [await Peer.to(port) for _ in range(1_000)]
            await until(lambda: server.pending == 1_000)
            peer = await Peer.to(port, GET)
            assert (await peer.until(b"\r\n\r\n")).startswith(OK)
            for other in [*idle, peer]:
                other.close()
            await until(lambda: not server.pending)

    run(runner, scenario())


# -- the end ------------------------------------------------------------------------------------
@ON_EACH_LOOP
def test_a_drain_answers_what_was_begun_and_takes_nothing_new(runner: Runner) -> None:
    async def scenario() -> tuple[bytes, bytes]:
        async with working(None, ServerLimits()) as (work, server, port):
            idle = await Peer.to(port)
            begun = await Peer.to(port, GET + GET)
            half = await Peer.to(port, GET[:10])
            await until(lambda: work.begun and server.pending == 4)
            stopping = asyncio.create_task(server.stop(10.0))
            assert await idle.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                await Peer.to(port)
            await half.send(GET[10:])
            await until(lambda: len(work.begun) == 2)
            work.may_end.set()
            answers = await begun.rest(), await half.rest()
            await asyncio.wait_for(stopping, 5)
            return answers

    begun, half = run(runner, scenario())
    assert statuses(begun) == [200, 200]
    assert begun.count(b"connection: close") == half.count(b"connection: close") == 1
    assert statuses(half) == [200]


@ON_EACH_LOOP
def test_a_drain_lets_work_finish_whose_client_is_gone(runner: Runner) -> None:
    async def scenario() -> list[bytes]:
        async with working() as (work, server, port):
            peer = await Peer.to(port, POST + b"content-length: 1\r\n\r\n1")
            await until(lambda: work.begun)
            peer.reset()
            asyncio.get_running_loop().call_later(0.1, work.may_end.set)
            await server.stop(10.0)
            return work.done

    assert run(runner, scenario()) == [b"1"]


@ON_EACH_LOOP
def test_a_drain_does_not_last_longer_than_it_may(runner: Runner) -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        async with working() as (work, server, port):
            peer = await Peer.to(port, GET)
            await until(lambda: work.begun)
            begun = loop.time()
            await server.stop(0.2)
            assert not server.pending
            assert await peer.rest() == b""
            return loop.time() - begun

    assert 0.199 <= run(runner, scenario()) < 5


@ON_EACH_LOOP
def test_a_kill_cancels_the_work_and_drops_the_connections(runner: Runner) -> None:
    cancelled: list[bytes] = []

    async def work(request: HttpRequest) -> HttpResponse:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(request.body)
            raise
        raise AssertionError

    async def scenario() -> None:
        async with serving(work) as (server, port):
            peers = [await Peer.to(port, POST + b"content-length: 1\r\n\r\n1") for _ in range(3)]
            await until(lambda: server.pending == 6)
            server.kill()
            for peer in peers:
                assert await peer.rest() == b""
            await until(lambda: not server.pending)

    run(runner, scenario())
    assert cancelled == [b"1"] * 3
