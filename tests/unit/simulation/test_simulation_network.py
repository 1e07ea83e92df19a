"""Connections in memory: what only memory can promise (tests/integration compares with sockets)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from paychain.simulation.loop import VirtualLoop
from paychain.simulation.simulate import Unhandled, simulate


class Side(asyncio.Protocol):
    """Notes what happens to one end; consecutive bytes count as one event."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.received = b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.events[-1] != "data":
            self.events.append("data")

    def eof_received(self) -> None:
        self.events.append("eof")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append(f"lost {type(exc).__name__}" if exc else "lost")


def virtually(play: Callable[[VirtualLoop, Side, Side], Coroutine[Any, Any, Any]]) -> Any:
    """A connection in memory for a play that ends it itself."""

    async def main(loop: VirtualLoop) -> Any:
        client, server = Side(), Side()
        listener = await loop.create_server(lambda: server, "127.0.0.1", 8_080)
        await loop.create_connection(lambda: client, "127.0.0.1", 8_080)
        listener.close()
        try:
            return await play(loop, client, server)
        finally:
            client.transport.abort()
            server.transport.abort()

    return simulate(main)


def test_bytes_never_overtake_although_each_chunk_has_its_own_delay() -> None:
    async def play(loop: VirtualLoop, client: Side, server: Side) -> bytes:
        for number in range(2_000):
            client.transport.write(number.to_bytes(2, "big"))
            await asyncio.sleep(1e-6)
        await asyncio.sleep(1)
        return server.received

    assert virtually(play) == b"".join(number.to_bytes(2, "big") for number in range(2_000))


def test_a_trip_takes_50_to_350_microseconds_and_a_seed_repeats_it() -> None:
    def trips(seed: int) -> list[int]:
        async def main(loop: VirtualLoop) -> list[int]:
            arrivals: list[int] = []

            class Clock(Side):
                def data_received(self, data: bytes) -> None:
                    arrivals.append(loop.now_ns)

            server = Clock()
            listener = await loop.create_server(lambda: server, "127.0.0.1", 8_080)
            transport, _ = await loop.create_connection(Side, "127.0.0.1", 8_080)
            took = []
            for _ in range(50):
                sent_ns = loop.now_ns
                transport.write(b"x")
                await asyncio.sleep(0.01)
                took.append(arrivals[-1] - sent_ns)
            transport.close()
            listener.close()
            return took

        return simulate(main, seed=seed)

    first = trips(1)
    assert all(50_000 <= each <= 350_000 for each in first)
    assert len(set(first)) > 25
    assert trips(1) == first != trips(2)


def test_a_writer_is_paused_above_its_high_water_and_resumed_at_its_low() -> None:
    # 262,144 bytes fit into the peer's buffer; of the rest, 100,000 bytes stay with the writer.
    async def play(loop: VirtualLoop, client: Side, server: Side) -> tuple[list[Any], int, int]:
        server.transport.pause_reading()
        client.transport.set_write_buffer_limits(high=100_000, low=10)
        client.transport.write(b"x" * (262_144 + 100_000))
        at_the_mark = list(client.events)
        client.transport.write(b"x")
        size = client.transport.get_write_buffer_size()
        server.transport.resume_reading()
        await asyncio.sleep(1)
        assert at_the_mark == ["made"]
        return list(client.events), size, len(server.received)

    assert virtually(play) == (["made", "pause", "resume"], 100_001, 362_145)


def test_nobody_listening_refuses_and_a_closed_listener_refuses_from_then_on() -> None:
    async def main(loop: VirtualLoop) -> None:
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Side, "127.0.0.1", 1)
        listener = await loop.create_server(Side, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(Side, "127.0.0.1", port)
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Side, "127.0.0.1", port)
        assert not transport.is_closing()
        transport.close()
        await listener.wait_closed()

    simulate(main)


def test_a_port_is_taken_until_its_listener_closes() -> None:
    async def main(loop: VirtualLoop) -> None:
        listener = await loop.create_server(Side, "127.0.0.1", 8_080)
        with pytest.raises(OSError, match="in use"):
            await loop.create_server(Side, "127.0.0.1", 8_080)
        listener.close()
        (await loop.create_server(Side, "127.0.0.1", 8_080)).close()

    simulate(main)


def test_a_caller_that_gives_up_while_connecting_leaves_nothing_open() -> None:
    async def main(loop: VirtualLoop) -> list[Any]:
        server = Side()
        listener = await loop.create_server(lambda: server, "127.0.0.1", 8_080)
        connecting = asyncio.create_task(loop.create_connection(Side, "127.0.0.1", 8_080))
        while not server.events:  # then it has accepted, and its answer is on its way
            await asyncio.sleep(1e-6)
        connecting.cancel()
        await asyncio.sleep(1)
        listener.close()
        return server.events

    assert simulate(main) == ["made", "eof", "lost"]


def test_names_of_both_ends_match() -> None:
    async def play(loop: VirtualLoop, client: Side, server: Side) -> None:
        assert client.transport.get_extra_info("peername") == ("127.0.0.1", 8_080)
        assert client.transport.get_extra_info("sockname") == server.transport.get_extra_info(
            "peername"
        )
        assert client.transport.get_extra_info("sslcontext") is None
        assert client.transport.get_extra_info("cipher", "none") == "none"

    virtually(play)


def test_an_error_in_a_protocol_ends_the_connection_and_is_reported() -> None:
    async def play(loop: VirtualLoop, client: Side, server: Side) -> None:
        server.data_received = lambda _: 1 / 0  # type: ignore[assignment,method-assign]  # in place of the real one
        client.transport.write(b"x")
        await asyncio.sleep(1)
        assert server.events[-1] == "lost ZeroDivisionError"

    with pytest.raises(Unhandled, match="ZeroDivisionError"):
        virtually(play)


def test_streams_carry_lines_both_ways_and_close_cleanly() -> None:
    async def main(loop: VirtualLoop) -> list[bytes]:
        async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async for line in reader:
                await asyncio.sleep(1)
                writer.write(line.upper())
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(shout, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        lines = []
        for word in (b"one\n", b"two\n"):
            writer.write(word)
            lines.append(await reader.readline())
        writer.write_eof()
        lines.append(await reader.read())
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        assert 2_000_000_000 < loop.now_ns < 2_002_000_000
        return lines

    assert simulate(main) == [b"ONE\n", b"TWO\n", b""]
