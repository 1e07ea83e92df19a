"""The engine's own Api and Proxy, unchanged, on the virtual-time loop: exact to the millisecond."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from paychain.simulation.loop import VirtualLoop
from paychain.simulation.simulate import simulate
from paychain.toxics.api import Api
from paychain.wire.http import HttpRequest

Ask = Callable[..., Awaitable[Any]]


def played(play: Callable[[VirtualLoop, Ask, int], Awaitable[Any]]) -> Any:
    """Run a play against a proxy `p` before an echo server."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
        except ConnectionResetError:
            pass
        writer.close()

    async def main(loop: VirtualLoop) -> Any:
        server = await asyncio.start_server(answer, "127.0.0.1", 9_000)
        api = Api(1)

        async def ask(method: str, path: str, body: Any = None) -> Any:
            sent = HttpRequest(method, path, {}, json.dumps(body).encode() if body else b"")
            response = await api.handle(sent)
            assert response.status < 300, response.body
            return json.loads(response.body) if response.body else None

        given = {"name": "p", "upstream": "127.0.0.1:9000", "listen": "127.0.0.1:0"}
        made = await ask("POST", "/proxies", given)
        try:
            return await play(loop, ask, int(made["listen"].rpartition(":")[2]))
        finally:
            await ask("DELETE", "/proxies/p")
            server.close()

    return simulate(main)


def toxic(kind: str, stream: str = "downstream", **attributes: int) -> dict[str, Any]:
    return {"name": "t", "type": kind, "stream": stream, "attributes": attributes}


def test_latency_is_exact_and_a_removal_acts_at_once() -> None:
    async def play(loop: VirtualLoop, ask: Ask, port: int) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        took = []
        for change in (None, "add", "remove"):
            if change == "add":
                await ask("POST", "/proxies/p/toxics", toxic("latency", latency=250))
            elif change == "remove":
                await ask("DELETE", "/proxies/p/toxics/t")
            started = loop.time()
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            took.append(loop.time() - started)
        writer.close()
        return took

    before, late, after = played(play)
    assert 0.2499 <= late - before < 0.252  # each of the four trips takes 30 to 70 us
    assert after < 0.01


def test_a_reset_a_refusal_and_a_blackhole_work_without_sockets() -> None:
    async def play(loop: VirtualLoop, ask: Ask, port: int) -> list[str]:
        seen = []
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await ask("POST", "/proxies/p/toxics", toxic("reset_peer", "upstream"))
        writer.write(b"x")
        try:
            await reader.read()
        except ConnectionResetError:
            seen.append("reset")
        await ask("DELETE", "/proxies/p/toxics/t")
        await ask("POST", "/proxies/p/toxics", toxic("refuse"))
        try:
            await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            seen.append("refused")
        await ask("DELETE", "/proxies/p/toxics/t")
        await ask("POST", "/proxies/p/toxics", toxic("blackhole"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        try:
            await asyncio.wait_for(reader.read(1), 3_600)
        except TimeoutError:
            seen.append("silence")
        await ask("DELETE", "/proxies/p/toxics/t")
        seen.append((await reader.readexactly(1)).decode())
        writer.close()
        return seen

    assert played(play) == ["reset", "refused", "silence", "x"]


def test_events_have_virtual_times() -> None:
    async def play(loop: VirtualLoop, ask: Ask, port: int) -> list[tuple[str, int]]:
        await asyncio.sleep(10)
        await ask("POST", "/proxies/p/toxics", toxic("timeout", timeout=2_000))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        events = (await ask("GET", "/events"))["events"]
        began = events[0]["at_ns"]
        return [
            (event["kind"], round((event["at_ns"] - began) / 1e9))
            for event in events
            if event["kind"] in ("toxic_added", "connected", "toxic_hit", "closed")
        ]

    assert played(play) == [
        ("toxic_added", 10),
        ("connected", 10),
        ("toxic_hit", 12),
        ("closed", 12),
    ]
