"""The embedded engine and a real Toxiproxy server in alternating rounds on the same upstream.

Requests/s and CPU per request on kept and on new connections and with 1 MB bodies, the accuracy of
50 ms of latency, 1,000 idle connections, the time from a switch to the first affected byte, and
memory while 1 GB passes a bandwidth toxic. Load and upstream share one loop of this process.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from harness.wire.client import HttpPool

ROUNDS, ROUND_S, WARM_UP_S = 3, 2.0, 0.5
SMALL = b'{"id":"pay_0123456789","status":"approved","amount":1250,"currency":"EUR","pad":"%s"}' % (
    b"x" * 100
)
BIG = b"x" * 1_000_000
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
ANSWERS = {b"/s": HEAD % len(SMALL) + SMALL, b"/b": HEAD % len(BIG) + BIG}
LATENCY_MS = 50
SWITCHES, SWITCH_MS = 100, 20
IDLE = 1_000
GIGABYTE, FAST_KB_S = 1_000_000_000, 100_000
MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
BUILT = Path(__file__).parents[1] / "tests" / ".toxiproxy" / "server"
TICKS_S = os.sysconf("SC_CLK_TCK")


def real_server() -> str | None:
    """A real server's path: on PATH, built before, or built now with Go; None without one."""
    found = shutil.which("toxiproxy-server")
    if found is not None or BUILT.exists():
        return found or str(BUILT)
    go = shutil.which("go")
    if go is None:
        return None
    environment = {**os.environ, "GOBIN": str(BUILT.parent)}
    subprocess.run([go, "install", MODULE], env=environment, check=True, timeout=600)
    return str(BUILT)


@dataclass
class Engine:
    """One engine's process, its API and its proxy before the upstream."""

    name: str
    process: subprocess.Popen[bytes]
    api: HttpPool
    port: int = 0

    @classmethod
    async def start(cls, name: str, command: list[str], upstream: int) -> Engine:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            [*command, "-host", "127.0.0.1", "-port", str(port)], stdout=subprocess.DEVNULL,
            env={**os.environ, "LOG_LEVEL": "error"},
        )  # fmt: skip
        engine = cls(name, process, HttpPool("127.0.0.1", port))
        given = {"name": "p", "upstream": f"127.0.0.1:{upstream}", "listen": "127.0.0.1:0"}
        for _ in range(200):
            await asyncio.sleep(0.05)
            try:
                made = await engine.ask("POST", "/proxies", given)
                break
            except Exception:
                continue
        engine.port = int(made["listen"].rpartition(":")[2])
        return engine

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        sent = msgspec.json.encode(body) if body is not None else b""
        answer = await self.api.request(method, path, sent, timeout_s=30)
        assert answer.status < 300, answer
        return msgspec.json.decode(answer.body) if answer.body else None

    async def add(self, kind: str, **attributes: int) -> None:
        toxic = {"name": "t", "type": kind, "attributes": attributes}
        await self.ask("POST", "/proxies/p/toxics", toxic)

    async def remove(self) -> None:
        await self.ask("DELETE", "/proxies/p/toxics/t")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_S

    def resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    async def stop(self) -> None:
        await self.api.close()
        self.process.kill()
        self.process.wait()


