"""Payments/s through seven links, a proxy on every hop: ours beside what one would build instead.

Ours in two processes, in as many as `auto` takes here, and in four; seven services in Go behind a
real Toxiproxy server, where Go is there to build both; seven with FastAPI and httpx. The same hops,
the same 32 closed users, service times of zero, by turns. Processor time per payment and waits are
those of the links and proxies alone: the users are bare sockets under epoll. So is what they could
reach "at most", if all cores were theirs: until these are used up, or until the busiest process has
one to itself.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.engine import quantile, real_server
from paychain.environment.real import RealChain
from paychain.model.experiment import NumberOfProcesses
from paychain.model.loading import load_chain
from paychain.payments.cards import TEST_CARDS
from paychain.processes.loopback import LOOPBACK, free_port
from paychain.protocol.dialects.native import encode
from paychain.protocol.message import PaymentRequest

ROUNDS, PAYMENTS, WARM_UP, USERS = 5, 6_000, 600, 32
SLOW = "FastAPI, Toxiproxy"
RIVALS = Path(__file__).with_name("rivals")
READY_S = 30.0
# Whom each link asks, the last link first: as in the chain of ours.
LINKS = {
    "issuer": (),
    "scheme": ("issuer",),
    "processor-a": ("scheme",),
    "authentication": (),
    "fraud": (),
    "gateway": ("fraud", "authentication", "processor-a"),
    "edge": ("gateway",),
}
CHAIN = """
chain: seven
entry: edge
deadline: 60s
links:
  edge: {role: edge, answers_in: AT_ONCE, forwards_to: gateway}
  gateway:
    role: gateway
    answers_in: AT_ONCE
    calls:
      screen: {to: fraud, timeout: 30s}
      authenticate: {to: authentication, timeout: 30s}
      authorise: {to: processor-a, timeout: 30s}
  fraud: {role: fraud, answers_in: AT_ONCE}
  authentication: {role: authentication, answers_in: AT_ONCE}
  processor-a:
    {role: processor, answers_in: AT_ONCE, calls: {authorise: {to: scheme, timeout: 30s}}}
  scheme: {role: scheme, answers_in: AT_ONCE, calls: {authorise: {to: issuer, timeout: 30s}}}
  issuer: {role: issuer, answers_in: AT_ONCE}
"""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Figures:
    """What the rounds of one rival showed."""

    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)  # of all its processes, for a payment
    busiest: list[float] = field(default_factory=list)  # its busiest process's share of that
    p50_ms: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)  # p99 / p50

    def line(self, name: str, first: Figures) -> str:
        """Medians, the least processor time, and the rate beside the first rival's, in pairs."""
        cores = os.cpu_count() or 1
        median = statistics.median
        beside = [ours / theirs for ours, theirs in zip(self.rates, first.rates, strict=True)]
        return (
            f"  {name:<24}{median(self.rates):8,.0f}/s {median(beside):5.2f} x, at most"
            f" {1e6 / min(self.cpu_us) / max(1 / cores, median(self.busiest)):7,.0f}/s;"
            f"{min(self.cpu_us):8,.0f} us CPU, busiest process {median(self.busiest):4.0%}"
            f"   p50 {median(self.p50_ms):6.1f} ms, p99 {min(self.tails):4.1f} to"
            f" {max(self.tails):4.1f} x p50"
        )


@dataclass(frozen=True)
class Running:
    """Where customers pay, and the processes that are paid through."""

    port: int
    pids: tuple[int, ...]


# -- the rivals -----------------------------------------------------------------------------------
@contextmanager
def ours(processes: NumberOfProcesses) -> Iterator[Running]:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "seven.yaml"
        file.write_text(CHAIN.replace("AT_ONCE", "{median: 0s, p99: 0s}"))
        spool = Path(scratch) / "spool"
        spool.mkdir()
        chain = RealChain(load_chain(str(file)), spool, seed=1, processes=processes)
        try:
            chain.start()
            port = int(chain.entry_urls["edge"].rpartition(":")[2])
            yield Running(port, tuple(_children()))
        finally:
            chain.stop()


def _children() -> Iterator[int]:
    """The processes that this one has started and that live."""
    for file in Path("/proc/self/task").glob("*/children"):
        yield from map(int, file.read_text().split())


@contextmanager
def theirs(command: Sequence[str], toxiproxy: str) -> Iterator[Running]:
    """Seven processes of `command`, each behind a proxy of one real Toxiproxy server."""
    with ExitStack() as stack:
        api = free_port()
        quiet = {**os.environ, "LOG_LEVEL": "error"}
        started = [_start(stack, [toxiproxy, "-host", LOOPBACK, "-port", str(api)], quiet)]
        _wait_for(api)
        near: dict[str, int] = {}
        for name, asks in LINKS.items():
            port = free_port()
            urls = [f"{link}=http://{LOOPBACK}:{near[link]}" for link in asks]
            started.append(_start(stack, [*command, name, str(port), *urls]))
            _wait_for(port)
            near[name] = _proxy(api, name, port)
        yield Running(near["edge"], tuple(process.pid for process in started))


