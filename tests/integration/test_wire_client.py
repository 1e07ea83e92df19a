"""The pool's behaviour with servers good and bad, over real sockets, on both loops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from paychain.payments.outcome import HopResult
from paychain.protocol.reply import failure_of
from paychain.wire.answer import MAX_RESPONSE_BYTES
from paychain.wire.client import HttpPool
from paychain.wire.http import (
    CallTimeout,
    ConnectionBroken,
    ConnectRefused,
    HttpRequest,
    HttpResponse,
    MalformedHttp,
    ServerLimits,
    WireError,
)
from paychain.wire.server import HttpServer
from tests.support.wire_peer import ON_EACH_LOOP, Listener, Peer, Runner, run, until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


async def echo(request: HttpRequest) -> HttpResponse:
    if request.body == b"slow":
        await asyncio.sleep(0.1)
    return HttpResponse(200, request.body)


@asynccontextmanager
async def to_echo(
    limits: ServerLimits = ServerLimits(),  # noqa: B008  (it never changes)
    *,
    max_connections: int = 8,
    max_waiting: int = 100,
) -> AsyncIterator[tuple[HttpPool, HttpServer]]:
    server = HttpServer(echo, limits=limits)
    pool = HttpPool(
        "127.0.0.1",
        await server.start("127.0.0.1"),
        max_connections=max_connections,
        max_waiting=max_waiting,
    )
    try:
        yield pool, server
    finally:
        await pool.close()
        await server.stop(0.0)


@asynccontextmanager
async def to_listener(*, max_connections: int = 8) -> AsyncIterator[tuple[HttpPool, Listener]]:
    listener = Listener()
    pool = HttpPool("127.0.0.1", listener.port, max_connections=max_connections)
    try:
        yield pool, listener
    finally:
        await pool.close()
        listener.close()


async def ask(pool: HttpPool, body: bytes = b"", timeout_s: float = 5.0) -> HttpResponse:
    return await pool.request("POST", "/", body, timeout_s=timeout_s)


async def failure(pool: HttpPool, body: bytes = b"", timeout_s: float = 5.0) -> WireError:
    with pytest.raises(WireError) as caught:
        await ask(pool, body, timeout_s)
    return caught.value


@ON_EACH_LOOP
def test_one_connection_serves_one_request_after_the_other(runner: Runner) -> None:
    async def scenario() -> int:
        async with to_echo() as (pool, server):
            for number in range(20):
                assert (await ask(pool, b"%d" % number)).body == b"%d" % number
            return server.pending

    assert run(runner, scenario()) == 1


@ON_EACH_LOOP
def test_many_at_once_share_as_many_connections_as_allowed(runner: Runner) -> None:
    async def scenario() -> int:
        most = 0
        async with to_echo(max_connections=4) as (pool, server):

            async def one(number: int) -> None:
                nonlocal most
                assert (await ask(pool, b"%d" % number)).body == b"%d" % number
                most = max(most, len(server._connections))

            await asyncio.gather(*(one(number) for number in range(100)))
            assert len(server._connections) == 4
        return most

    assert run(runner, scenario()) == 4


@ON_EACH_LOOP
def test_requests_get_their_connection_in_the_order_they_came(runner: Runner) -> None:
    async def scenario() -> list[int]:
        served: list[int] = []
        async with to_echo(max_connections=1) as (pool, _):

            async def one(number: int) -> None:
                await ask(pool)
                served.append(number)
                if number == 0:
                    await one(99)  # comes back at once, and still is the last in the row

            await asyncio.gather(*(one(number) for number in range(5)))
        return served

    assert run(runner, scenario()) == [0, 1, 2, 3, 4, 99]


@ON_EACH_LOOP
def test_a_request_waits_for_a_connection_only_until_its_deadline(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_listener(max_connections=1) as (pool, listener):
            first = asyncio.create_task(ask(pool))
            peer = await listener.accept()
            error = await failure(pool, timeout_s=0.05)
            assert isinstance(error, CallTimeout)
            assert not error.sent
            await peer.send(OK)
            assert (await first).body == b"hi"
            second = asyncio.create_task(ask(pool))  # the one that gave up is not in its way
            await peer.until(b"\r\n\r\n")
            await peer.send(OK)
            assert (await second).body == b"hi"
            peer.close()

    run(runner, scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse what does not fit")
@ON_EACH_LOOP
def test_a_connection_that_takes_too_long_is_a_request_that_was_not_sent(runner: Runner) -> None:
    async def scenario() -> None:
        # A full backlog: the system drops further connection requests, as a dead host does.
        with socket.socket() as full, socket.socket() as first, socket.socket() as second:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for filler in (first, second):
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            pool = HttpPool(*full.getsockname())
            begun = asyncio.get_running_loop().time()
            with pytest.raises(ConnectRefused) as caught:
                await pool.request("POST", "/", b"", timeout_s=30.0, connect_timeout_s=0.1)
            assert asyncio.get_running_loop().time() - begun < 10
            assert failure_of(caught.value) is HopResult.REFUSED
            await pool.close()

    run(runner, scenario())


@ON_EACH_LOOP
def test_an_answer_may_take_longer_than_a_connection(runner: Runner) -> None:
    async def scenario() -> bytes:
        async with to_echo() as (pool, _):
            # It is answered after 100 ms.
            answer = await pool.request(
                "POST", "/", b"slow", timeout_s=10.0, connect_timeout_s=0.09
            )
            return answer.body

    assert run(runner, scenario()) == b"slow"


@ON_EACH_LOOP
def test_no_more_requests_may_wait_than_allowed(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_echo(max_connections=1, max_waiting=2) as (pool, _):
            waiting = [asyncio.create_task(ask(pool, b"slow")) for _ in range(3)]
            await asyncio.sleep(0)
            error = await failure(pool)
            assert isinstance(error, ConnectRefused)
            assert not error.sent
            for task in waiting:
                assert (await task).body == b"slow"

    run(runner, scenario())


@ON_EACH_LOOP
def test_a_refused_connection_says_that_nothing_was_sent(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_listener(max_connections=2) as (pool, listener):
            listener.close()
            for _ in range(5):  # more often than there are slots
                error = await failure(pool)
                assert isinstance(error, ConnectRefused)
                assert not error.sent

    run(runner, scenario())


@ON_EACH_LOOP
def test_a_connection_that_cannot_be_made_in_time_is_given_up(runner: Runner) -> None:
    async def scenario() -> None:
        listener = Listener()
        listener.raw.listen(0)
        filling = [socket.socket() for _ in range(4)]  # the backlog takes one or two
        for raw in filling:
            raw.setblocking(False)
            raw.connect_ex(("127.0.0.1", listener.port))
        pool = HttpPool("127.0.0.1", listener.port, max_connections=1)
        for _ in range(3):
            error = await failure(pool, timeout_s=0.05)
            assert isinstance(error, CallTimeout)
            assert not error.sent
        await pool.close()
        listener.close()
        for raw in filling:
            raw.close()

    run(runner, scenario())


@ON_EACH_LOOP
def test_a_time_out_covers_sending_too(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_listener() as (pool, listener):
            asking = asyncio.create_task(failure(pool, b"x" * 20_000_000, 0.2))
            peer = await listener.accept()
            await peer.some()  # and then takes nothing more
            error = await asking
            assert isinstance(error, CallTimeout)
            assert error.sent
            peer.close()

    run(runner, scenario())


@ON_EACH_LOOP
def test_no_time_left_means_nothing_sent(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_echo() as (pool, server):
            await ask(pool)
            error = await failure(pool, timeout_s=0.0)
            assert isinstance(error, CallTimeout)
            assert not error.sent
            await ask(pool)
            assert server.pending == 1  # the connection is as good as before

    run(runner, scenario())


@ON_EACH_LOOP
def test_a_timed_out_caller_does_not_cancel_the_work(runner: Runner) -> None:
    done, undelivered = [], []

    async def work(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0.2)
        done.append(request.body)
        return HttpResponse(200, b"charged")

    async def scenario() -> None:
        server = HttpServer(work, on_undeliverable=lambda request, _: undelivered.append(request))
        pool = HttpPool("127.0.0.1", await server.start("127.0.0.1"))
        error = await failure(pool, b"1", 0.05)
        assert isinstance(error, CallTimeout)
        assert error.sent
        await until(lambda: undelivered)
        await pool.close()
        await server.stop(0.0)

    run(runner, scenario())
    assert done == [b"1"]
    assert [request.body for request in undelivered] == [b"1"]


@ON_EACH_LOOP
def test_a_late_answer_is_never_matched_to_the_next_request(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_echo(max_connections=1) as (pool, _):
            for number in range(5):
                assert isinstance(await failure(pool, b"slow", 0.05), CallTimeout)
                body = b"%d" % number
                assert (await ask(pool, body)).body == body
                await asyncio.sleep(0.07)  # the late answer is on its way now
                assert (await ask(pool, body)).body == body

    run(runner, scenario())


@ON_EACH_LOOP
def test_a_cancelled_request_costs_its_connection_and_nothing_else(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_echo(max_connections=1) as (pool, _):
            for stage in range(4):
                asking = asyncio.create_task(ask(pool, b"slow"))
                waiting = asyncio.create_task(ask(pool, b"next"))
                for _ in range(stage):
                    await asyncio.sleep(0.005)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                assert (await waiting).body == b"next"
            waiting = asyncio.create_task(ask(pool))
            await asyncio.sleep(0)
            waiting.cancel()
            assert (await ask(pool, b"after")).body == b"after"

    run(runner, scenario())


# -- stale connections --------------------------------------------------------------------------
@ON_EACH_LOOP
@pytest.mark.parametrize("end", [Peer.close, Peer.reset, Peer.end])
def test_a_connection_that_ended_while_idle_is_replaced(
    runner: Runner, end: Callable[[Peer], object]
) -> None:
    async def scenario() -> None:
        async with to_listener(max_connections=1) as (pool, listener):
            for _ in range(3):  # more often than there are slots
                asking = asyncio.create_task(ask(pool))
                peer = await listener.accept(OK)
                assert (await asking).body == b"hi"
                end(peer)
                await until(lambda: not pool._connections)
                peer.close()

    run(runner, scenario())


@ON_EACH_LOOP
@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
def test_a_request_that_met_a_dead_connection_is_never_sent_again(
    runner: Runner, end: Callable[[Peer], object]
) -> None:
    async def scenario() -> None:
        async with to_listener() as (pool, listener):
            asking = asyncio.create_task(ask(pool))
            peer = await listener.accept(OK)
            await asking
            end(peer)
            error = await failure(pool)  # written before the loop could learn of the end
            assert isinstance(error, ConnectionBroken)
            assert error.sent
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(listener.accept(), 0.2)

    run(runner, scenario())


@ON_EACH_LOOP
@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
def test_what_may_be_repeated_goes_over_a_new_connection_once_a_kept_one_is_dead(
    runner: Runner, end: Callable[[Peer], object]
) -> None:
    async def scenario() -> None:
        async with to_listener() as (pool, listener):
            asking = asyncio.create_task(ask(pool))
            peer = await listener.accept(OK)
            await asking
            end(peer)
            resent = asyncio.Event()
            asking = asyncio.create_task(
                pool.request("POST", "/", b"", timeout_s=5, on_resend=resent.set)
            )
            again = await listener.accept(OK)
            assert (await asking).body == b"hi"
            # By now the peer has read what is sent again: it may have acted on it.
            resent.clear()
            asking = asyncio.create_task(
                pool.request("POST", "/", b"", timeout_s=5, on_resend=resent.set)
            )
            await asyncio.sleep(0.02)
            end(again)
            last = await listener.accept(OK)
            assert (await asking).body == b"hi"
            assert resent.is_set()
            resent.clear()
            for kept in (again, last):
                kept.close()
            # A new connection that breaks says more: it is the caller's to try again.
            await until(lambda: not pool._connections)
            failing = asyncio.create_task(
                pool.request("POST", "/", b"", timeout_s=5, on_resend=resent.set)
            )
            (await listener.accept(b"HTTP")).close()
            with pytest.raises(ConnectionBroken):
                await failing
            assert not resent.is_set()
            peer.close()

    run(runner, scenario())


@ON_EACH_LOOP
@pytest.mark.parametrize("end", [Peer.close, Peer.reset, Peer.end])
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200", OK[:-1], b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_an_answer_cut_short_is_broken_and_the_request_counts_as_sent(
    runner: Runner, end: Callable[[Peer], object], part: bytes
) -> None:
    async def scenario() -> WireError:
        async with to_listener() as (pool, listener):
            asking = asyncio.create_task(failure(pool))
            peer = await listener.accept(part)
            await asyncio.sleep(0.02)
            end(peer)
            error = await asking
            peer.close()
            return error

    error = run(runner, scenario())
    assert isinstance(error, ConnectionBroken)
    assert error.sent


# -- answers ------------------------------------------------------------------------------------
CLOSED = b"HTTP/1.1 200 OK\r\nconnection: close\r\n"
ANSWERS = {  # what comes, the body, whether the connection may be used again
    "plain": (OK, b"hi", True),
    "chunked": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
        b"hi",
        True,
    ),
    "after two informational ones": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + OK,
        b"hi",
        True,
    ),
    "without content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "closing": (CLOSED + b"content-length: 2\r\n\r\nhi", b"hi", False),
    "ended by the connection": (CLOSED + b"\r\nhi", b"hi", False),
    "of HTTP/1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", b"hi", False),
    "with a second one behind it": (OK + OK, b"hi", False),
    "with part of a second one behind it": (OK + b"HT", b"hi", False),
    "with garbage behind it": (OK + b"\x00\x01", b"hi", False),
}


@ON_EACH_LOOP
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_read_and_the_connection_kept_only_if_in_step(
    runner: Runner, case: str
) -> None:
    data, body, is_kept = ANSWERS[case]

    async def scenario() -> tuple[HttpResponse, bool]:
        async with to_listener() as (pool, listener):
            asking = asyncio.create_task(ask(pool))
            peer = await listener.accept(data)
            if b"close" in data:
                peer.end()
            answer = await asking
            kept = bool(pool._idle)
            await asyncio.sleep(0.02)
            assert bool(pool._idle) == bool(pool._connections) == kept
            peer.close()
            return answer, kept

    answer, kept = run(runner, scenario())
    assert (answer.body, kept) == (body, is_kept)
    assert answer.status in (200, 204)


@ON_EACH_LOOP
def test_an_answer_nobody_asked_for_costs_the_connection(runner: Runner) -> None:
    async def scenario() -> bytes:
        async with to_listener() as (pool, listener):
            asking = asyncio.create_task(ask(pool))
            peer = await listener.accept(OK)
            await asking
            await peer.send(OK.replace(b"hi", b"no"))
            await until(lambda: not pool._connections)
            asking = asyncio.create_task(ask(pool))
            other = await listener.accept(OK)
            body = (await asking).body
            peer.close()
            other.close()
            return body

    assert run(runner, scenario()) == b"hi"


@ON_EACH_LOOP
def test_an_answer_that_overtakes_its_request_costs_the_connection(runner: Runner) -> None:
    async def scenario() -> bytes:
        async with to_listener() as (pool, listener):
            asking = asyncio.create_task(ask(pool, b"x" * 20_000_000))
            peer = await listener.accept()
            await peer.some()
            await peer.send(OK)  # while most of the request is still on the way
            body = (await asking).body
            assert not pool._idle
            peer.close()
            return body

    assert run(runner, scenario()) == b"hi"


@ON_EACH_LOOP
@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01 not http at all\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * (MAX_RESPONSE_BYTES + 1),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * (MAX_RESPONSE_BYTES + 1),
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_RESPONSE_BYTES // 25 + 1),
    ],
)
def test_what_is_no_answer_is_malformed(runner: Runner, data: bytes) -> None:
    async def scenario() -> WireError:
        async with to_listener() as (pool, listener):
            asking = asyncio.create_task(failure(pool))
            peer = await listener.accept(b"")
            with contextlib.suppress(OSError):  # the client stops listening to it
                await peer.send(data)
            error = await asking
            await until(lambda: not pool._connections)
            peer.close()
            return error

    error = run(runner, scenario())
    assert isinstance(error, MalformedHttp)
    assert error.sent


@ON_EACH_LOOP
def test_the_answer_to_head_has_no_body_whatever_its_length_says(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_echo(max_connections=1) as (pool, server):
            for _ in range(3):
                answer = await pool.request("HEAD", "/", b"hello", timeout_s=5)
                assert (answer.body, answer.headers["content-length"]) == (b"", "5")
            assert server.pending == 1

    run(runner, scenario())


@ON_EACH_LOOP
def test_large_bodies_pass_both_ways_at_the_pace_of_the_slower(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_echo(ServerLimits(body_bytes=8_000_000)) as (pool, _):
            bodies = [bytes([number]) * 4_000_000 for number in range(4)]
            answers = await asyncio.gather(*(ask(pool, body, 30) for body in bodies))
            assert [answer.body for answer in answers] == bodies

    run(runner, scenario())


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/", {"a": "b\r\nc: d"}),
        ("GET", "/", {"a\r\nb": "c"}),
        ("GET", "/", {"a b": "c"}),
        ("GET", "/", {"": "c"}),
        ("GET", "/", {"Content-Length": "5"}),
        ("GET", "/", {"transfer-encoding": "chunked"}),
        ("GET", "/", {"a": "\u20ac"}),
        ("GET", "/a b", {}),
        ("GET", "/\r\nhost: b", {}),
        ("GET", "", {}),
        ("GET /x HTTP/1.1\r\n", "/", {}),
        ("get", "/", {}),
    ],
)
def test_a_request_that_would_break_its_lines_is_never_written(
    method: str, target: str, headers: dict[str, str]
) -> None:
    async def scenario() -> None:
        async with to_echo() as (pool, server):
            with pytest.raises(ValueError, match="can"):
                await pool.request(method, target, b"", headers=headers, timeout_s=1)
            assert not server.pending

    run(asyncio.run, scenario())


# -- the end ------------------------------------------------------------------------------------
@ON_EACH_LOOP
def test_closing_ends_every_request_and_releases_everything(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_listener(max_connections=2) as (pool, listener):
            asking = [asyncio.create_task(failure(pool)) for _ in range(4)]
            peers = [await listener.accept(b"HTTP") for _ in range(2)]
            await pool.close()
            await pool.close()
            errors = [await task for task in asking]
            assert all(isinstance(error, ConnectionBroken) for error in errors)
            assert sorted(error.sent for error in errors) == [False, False, True, True]
            assert not pool._connections
            error = await failure(pool)
            assert isinstance(error, ConnectRefused)
            for peer in peers:
                peer.close()

    run(runner, scenario())


@ON_EACH_LOOP
def test_closing_while_connecting_releases_everything(runner: Runner) -> None:
    async def scenario() -> None:
        async with to_listener() as (pool, _):
            for _ in range(3):
                asking = asyncio.create_task(failure(pool))
                await asyncio.sleep(0)
            await pool.close()
            assert isinstance(await asking, WireError)

    run(runner, scenario())
