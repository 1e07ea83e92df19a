"""Connections in memory show both ends the same events as real sockets do."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from paychain.simulation.simulate import simulate

PATIENCE_S = 0.2  # real: long enough for loopback to do what it does
MEGABYTE = 1_000_000


class Side(asyncio.Protocol):
    """Notes what happens to one end; consecutive bytes count as one event."""

    def __init__(self, *, stays_open: bool = False) -> None:
        self.events: list[Any] = []
        self.received = b""
        self.transport: Any = None
        self._stays_open = stays_open

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.events[-1] != "data":
            self.events.append("data")

    def eof_received(self) -> bool:
        self.events.append("eof")
        return self._stays_open

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append(f"lost {type(exc).__name__}" if exc else "lost")

    def reset(self) -> None:
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


Play = Callable[[Side, Side], Coroutine[Any, Any, None]]


async def pause() -> None:
    for _ in range(10):  # also when the machine stalls, the loop comes round ten times
        await asyncio.sleep(PATIENCE_S / 10)


async def staged(play: Play, *, server_stays: bool) -> dict[str, Any]:
    """One connection, the play, and what both sides saw until both are over."""
    loop = asyncio.get_running_loop()
    server_side, client_side = Side(stays_open=server_stays), Side()
    server = await loop.create_server(lambda: server_side, "127.0.0.1", 0)
    await loop.create_connection(lambda: client_side, *server.sockets[0].getsockname())
    await pause()
    await play(client_side, server_side)
    await pause()
    for side in (client_side, server_side):
        if not side.events[-1].startswith("lost"):
            side.transport.abort()
    await pause()
    server.close()
    await server.wait_closed()
    return {
        "client": client_side.events,
        "server": server_side.events,
        "client bytes": len(client_side.received),
        "server bytes": len(server_side.received),
    }


async def close_after_writing(client: Side, server: Side) -> None:
    client.transport.write(b"x" * 1_000)
    client.transport.close()
    client.transport.close()


async def close_with_much_unsent(client: Side, server: Side) -> None:
    server.transport.pause_reading()
    client.transport.write(b"x" * 10 * MEGABYTE)
    client.transport.close()
    await pause()
    server.transport.resume_reading()
    while len(server.received) < 10 * MEGABYTE:
        await pause()


async def half_close_and_answer(client: Side, server: Side) -> None:
    client.transport.write(b"question")
    client.transport.write_eof()
    await pause()
    server.transport.write(b"answer")
    server.transport.close()


async def half_close_and_no_answer(client: Side, server: Side) -> None:
    client.transport.write_eof()
    await pause()


async def abort_is_a_close(client: Side, server: Side) -> None:
    client.transport.write(b"before")
    client.transport.abort()
    await pause()


async def abort_with_unread_bytes_is_a_reset(client: Side, server: Side) -> None:
    client.transport.pause_reading()
    server.transport.write(b"unread")
    await pause()
    client.transport.abort()
    await pause()


async def reset(client: Side, server: Side) -> None:
    client.reset()
    await pause()


async def reset_after_bytes(client: Side, server: Side) -> None:
    client.transport.write(b"x" * 100)
    await pause()
    client.reset()
    await pause()


async def reset_of_a_side_that_does_not_read(client: Side, server: Side) -> None:
    server.transport.pause_reading()
    client.reset()
    await pause()
    server.events.append("noticed nothing yet")
    server.transport.write(b"x")
    await pause()


async def reset_that_waits_until_reading_goes_on(client: Side, server: Side) -> None:
    server.transport.pause_reading()
    client.transport.write(b"read before the reset")
    await pause()
    client.reset()
    await pause()
    server.transport.resume_reading()
    await pause()


async def write_to_a_closed_side(client: Side, server: Side) -> None:
    client.transport.abort()
    await pause()
    server.transport.write(b"to nobody")
    await pause()
    server.events.append("wrote once")
    server.transport.write(b"to nobody, again")
    await pause()


async def write_after_the_end_was_lost(client: Side, server: Side) -> None:
    client.transport.abort()
    client.transport.write(b"dropped")
    await pause()


async def backpressure(client: Side, server: Side) -> None:
    server.transport.pause_reading()
    client.transport.write(b"x" * 10 * MEGABYTE)
    await pause()
    server.transport.resume_reading()
    while len(server.received) < 10 * MEGABYTE:
        await pause()


async def both_write_and_close_at_once(client: Side, server: Side) -> None:
    client.transport.write(b"a" * 10)
    server.transport.write(b"b" * 10)
    await pause()
    client.transport.close()
    server.transport.close()


PLAYS = [
    close_after_writing,
    close_with_much_unsent,
    half_close_and_answer,
    half_close_and_no_answer,
    abort_is_a_close,
    abort_with_unread_bytes_is_a_reset,
    reset,
    reset_after_bytes,
    reset_of_a_side_that_does_not_read,
    reset_that_waits_until_reading_goes_on,
    write_to_a_closed_side,
    write_after_the_end_was_lost,
    backpressure,
    both_write_and_close_at_once,
]


KINDS = [(play, stays) for play in PLAYS for stays in (False, True)]


@pytest.fixture(scope="module")
def real() -> list[dict[str, Any]]:
    """What every play shows over real sockets; all at once, to save time."""

    async def all_plays() -> list[dict[str, Any]]:
        return await asyncio.gather(*(staged(play, server_stays=stays) for play, stays in KINDS))

    return asyncio.run(all_plays())


@pytest.mark.parametrize(
    "number",
    range(len(KINDS)),
    ids=[f"{play.__name__}-{'stays' if stays else 'closes'}-on-eof" for play, stays in KINDS],
)
def test_both_ends_see_what_they_see_over_real_sockets(
    real: list[dict[str, Any]], number: int
) -> None:
    play, stays = KINDS[number]
    assert simulate(lambda _: staged(play, server_stays=stays)) == real[number]