def _start(
    stack: ExitStack, command: Sequence[str], environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    process = stack.enter_context(
        subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    )
    stack.callback(process.kill)
    return process


def _wait_for(port: int) -> None:
    until = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection((LOOPBACK, port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def _proxy(api: int, name: str, port: int) -> int:
    """The port of a new proxy before a service."""
    connection = http.client.HTTPConnection(LOOPBACK, api, timeout=READY_S)
    wanted = {"name": name, "upstream": f"{LOOPBACK}:{port}", "listen": f"{LOOPBACK}:0"}
    connection.request("POST", "/proxies", json.dumps(wanted))
    made = json.load(connection.getresponse())
    connection.close()
    return int(made["listen"].rpartition(":")[2])


def in_go() -> str | None:
    """The Go services' program, built now; None without Go."""
    go = shutil.which("go")
    if go is None:
        return None
    program = Path(tempfile.gettempdir()) / f"paychain-rival-{os.getuid()}"
    subprocess.run([go, "build", "-o", program, RIVALS / "services.go"], check=True, timeout=600)
    return str(program)


# -- the users ------------------------------------------------------------------------------------
def pay(port: int, payments: range) -> tuple[list[float], float]:
    """Let closed users pay; how long each payment took, and all of them, in seconds."""
    poll = select.epoll()
    users: dict[int, socket.socket] = {}
    begun: dict[int, float] = {}
    came: dict[int, bytes] = {}
    numbers = iter(payments)

    def send(user: int) -> None:
        number = next(numbers, None)
        if number is None:
            return
        name = f"p{number:07d}"
        body = encode(PaymentRequest(name, 1_000, "EUR", TEST_CARDS[0], key=name))
        begun[user], came[user] = time.perf_counter(), b""
        users[user].send(
            b"POST /pay HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )

    for _ in range(USERS):
        connection = socket.create_connection((LOOPBACK, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        users[connection.fileno()] = connection
        poll.register(connection.fileno(), select.EPOLLIN)
    took: list[float] = []
    started = time.perf_counter()
    for user in users:
        send(user)
    while len(took) < len(payments):
        for user, _ in poll.poll(READY_S):
            came[user] += users[user].recv(65_536)
            head, end, body = came[user].partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if not end or length is None or len(body) < int(length[1]):
                assert came[user], "a connection was closed"
                continue
            assert b'"approved"' in body, came[user]
            took.append(time.perf_counter() - begun[user])
            send(user)
    lasted = time.perf_counter() - started
    for connection in users.values():
        connection.close()
    poll.close()
    return took, lasted


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(running: Running, figures: Figures, payments: int) -> None:
    """One round on one rival."""
    warm_up = min(WARM_UP, payments)
    pay(running.port, range(warm_up))
    before = [_cpu_s(pid) for pid in running.pids]
    took, lasted = pay(running.port, range(warm_up, warm_up + payments))
    used = [_cpu_s(pid) - first for pid, first in zip(running.pids, before, strict=True)]
    p50 = quantile(took, 0.5)
    figures.rates.append(payments / lasted)
    figures.cpu_us.append(sum(used) / payments * 1e6)
    figures.busiest.append(max(used) / max(1e-9, sum(used)))
    figures.p50_ms.append(p50 * 1e3)
    figures.tails.append(quantile(took, 0.99) / p50)


def main(words: Sequence[str] = ()) -> None:
    """Print what each rival does."""
    options = ArgumentParser(prog="python -m bench rival", description=__doc__)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--payments", type=int, default=PAYMENTS)
    given = options.parse_args(list(words))
    rivals: dict[str, Callable[[], AbstractContextManager[Running]]] = {
        "ours, 2 processes": partial(ours, 2),
        "ours, auto": partial(ours, "auto"),
        "ours, 4 processes": partial(ours, 4),
    }
    toxiproxy, go = real_server(), in_go()
    if toxiproxy is None:
        print("  no real Toxiproxy server and no Go to build one: ours alone")
    else:
        if go is not None:
            rivals["Go, Toxiproxy"] = partial(theirs, [go], toxiproxy)
        fastapi = [sys.executable, str(RIVALS / "services.py")]
        rivals[SLOW] = partial(theirs, fastapi, toxiproxy)
    print(
        f"  {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} before it began;"
        f" {given.rounds} alternating rounds of {given.payments:,} payments",
        flush=True,
    )
    found = {name: Figures() for name in rivals}
    for _ in range(given.rounds):
        for name, start in rivals.items():
            with start() as running:
                # It takes ten times as long as the others for each.
                payments = given.payments // 10 if name == SLOW else given.payments
                measure(running, found[name], payments)
    first = next(iter(found.values()))
    for name, figures in found.items():
        print(figures.line(name, first), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