class Upstream(asyncio.Protocol):
    """Answers what it is asked for; it reads no more of a request than that."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET "):
            self._transport.write(ANSWERS[data[4:6]])
            if data[6:7] == b"?":
                self._transport.close()
        else:
            self._transport.write(data)


class Load(asyncio.Protocol):
    """One connection that asks again when its answer is whole."""

    def __init__(self, load: Rounds, path: bytes) -> None:
        self._load = load
        self._ask = b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n\r\n"
        self._whole = len(ANSWERS[path])
        self._left = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self._left = self._whole
        self._asked = time.perf_counter()
        self.transport.write(self._ask)

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left == 0:
            self._load.took_s.append(time.perf_counter() - self._asked)
            if not self._load.is_over:
                self.ask()


@dataclass
class Rounds:
    """One round of load."""

    took_s: list[float] = field(default_factory=list)
    is_over: bool = False


@dataclass
class Figures:
    """What one kind of load gave on one engine, round by round."""

    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)


async def kept(engine: Engine, figures: Figures, path: bytes, connections: int) -> None:
    """Requests on connections that are kept."""
    load = Rounds()
    loop = asyncio.get_running_loop()
    transports = [
        (await loop.create_connection(lambda: Load(load, path), "127.0.0.1", engine.port))[0]
        for _ in range(connections)
    ]
    await measured(engine, figures, load)
    for transport in transports:
        transport.close()


class Once(asyncio.Protocol):
    """One connection for one request; the upstream closes it."""

    def __init__(self, load: Rounds) -> None:
        self._load = load
        self._left = len(ANSWERS[b"/s"])
        self._begun = time.perf_counter()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        transport.write(b"GET /s? HTTP/1.1\r\nhost: x\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._left == 0:
            self._load.took_s.append(time.perf_counter() - self._begun)
        self.over.set_result(None)


async def anew(engine: Engine, figures: Figures, connections: int) -> None:
    """Each request on a connection of its own."""
    load = Rounds()
    loop = asyncio.get_running_loop()

    async def client() -> None:
        while not load.is_over:
            _, once = await loop.create_connection(lambda: Once(load), "127.0.0.1", engine.port)
            await once.over

    clients = [asyncio.create_task(client()) for _ in range(connections)]
    await measured(engine, figures, load)
    await asyncio.gather(*clients)


async def measured(engine: Engine, figures: Figures, load: Rounds) -> None:
    await asyncio.sleep(WARM_UP_S)
    load.took_s.clear()
    begun, cpu = time.perf_counter(), engine.cpu_s()
    await asyncio.sleep(ROUND_S)
    requests, took = len(load.took_s), time.perf_counter() - begun
    figures.per_second.append(requests / took)
    figures.cpu_us.append((engine.cpu_s() - cpu) / max(1, requests) * 1e6)
    figures.took_s += load.took_s
    load.is_over = True
    await asyncio.sleep(0.2)


async def late(engine: Engine, figures: Figures) -> None:
    """Round trips with 50 ms of latency on 64 connections."""
    await engine.add("latency", latency=LATENCY_MS)
    await kept(engine, figures, b"/s", 64)
    await engine.remove()


class Pings(asyncio.Protocol):
    """Round trips without a pause; notes when each was sent and came back."""

    def __init__(self) -> None:
        self.trips: list[tuple[float, float]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self.transport.write(b"ping")

    def data_received(self, data: bytes) -> None:
        self.trips.append((self._sent, time.perf_counter()))
        self._send()


async def switches(engine: Engine, took_s: list[float]) -> None:
    """From asking for a latency to the moment the first delayed byte met it."""
    loop = asyncio.get_running_loop()
    transport, pings = await loop.create_connection(Pings, "127.0.0.1", engine.port)
    for _ in range(SWITCHES):
        await asyncio.sleep(0.01)
        pings.trips.clear()
        asked = time.perf_counter()
        await engine.add("latency", latency=SWITCH_MS)
        struck: list[float] = []
        while not struck:
            await asyncio.sleep(SWITCH_MS / 1000)
            struck = [came for sent, came in pings.trips if came - sent >= SWITCH_MS / 1000 * 0.95]
        took_s.append(max(0.0, struck[0] - SWITCH_MS / 1000 - asked))
        await engine.remove()
    transport.close()


async def idle(engine: Engine) -> dict[str, float]:
    """What 1,000 connections cost that do nothing."""
    loop = asyncio.get_running_loop()
    before = engine.resident_mb()
    begun = time.perf_counter()
    transports = [
        (await loop.create_connection(asyncio.Protocol, "127.0.0.1", engine.port))[0]
        for _ in range(IDLE)
    ]
    opened = time.perf_counter() - begun
    await asyncio.sleep(0.5)
    memory, cpu = engine.resident_mb() - before, engine.cpu_s()
    await asyncio.sleep(1)
    cpu = engine.cpu_s() - cpu
    begun = time.perf_counter()
    await engine.ask("GET", "/proxies")
    listed = time.perf_counter() - begun
    for transport in transports:
        transport.close()
    await asyncio.sleep(0.5)
    return {"opened in s": opened, "kB each": memory * 1000 / IDLE, "CPU % while idle": cpu * 100,
            "GET /proxies ms": listed * 1000}  # fmt: skip


class Source(asyncio.Protocol):
    """Sends a gigabyte as fast as it is taken."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._left = GIGABYTE
        self._may_write = True
        self._more()

    def _more(self) -> None:
        while self._may_write and self._left:
            self._transport.write(BIG)
            self._left -= len(BIG)

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        self._more()


