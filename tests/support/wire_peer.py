"""A bare socket at the other end of the wire, and loops that must be left as they were found."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

try:
    import uvloop
except ImportError:
    uvloop = None

T = TypeVar("T")
Runner = Callable[[Coroutine[Any, Any, Any]], Any]
ON_EACH_LOOP = pytest.mark.parametrize(
    "runner",
    [
        pytest.param(asyncio.run, id="asyncio"),
        pytest.param(
            uvloop and uvloop.run,
            id="uvloop",
            marks=pytest.mark.skipif(uvloop is None, reason="uvloop is an extra"),
        ),
    ],
)


def run(runner: Runner, scenario: Coroutine[Any, Any, T]) -> T:
    """Run a scenario; no task and no socket may be left, and no error unreported."""
    unhandled: list[dict[str, Any]] = []

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: unhandled.append(context))
        result = await asyncio.wait_for(scenario, 60)
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        return result

    gc.collect()
    gc.freeze()  # the second collection, and those of later tests, need not see all that exists
    before = open_sockets()
    result: T = runner(watched())
    gc.collect()
    assert not open_sockets() - before
    assert not unhandled
    return result


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for a condition."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not condition():
        assert loop.time() < end, "it never came true"
        await asyncio.sleep(0.005)


def open_sockets() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = entry.readlink().name
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


class Peer:
    """A client or an accepted connection that does exactly what the test asks."""

    def __init__(self, raw: socket.socket) -> None:
        raw.setblocking(False)
        self.raw = raw
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def to(cls, port: int, data: bytes = b"", *, receive_bytes: int = 0) -> Peer:
        raw = socket.socket()
        if receive_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        peer = cls(raw)
        await peer._loop.sock_connect(raw, ("127.0.0.1", port))
        await peer.send(data)
        return peer

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.raw, data)

    def end(self) -> None:
        """Send FIN and go on listening."""
        self.raw.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def close(self) -> None:
        self.raw.close()

    async def some(self) -> bytes:
        return await asyncio.wait_for(self._loop.sock_recv(self.raw, 65_536), 10)

    async def until(self, mark: bytes) -> bytes:
        got = b""
        while not got.endswith(mark):
            data = await self.some()
            assert data, f"ended after {got!r}"
            got += data
        return got

    async def rest(self) -> bytes:
        """Everything up to the other side's end, then close."""
        got = await self.until_end()
        self.close()
        return got

    async def until_end(self) -> bytes:
        """Everything up to the other side's end."""
        got = b""
        while data := await self.some():
            got += data
        return got


class Listener:
    """A server that does exactly what the test asks."""

    def __init__(self) -> None:
        self.raw = socket.create_server(("127.0.0.1", 0))
        self.raw.setblocking(False)
        self.port: int = self.raw.getsockname()[1]

    async def accept(self, answer: bytes | None = None) -> Peer:
        """The next connection; with `answer`, after its request's head and that answer."""
        raw, _ = await asyncio.get_running_loop().sock_accept(self.raw)
        peer = Peer(raw)
        if answer is not None:
            await peer.until(b"\r\n\r\n")
            await peer.send(answer)
        return peer

    def close(self) -> None:
        self.raw.close()
