"""Both ends of the wire without sockets: what a loop with transports in memory offers, no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from paychain.wire.connection import Connection
from paychain.wire.http import HttpRequest, HttpResponse, ServerLimits
from paychain.wire.server import HttpServer

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MAX_TURNS = 2_000  # of the loop, after which something is taken to hang


class MemoryTransport:
    """Takes every byte at once. Has no socket and no half-close of its own."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self.protocol = protocol
        self.written = bytearray()
        self.is_paused = self.is_closed = False

    def write(self, data: bytes) -> None:
        if not self.is_closed:
            self.written += data

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def get_extra_info(self, name: str) -> None:
        """Nothing is known of a peer."""

    def reset(self) -> None:
        """As if the peer had sent RST."""
        if not self.is_closed:
            self.is_closed = True
            self.protocol.connection_lost(ConnectionResetError())

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class MemoryLoop(asyncio.SelectorEventLoop):
    """Connects to nobody, in memory; its clock can be put forward."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0
        self.made: list[MemoryTransport] = []

    def time(self) -> float:
        return super().time() + self.passed_s

    async def create_connection(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        protocol = protocol_factory()
        await asyncio.sleep(0)
        transport = MemoryTransport(protocol)
        self.made.append(transport)
        protocol.connection_made(transport)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            transport.close()
            raise
        return transport, protocol


class Watched:
    """Runs coroutines on one loop; an error that nobody caught is an error of the test."""

    def __init__(self) -> None:
        self.loop = MemoryLoop()
        self.unhandled: list[Any] = []
        self.loop.set_exception_handler(lambda _, context: self.unhandled.append(context))

    def run(self, coroutine: Any) -> Any:
        result = self.loop.run_until_complete(coroutine)
        assert not self.unhandled
        assert not asyncio.all_tasks(self.loop)
        return result


async def until(condition: Callable[[], object]) -> None:
    for _ in range(MAX_TURNS):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it hangs")


async def serve(
    pieces: Iterable[bytes], *, turns: int = 0, end: str = "fin"
) -> tuple[list[HttpRequest], bytes, list[HttpRequest]]:
    """What a server that echoes makes of a client's bytes: the requests that it handled, the
    bytes that it answered, the requests whose answers it reported as undeliverable.

    `turns`: of the loop between two pieces. `end`: how the client leaves, "fin" or "reset".
    """
    handled: list[HttpRequest] = []
    undelivered: list[HttpRequest] = []

    async def echo(request: HttpRequest) -> HttpResponse:
        handled.append(request)
        await asyncio.sleep(0)
        return HttpResponse(200, request.body)

    server = HttpServer(
        echo,
        limits=ServerLimits(telltale_s=0.0, pipelined=2),
        on_undeliverable=lambda request, _: undelivered.append(request),
    )
    connection = Connection(server, asyncio.get_running_loop())
    transport = MemoryTransport(connection)
    connection.connection_made(transport)
    for piece in pieces:
        await until(lambda: transport.is_closed or not transport.is_paused)
        if transport.is_closed:
            break
        connection.data_received(piece)
        for _ in range(turns):
            await asyncio.sleep(0)
    await until(lambda: transport.is_closed or not transport.is_paused)
    if end == "reset":
        transport.reset()
    elif not transport.is_closed and not connection.eof_received():
        transport.close()
    await until(lambda: not server.pending)
    assert transport.is_closed
    return handled, bytes(transport.written), undelivered