async def gigabyte(engine: Engine) -> dict[str, float]:
    """The most memory an engine takes more while 1 GB passes 100 MB/s, pushed without a pause."""
    loop = asyncio.get_running_loop()
    received, over = 0, loop.create_future()

    class Drain(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            nonlocal received
            received += len(data)
            if received >= GIGABYTE:
                over.set_result(None)

    source = await loop.create_server(Source, "127.0.0.1", 0)
    port = source.sockets[0].getsockname()[1]
    given = {"name": "gb", "upstream": f"127.0.0.1:{port}", "listen": "127.0.0.1:0"}
    listen = (await engine.ask("POST", "/proxies", given))["listen"]
    toxic = {"name": "t", "type": "bandwidth", "attributes": {"rate": FAST_KB_S}}
    await engine.ask("POST", "/proxies/gb/toxics", toxic)
    before = highest = engine.resident_mb()
    begun = time.perf_counter()
    await loop.create_connection(Drain, "127.0.0.1", int(listen.rpartition(":")[2]))
    while not over.done():
        await asyncio.sleep(0.05)
        highest = max(highest, engine.resident_mb())
    took = time.perf_counter() - begun
    await engine.ask("DELETE", "/proxies/gb")
    source.close()
    return {"s (10 wanted)": took, "MB more at most": highest - before}


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def row(name: str, cells: list[str]) -> None:
    print(f"  {name:<34}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def compare(name: str, of_each: list[float], form: str, *, is_ratio: bool = True) -> None:
    cells = [format(value, form) for value in of_each]
    if is_ratio and len(of_each) == 2 and of_each[1]:
        cells.append(f"{of_each[0] / of_each[1]:.2f} x")
    row(name, cells)


async def throughput(
    engines: list[Engine], name: str, load: Callable[[Engine, Figures], Awaitable[None]]
) -> None:
    """Alternating rounds of one kind of load, and their rows."""
    figures = [Figures() for _ in engines]
    for _ in range(ROUNDS):
        for engine, found in zip(engines, figures, strict=True):
            await load(engine, found)
    compare(f"{name}, 1/s", [statistics.median(one.per_second) for one in figures], ",.0f")
    compare("  engine CPU us each", [statistics.median(one.cpu_us) for one in figures], ".1f")
    compare("  p99 ms", [quantile(one.took_s, 0.99) * 1000 for one in figures], ".2f")


async def run() -> None:
    loop = asyncio.get_running_loop()
    upstream = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=1024)
    port = upstream.sockets[0].getsockname()[1]
    engines = [await Engine.start("embedded", [sys.executable, "-m", "harness.toxics"], port)]
    binary = real_server()
    if binary is None:
        print("  no real Toxiproxy server here and no Go to build one: the embedded engine alone")
    else:
        engines.append(await Engine.start("toxiproxy", [binary], port))
    try:
        row("medians of alternating rounds", [one.name for one in engines] + ["ratio"])
        await throughput(engines, "kept connections (32)", lambda e, f: kept(e, f, b"/s", 32))
        await throughput(engines, "a connection each (32)", lambda e, f: anew(e, f, 32))
        await throughput(engines, "1 MB bodies (8)", lambda e, f: kept(e, f, b"/b", 8))
        figures = [Figures() for _ in engines]
        for _ in range(ROUNDS):
            for engine, found in zip(engines, figures, strict=True):
                await late(engine, found)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            errors = [quantile(one.took_s, share) * 1000 - LATENCY_MS for one in figures]
            compare(f"latency of 50 ms: error {name}, ms", errors, ".2f")
        waits: list[list[float]] = [[] for _ in engines]
        for engine, took in zip(engines, waits, strict=True):
            await switches(engine, took)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            compare(f"switch to first byte: {name}, ms",
                    [quantile(one, share) * 1000 for one in waits], ".2f")  # fmt: skip
        for name, work in (("1,000 idle", idle), ("1 GB at 100 MB/s", gigabyte)):
            found = [await work(engine) for engine in engines]
            for what in found[0]:
                compare(f"{name}: {what}", [one[what] for one in found], ".2f")
    finally:
        for engine in engines:
            await engine.stop()
        upstream.close()


def main() -> None:
    """Run all of it."""
    uvloop.run(run())


if __name__ == "__main__":
    main()
