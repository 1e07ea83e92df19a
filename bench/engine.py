"""The embedded engine and a real Toxiproxy server in alternating rounds on the same upstream.

Requests/s and CPU per request on kept and on new connections and with 1 MB bodies, the accuracy of
50 ms of latency, 1,000 idle connections, the time from a switch to the first affected byte, and
memory while 1 GB passes a bandwidth toxic. The upstream is a process of its own; it and the load
are bare sockets under epoll, so that they cost less than what they measure.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import select
import shutil
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paychain.processes.children import python_module
from paychain.processes.loopback import LOOPBACK, free_port

ROUNDS, ROUND_S, WARM_UP_S = 5, 1.2, 0.2
SMALL = b'{"id":"pay_0123456789","status":"approved","amount":1250,"currency":"EUR","pad":"%s"}' % (
    b"x" * 100
)
BIG = b"x" * 1_000_000
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
ASK = b"GET /%s HTTP/1.1\r\nhost: x\r\n\r\n"
ANSWERS = {b"s": HEAD % len(SMALL) + SMALL, b"b": HEAD % len(BIG) + BIG}
ANSWERS[b"c"] = ANSWERS[b"s"]  # after which the upstream closes
LATENCY_MS = 50
SWITCHES, SWITCH_MS = 100, 20
IDLE = 1_000
GIGABYTE, FAST_KB_S = 1_000_000_000, 100_000
MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
BUILT = Path(__file__).parents[1] / "tests" / ".toxiproxy" / "server"
API_S = 30  # a real server may take long under load


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


class Engine:
    """One engine's process, its API and its proxy before the upstream."""

    def __init__(self, name: str, command: list[str], upstream: int) -> None:
        port = free_port()
        self.name = name
        self._process = subprocess.Popen(
            [*command, "-host", LOOPBACK, "-port", str(port)],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "LOG_LEVEL": "error"},
        )
        self._api_port = port
        until = time.monotonic() + 10
        while True:
            try:
                self.port = self.proxy("p", upstream)
                break
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    self.stop()
                    raise
                time.sleep(0.05)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the API, on a connection of its own: an engine closes idle connections."""
        api = http.client.HTTPConnection(LOOPBACK, self._api_port, timeout=API_S)
        try:
            api.request(method, path, json.dumps(body) if body is not None else None)
            answer = api.getresponse()
            text = answer.read()
        finally:
            api.close()
        assert answer.status < 300, text
        return json.loads(text) if text else None

    def proxy(self, name: str, upstream: int) -> int:
        given = {"name": name, "upstream": f"{LOOPBACK}:{upstream}", "listen": f"{LOOPBACK}:0"}
        return int(self.ask("POST", "/proxies", given)["listen"].rpartition(":")[2])

    def add(self, kind: str, proxy: str = "p", **attributes: int) -> None:
        toxic = {"name": "t", "type": kind, "attributes": attributes}
        self.ask("POST", f"/proxies/{proxy}/toxics", toxic)

    def remove(self) -> None:
        self.ask("DELETE", "/proxies/p/toxics/t")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def serve(listener: socket.socket) -> None:
    """The upstream: answers what it is asked for, sends back what is no request."""
    listener.setblocking(False)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    peers: dict[int, socket.socket] = {}
    unsent: dict[int, memoryview] = {}
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                try:
                    peer, _ = listener.accept()
                except BlockingIOError:
                    continue
                peer.setblocking(False)
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peers[peer.fileno()] = peer
                poll.register(peer, select.EPOLLIN)
                continue
            peer = peers[number]
            kind = b""
            try:
                left = unsent.pop(number, None)
                if left is None:
                    data = peer.recv(65_536)
                    if not data:
                        peers.pop(number).close()
                        continue
                    kind = data[5:6]
                    left = memoryview(ANSWERS[kind] if data.startswith(b"GET /") else data)
                sent = peer.send(left)
            except BlockingIOError:
                if left is None:  # nothing has come
                    continue
                sent = 0
            except OSError:
                peers.pop(number).close()
                continue
            if sent < len(left):
                unsent[number] = left[sent:]
                poll.modify(number, select.EPOLLOUT)
            elif kind == b"c":
                peers.pop(number).close()
            elif not kind:
                poll.modify(number, select.EPOLLIN)


@dataclass
class Figures:
    """What one kind of load gave on one engine, round by round."""

    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)


def load(engine: Engine, figures: Figures, kind: bytes, connections: int) -> None:
    """One round: so many requests at a time; `c` takes a connection for each."""
    asking, whole = ASK % kind, len(ANSWERS[kind])
    poll = select.epoll()
    clients: dict[int, socket.socket] = {}
    begun: dict[int, float] = {}
    left: dict[int, int] = {}
    buffer = bytearray(262_144)

    def connect() -> None:
        client = socket.socket()
        now = time.perf_counter()
        client.connect((LOOPBACK, engine.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = client.fileno()
        clients[number] = client
        client.send(asking)
        begun[number], left[number] = now, whole
        poll.register(number, select.EPOLLIN)

    def turn() -> None:
        for number, _ in poll.poll(1):
            client = clients[number]
            got = client.recv_into(buffer)
            left[number] -= got
            if left[number] and got:
                continue
            if got and kind == b"c":
                continue  # the end is still to come
            now = time.perf_counter()
            took.append(now - begun[number])
            if kind == b"c":
                clients.pop(number).close()
                connect()
            else:
                begun[number], left[number] = now, whole
                client.send(asking)

    took: list[float] = []
    for _ in range(connections):
        connect()
    until = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < until:
        turn()
    took.clear()
    started, cpu = time.perf_counter(), engine.cpu_s()
    until = started + ROUND_S
    while time.perf_counter() < until:
        turn()
    figures.per_second.append(len(took) / (time.perf_counter() - started))
    figures.cpu_us.append((engine.cpu_s() - cpu) / max(1, len(took)) * 1e6)
    figures.took_s += took
    for client in clients.values():
        client.close()
    poll.close()
    time.sleep(0.1)


def late(engine: Engine, figures: Figures) -> None:
    """Round trips with 50 ms of latency on 64 connections."""
    engine.add("latency", latency=LATENCY_MS)
    load(engine, figures, b"s", 64)
    engine.remove()


def switches(engine: Engine) -> list[float]:
    """From asking for a latency to the moment the first delayed byte met it."""
    trips: list[tuple[float, float]] = []
    is_over = threading.Event()

    def ping() -> None:
        with socket.create_connection((LOOPBACK, engine.port)) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not is_over.is_set():
                sent = time.perf_counter()
                client.send(b"ping")
                client.recv(16)
                trips.append((sent, time.perf_counter()))

    pinging = threading.Thread(target=ping)
    pinging.start()
    took_s = []
    for _ in range(SWITCHES):
        time.sleep(0.01)
        trips.clear()
        asked = time.perf_counter()
        engine.add("latency", latency=SWITCH_MS)
        affected: list[float] = []
        while not affected:
            time.sleep(SWITCH_MS / 1000)
            affected = [came for sent, came in trips if came - sent >= SWITCH_MS / 1000 * 0.95]
        took_s.append(max(0.0, affected[0] - SWITCH_MS / 1000 - asked))
        engine.remove()
    is_over.set()
    pinging.join()
    return took_s


def idle(engine: Engine) -> dict[str, float]:
    """What 1,000 connections cost that do nothing."""
    before = engine.resident_mb()
    begun = time.perf_counter()
    clients = [socket.create_connection((LOOPBACK, engine.port)) for _ in range(IDLE)]
    opened = time.perf_counter() - begun
    time.sleep(0.5)
    memory, cpu = engine.resident_mb() - before, engine.cpu_s()
    time.sleep(1)
    cpu = engine.cpu_s() - cpu
    begun = time.perf_counter()
    engine.ask("GET", "/proxies")
    listed = time.perf_counter() - begun
    for client in clients:
        client.close()
    time.sleep(0.5)
    return {
        "opened in s": opened,
        "kB each": memory * 1000 / IDLE,
        "CPU % while idle": cpu * 100,
        "GET /proxies ms": listed * 1000,
    }


def gigabyte(engine: Engine) -> dict[str, float]:
    """The most memory an engine takes more while 1 GB passes 100 MB/s, pushed without a pause."""
    source = socket.create_server((LOOPBACK, 0))
    port = engine.proxy("gb", source.getsockname()[1])
    engine.add("bandwidth", "gb", rate=FAST_KB_S)

    def push() -> None:
        with source.accept()[0] as peer:
            for _ in range(GIGABYTE // len(BIG)):
                peer.sendall(BIG)

    pushing = threading.Thread(target=push)
    pushing.start()
    before = highest = engine.resident_mb()
    begun = looked = time.perf_counter()
    buffer = bytearray(1_000_000)
    received = 0
    with socket.create_connection((LOOPBACK, port)) as client:
        while received < GIGABYTE:
            received += client.recv_into(buffer)
            if time.perf_counter() - looked > 0.05:
                looked = time.perf_counter()
                highest = max(highest, engine.resident_mb())
    took = time.perf_counter() - begun
    pushing.join()
    engine.ask("DELETE", "/proxies/gb")
    source.close()
    return {"s (10 wanted)": took, "MB more at most": highest - before}


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def compare(name: str, of_each: list[float], form: str) -> None:
    cells = [format(value, form) for value in of_each]
    if len(of_each) == 2 and of_each[1] > 0:
        cells.append(f"{of_each[0] / of_each[1]:.2f} x")
    print(f"  {name:<34}" + "".join(f"{cell:>14}" for cell in cells), flush=True)


def alternate(engines: list[Engine], work: Callable[[Engine, Figures], None]) -> list[Figures]:
    """Rounds of one kind of load, the engines by turns."""
    figures = [Figures() for _ in engines]
    for _ in range(ROUNDS):
        for engine, found in zip(engines, figures, strict=True):
            work(engine, found)
    return figures


def run(engines: list[Engine]) -> None:
    """Every measurement, on all engines."""
    for name, kind, connections in [
        ("kept connections (32)", b"s", 32),
        ("a connection each (32)", b"c", 32),
        ("1 MB bodies (8)", b"b", 8),
    ]:
        figures = alternate(engines, lambda e, f, k=kind, c=connections: load(e, f, k, c))  # type: ignore[misc]  # a lambda with defaults
        compare(f"{name}, 1/s", [statistics.median(each.per_second) for each in figures], ",.0f")
        compare("  engine CPU us each", [statistics.median(each.cpu_us) for each in figures], ".1f")
        compare("  p99 ms", [quantile(each.took_s, 0.99) * 1000 for each in figures], ".2f")
    figures = alternate(engines, late)
    waits = [switches(engine) for engine in engines]
    for title, values in (
        (
            "latency of 50 ms: error {}, ms",
            [[took - LATENCY_MS / 1000 for took in each.took_s] for each in figures],
        ),
        ("switch to first byte: {}, ms", waits),
    ):
        for share, quantile_name in ((0.5, "p50"), (0.99, "p99"), (1.0, "max")):
            compare(
                title.format(quantile_name),
                [quantile(each, share) * 1000 for each in values],
                ".2f",
            )
    for name, work in (("1,000 idle", idle), ("1 GB at 100 MB/s", gigabyte)):
        found = [work(engine) for engine in engines]
        for what in found[0]:
            compare(f"{name}: {what}", [of_engine[what] for of_engine in found], ".2f")


def main() -> None:
    """Run all of it."""
    listener = socket.create_server((LOOPBACK, 0), backlog=1024)
    upstream = multiprocessing.get_context("fork").Process(
        target=serve, args=(listener,), daemon=True
    )
    upstream.start()
    port = listener.getsockname()[1]
    engines: list[Engine] = []
    try:
        engines.append(Engine("embedded", python_module("paychain.toxics"), port))
        binary = real_server()
        if binary is None:
            print("  no real Toxiproxy server and no Go to build one: the embedded engine alone")
        else:
            engines.append(Engine("toxiproxy", [binary], port))
        print(
            f"  {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} before it began;"
            f" medians of {ROUNDS} alternating rounds: {' / '.join(e.name for e in engines)}",
            flush=True,
        )
        run(engines)
    finally:
        for engine in engines:
            engine.stop()
        upstream.kill()
        upstream.join()


if __name__ == "__main__":
    main()
