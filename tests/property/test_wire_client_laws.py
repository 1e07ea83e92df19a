"""Laws of the client for whatever bytes a server sends, and whatever happens around them."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paychain.wire.client import HttpPool
from paychain.wire.client_connection import ClientConnection
from paychain.wire.http import CallTimeout, ConnectionBroken, HttpResponse, WireError
from tests.support.laws import examples
from tests.support.wire_memory import MemoryTransport, Watched, until
from tests.support.wire_requests import PIECES, chunked, names, split, values

EXAMPLES = examples(150)
watched = Watched()


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, HttpResponse, bool]:
    """A valid answer: its bytes, what they say, and whether the connection stays."""
    status = draw(st.sampled_from([200, 200, 201, 204, 304, 404, 500, 503]))
    body = draw(st.binary(max_size=20)) if status not in (204, 304) else b""
    headers = [(f"x{name}", value) for name, value in draw(st.lists(st.tuples(names, values)))]
    tail, is_kept = body, draw(st.booleans())
    if not is_kept:
        headers.append(("Connection", "close"))
    if status not in (204, 304):
        framing = draw(st.sampled_from(["length", "chunks", *([] if is_kept else ["end"])]))
        if framing == "length":
            headers.append(("Content-Length", str(len(body))))
        elif framing == "chunks":
            headers.append(("Transfer-Encoding", "chunked"))
            tail = draw(chunked(body))
    lines = [f"HTTP/1.1 {status} Reason", *(f"{name}: {value}" for name, value in headers)]
    informational = draw(st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    data = informational + "\r\n".join([*lines, "", ""]).encode("latin-1") + tail
    return data, HttpResponse(status, body), is_kept


@st.composite
def mutated_answers(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(answers())[0])
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 5])))
        data[start:end] = draw(st.sampled_from(PIECES) | st.binary(max_size=2))
    return bytes(data)


async def exchange(
    pieces: list[bytes], *, turns: int = 0, end: str = "fin", method: str = "POST"
) -> tuple[HttpResponse | WireError, bool]:
    """What comes of an exchange when a server sends these bytes and then leaves, or not; and
    whether the connection could have been used again before it left."""
    loop = asyncio.get_running_loop()
    connection = ClientConnection(loop, lambda _: None)
    transport = MemoryTransport(connection)
    connection.connection_made(transport)
    asking = loop.create_task(
        connection.exchange(b"x", is_head=method == "HEAD", deadline=loop.time() + 100)
    )
    await until(lambda: transport.written)
    for piece in pieces:
        if transport.is_closed:
            break
        connection.data_received(piece)
        for _ in range(turns):
            await asyncio.sleep(0)
    was_usable = (connection.is_usable and asking.done()) or (
        connection._waiter is not None and (connection._waiter.done() and connection.is_usable)
    )
    if end == "reset":
        transport.reset()
    elif end == "silence":
        watched.loop.passed_s += 101
    elif not transport.is_closed and not connection.eof_received():
        transport.close()
    await until(asking.done)
    transport.close()
    await asyncio.sleep(0)
    assert not connection.is_usable
    error = asking.exception()
    if error is None:
        return asking.result(), was_usable
    assert isinstance(error, WireError)
    return error, was_usable


@EXAMPLES
@given(st.data(), st.binary(max_size=200) | mutated_answers(), st.integers(0, 3))
def test_any_bytes_give_an_answer_or_a_wire_error(
    data: st.DataObject, sent: bytes, turns: int
) -> None:
    end = data.draw(st.sampled_from(["fin", "reset", "silence"]))
    outcome, was_usable = watched.run(exchange(data.draw(split(sent)), turns=turns, end=end))
    if isinstance(outcome, WireError):
        assert outcome.sent
        assert not was_usable
    else:
        assert 200 <= outcome.status < 1_000


@pytest.mark.parametrize("pieces", [[b"\r\n\r\n\r"], [b"\r\n\r\n", b"\r"]])
def test_an_empty_line_behind_an_answer_is_read_past_however_it_comes(pieces: list[bytes]) -> None:
    first, *rest = pieces
    answer, was_usable = watched.run(exchange([b"HTTP/1.1 204 No Content" + first, *rest]))
    assert isinstance(answer, HttpResponse)
    assert was_usable


@EXAMPLES
@given(st.data(), st.binary(max_size=200) | mutated_answers(), st.integers(0, 3))
def test_it_does_not_matter_how_an_answer_is_split(
    data: st.DataObject, sent: bytes, turns: int
) -> None:
    whole, was_usable = watched.run(exchange([sent]))
    pieces, was_usable_too = watched.run(exchange(data.draw(split(sent)), turns=turns))
    assert was_usable == was_usable_too
    assert type(whole) is type(pieces)
    if isinstance(whole, HttpResponse):
        assert whole == pieces


@EXAMPLES
@given(st.data(), answers(), st.integers(0, 3))
def test_a_valid_answer_is_read_and_its_connection_kept_as_it_says(
    data: st.DataObject, answer: tuple[bytes, HttpResponse, bool], turns: int
) -> None:
    sent, expected, is_kept = answer
    found, was_usable = watched.run(exchange(data.draw(split(sent)), turns=turns))
    assert isinstance(found, HttpResponse)
    assert (found.status, found.body) == (expected.status, expected.body)
    assert was_usable == is_kept


@EXAMPLES
@given(st.data(), answers(), st.binary(min_size=1, max_size=20) | answers().map(lambda a: a[0]))
def test_bytes_behind_an_answer_poison_the_connection(
    data: st.DataObject, answer: tuple[bytes, HttpResponse, bool], surplus: bytes
) -> None:
    sent, expected, is_kept = answer
    if not is_kept or not surplus.strip(b"\r\n"):
        return
    found, was_usable = watched.run(exchange(data.draw(split(sent + surplus))))
    assert isinstance(found, HttpResponse)
    assert (found.status, found.body) == (expected.status, expected.body)
    assert not was_usable


@EXAMPLES
@given(answers(), st.integers(1, 10_000), st.sampled_from(["fin", "reset", "silence"]))
def test_an_answer_cut_short_is_never_taken_for_a_whole_one(
    answer: tuple[bytes, HttpResponse, bool], cut: int, end: str
) -> None:
    sent, _, is_kept = answer
    if not is_kept:
        return  # it may end with its connection
    outcome, was_usable = watched.run(exchange([sent[: -(cut % len(sent)) or -1]], end=end))
    assert isinstance(outcome, CallTimeout if end == "silence" else ConnectionBroken)
    assert not was_usable


def test_bytes_that_come_before_the_request_poison_the_connection() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        connection = ClientConnection(loop, lambda _: None)
        connection.connection_made(transport := MemoryTransport(connection))
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        with pytest.raises(ConnectionBroken) as caught:
            await connection.exchange(b"x", is_head=False, deadline=loop.time() + 1)
        assert not caught.value.sent
        assert not transport.written

    watched.run(scenario())


# -- the pool -----------------------------------------------------------------------------------
BODY = re.compile(rb"\r\n\r\n(\d+);")
STEPS = ["ask", "ask", "ask briefly", "answer", "answer", "push", "end", "reset", "cancel", "pass"]


def asked_for(transport: MemoryTransport) -> bytes | None:
    """The request on this connection that waits for its answer."""
    bodies = BODY.findall(bytes(transport.written))
    return bodies[-1] if bodies and not transport.is_closed else None


class Story:
    """A pool, its requests, and a server that does as the steps say."""

    def __init__(self) -> None:
        watched.loop.made = self.made = []
        self.pool = HttpPool("127.0.0.1", 1, max_connections=2, max_waiting=3)
        self.asked: list[asyncio.Task[HttpResponse]] = []

    def ask(self, timeout_s: float) -> None:
        body = b"%d;" % len(self.asked)
        request = self.pool.request("POST", "/", body, timeout_s=timeout_s)
        self.asked.append(asyncio.get_running_loop().create_task(request))

    def answer(self, transport: MemoryTransport) -> None:
        if (body := asked_for(transport)) is not None:
            transport.written.clear()
            transport.protocol.data_received(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
            )

    def step(self, name: str, number: int) -> None:
        transport = self.made[number % len(self.made)] if self.made else None
        waiting = [task for task in self.asked if not task.done()]
        if name.startswith("ask"):
            self.ask(10 if name == "ask briefly" else 1_000)
        elif name == "pass":
            watched.loop.passed_s += 11
        elif name == "cancel" and waiting:
            waiting[number % len(waiting)].cancel()
        elif transport is None or transport.is_closed:
            return
        elif name == "answer":
            self.answer(transport)
        elif name == "push" and asked_for(transport) is None:
            transport.protocol.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        elif name == "end" and not transport.protocol.eof_received():
            transport.close()
        elif name == "reset":
            transport.reset()

    async def settle(self) -> None:
        def all_done() -> bool:
            for transport in self.made:
                self.answer(transport)
            return all(task.done() for task in self.asked)

        await until(all_done)
        self.check()

    def check(self) -> None:
        assert sum(not transport.is_closed for transport in self.made) <= 2
        for number, task in enumerate(self.asked):
            if task.done() and not task.cancelled() and task.exception() is None:
                assert task.result().body == b"%d" % number
            elif task.done() and not task.cancelled():
                assert isinstance(task.exception(), WireError)


@EXAMPLES
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5), st.integers(0, 6)), max_size=30),
    st.booleans(),
)
@example([("ask", 0, 2)], False)  # closed in the moment in which its connection is made
@example([("ask", 0, 0), ("ask briefly", 1, 6), ("ask", 2, 1), ("pass", 5, 4)], False)
@example([("ask", 2, 3), ("reset", 1, 5), ("ask", 3, 5), ("reset", 1, 0), ("cancel", 5, 1)], False)
def test_whatever_happens_each_request_gets_its_own_answer_or_an_error_and_no_slot_is_lost(
    steps: list[tuple[str, int, int]], is_patient: bool
) -> None:
    async def scenario() -> None:
        story = Story()
        for name, number, turns in steps:
            story.step(name, number)
            for _ in range(turns):
                await asyncio.sleep(0)
            story.check()
        if is_patient:  # with a server that answers, nobody is left waiting
            await story.settle()
            story.ask(1_000)
            await story.settle()
            assert story.asked[-1].result()
        await story.pool.close()
        await until(lambda: all(task.done() for task in story.asked))
        story.check()
        assert all(transport.is_closed for transport in story.made)
        assert not story.pool._slots_taken
        assert not story.pool._connections
        assert not story.pool._idle

    watched.run(scenario())
