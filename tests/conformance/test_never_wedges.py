"""The embedded engine under abuse: switches amid disconnects, and requests nobody would send."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import random
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from paychain.toxics.api import Api
from paychain.wire.http import HttpRequest
from tests.support.engine_subject import Subject, connect, receive
from tests.support.laws import rounds
from tests.support.paths import SUPPORT
from tests.support.waiting import settled, wait_until

SWITCHES = rounds(10_000)
STANDING = 1  # toxics that stand when the next is added
REQUESTS = rounds(100_000)
KINDS: dict[str, list[dict[str, int]]] = {
    "noop": [{}],
    "latency": [{"latency": 30, "jitter": 30}, {"latency": 5_000}],
    "bandwidth": [{"rate": 0}, {"rate": 100}, {"rate": 100_000}],
    "slow_close": [{"delay": 1_000}],
    "timeout": [{"timeout": 0}, {"timeout": 20}],
    "reset_peer": [{"timeout": 0}, {"timeout": 20}],
    "slicer": [{"average_size": 500, "size_variation": 100, "delay": 10}],
    "limit_data": [{"bytes": 0}, {"bytes": 50_000}],
    "refuse": [{}],
    "blackhole": [{}],
}


class Process:
    """What the engine's process holds."""

    def __init__(self, engine: Subject) -> None:
        self._place = Path(f"/proc/{engine.process.pid}")

    def files(self) -> int:
        return len(list((self._place / "fd").iterdir()))

    def resident_mb(self) -> float:
        return int((self._place / "statm").read_text().split()[1]) * 4096 / 1e6


class Abusers:
    """The process of abusers.py."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SUPPORT / "abusers.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.upstream = self._read()

    def begin(self, port: int) -> None:
        self._write(str(port))

    def end(self) -> tuple[int, int]:
        """Bodies that were answered, and talks that broke."""
        self._write("enough")
        answered, broken = self._read().split()
        return int(answered), int(broken)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class Timed:
    """A kept connection to the API that notes how long each answer takes."""

    def __init__(self, engine: Subject) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=20)
        self.took_s: list[float] = []

    def ask(self, method: str, path: str, body: Any = None) -> int:
        started = time.perf_counter()
        self._connection.request(method, path, json.dumps(body) if body is not None else None)
        response = self._connection.getresponse()
        response.read()
        self.took_s.append(time.perf_counter() - started)
        return response.status


@pytest.mark.slow
@pytest.mark.law
@pytest.mark.long(90 * SWITCHES / 10_000)
@pytest.mark.timeout(900)
def test_thousands_of_switches_amid_disconnects_wedge_nothing(
    ours: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    abusers, process = Abusers(), Process(ours)
    proxy = ours.proxy(abusers.upstream)
    files_before, memory_before = settled(process.files), settled(process.resident_mb)
    abusers.begin(proxy.port)
    chance, api = random.Random(1), Timed(ours)
    path = f"/proxies/{proxy.name}/toxics"
    highest_mb = memory_before
    pairs = [(kind, stream) for kind in KINDS for stream in ("upstream", "downstream")]
    for number, (kind, stream) in zip(range(SWITCHES // 3), itertools.cycle(pairs), strict=False):
        toxic = {
            "name": f"t{number}",
            "type": kind,
            "stream": stream,
            "toxicity": chance.choice([1, 0.5]),
            "attributes": chance.choice(KINDS[kind]),
        }
        assert api.ask("POST", path, toxic) == 200
        changed = {"attributes": chance.choice(KINDS[kind]), "toxicity": chance.random()}
        assert api.ask("PATCH", f"{path}/t{number}", changed) == 200
        if number % 10 == 0:
            highest_mb = max(highest_mb, process.resident_mb())
            assert api.ask("GET", "/proxies") == 200
        if number >= STANDING:
            assert api.ask("DELETE", f"{path}/t{number - STANDING}") == 204
    api.ask("POST", "/reset")
    answered, broken = abusers.end()
    took_ms = sorted(1_000 * took for took in api.took_s)
    with capsys.disabled():
        print(
            f"\n{len(took_ms)} API calls: p50 {took_ms[len(took_ms) // 2]:.2f} ms, "
            f"p99 {took_ms[-len(took_ms) // 100]:.1f} ms, max {took_ms[-1]:.1f} ms; "
            f"{answered} bodies answered, {broken} broken; "
            f"memory {memory_before:.0f} MB before, {highest_mb:.0f} MB at most"
        )
    assert took_ms[-len(took_ms) // 100] < 500
    assert took_ms[-1] < 2_000  # a busy machine; quiet ones are far below 100 ms
    assert answered > 20 * SWITCHES // 10_000
    assert broken > 20 * SWITCHES // 10_000
    counters = f"/counters of {proxy.name}"
    wait_until(
        lambda: ours.ask("GET", "/counters").json[proxy.name]["live"] == 0, f"none live: {counters}"
    )
    wait_until(lambda: process.files() <= files_before + 1, "no file is left open")
    assert process.resident_mb() - memory_before < 150  # the log of events keeps up to 50 MB
    client = connect(proxy.port)
    client.sendall(struct.pack("!I", 3) + b"abc")
    assert receive(client, 3) == b"yyy"
    client.close()
    abusers.stop()


FIELDS = [
    "name",
    "type",
    "stream",
    "toxicity",
    "attributes",
    "listen",
    "upstream",
    "enabled",
    "latency",
    "jitter",
    "rate",
    "delay",
    "timeout",
    "bytes",
    "average_size",
    "size_variation",
    "Logger",
    "NAME",
]
VALUES: list[Any] = [
    "a",
    "b",
    "c",
    "latency",
    "slicer",
    "timeout",
    "limit_data",
    "bandwidth",
    "reset_peer",
    "refuse",
    "blackhole",
    "upstream",
    "downstream",
    "DOWNSTREAM",
    "",
    "127.0.0.1:0",
    "bad",
    "127.0.0.1:1",
    "localhost:0",
    "[::1",
    "é\0",
    0,
    1,
    -1,
    5,
    0.5,
    1.5,
    1e300,
    2**63,
    -(2**70),
    True,
    False,
    None,
    [],
    {},
    [[]],
    "x" * 300,
]
PATHS = [
    "/proxies",
    "/proxies/a",
    "/proxies/b",
    "/proxies/a/toxics",
    "/proxies/b/toxics",
    "/proxies/a/toxics/a",
    "/proxies/a/toxics/latency_downstream",
    "/populate",
    "/reset",
    "/version",
    "/metrics",
    "/counters",
    "/events?after=5",
    "/events?after=x",
    "/proxies/",
    "//proxies",
    "/proxies/%00",
    "/proxies/%ff",
    "/proxies/a/../b",
    "*",
    "",
    "/x" * 50,
    "/proxies/a%2Fb",
    "/é",
]
STATUSES = {200, 201, 204, 301, 400, 404, 405, 409, 500}


def any_body(chance: random.Random) -> bytes:
    """Anything from well-formed to noise."""
    kind = chance.random()
    if kind < 0.1:
        return chance.randbytes(chance.randrange(40))
    value = any_value(chance, 3)
    if kind < 0.2:
        value = [value for _ in range(chance.randrange(4))]
    body = json.dumps(value).encode()
    if kind > 0.8:
        at = chance.randrange(len(body) + 1)
        body = body[:at] + chance.randbytes(chance.randrange(3)) + body[at + chance.randrange(3) :]
    return body


def any_value(chance: random.Random, depth: int) -> Any:
    if chance.random() < 0.1:
        return chance.choice(VALUES)
    made = {}
    for key in chance.sample(FIELDS, chance.randrange(8)):
        nested = key == "attributes" and depth
        made[key] = any_value(chance, depth - 1) if nested else chance.choice(VALUES)
    if chance.random() < 0.5:
        made |= {"name": chance.choice("abc"), "upstream": "127.0.0.1:1"}
    if chance.random() < 0.5:
        made |= {"type": chance.choice(sorted(KINDS)), "stream": "upstream"}
    return made


def any_request(chance: random.Random) -> HttpRequest:
    method = chance.choice(["GET", "POST", "POST", "POST", "PATCH", "DELETE", "PUT", "?"])
    return HttpRequest(method, chance.choice(PATHS), {}, any_body(chance))


def a_new_proxy(chance: random.Random) -> HttpRequest:
    """A well-formed request whose name may be taken, and whose address may be none."""
    name, listen = chance.choice("abc"), chance.choice(["127.0.0.1:0", "bad"])
    body = {"name": name, "upstream": "127.0.0.1:1", "listen": listen}
    return HttpRequest("POST", "/proxies", {}, json.dumps(body).encode())


@pytest.mark.slow
@pytest.mark.law
@pytest.mark.long(75 * REQUESTS / 100_000)
@pytest.mark.timeout(900)
def test_thousands_of_requests_that_nobody_would_send_get_proper_answers() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    seen: set[int] = set()

    async def all_of_them() -> None:
        api = Api(1)
        for number in range(REQUESTS):
            request = a_new_proxy(chance) if number % 50 == 0 else any_request(chance)
            about = f"seed {seed}, request {number}: {request}"
            response = await asyncio.wait_for(api.handle(request), 5)
            assert response is not None, about
            assert response.status in STATUSES, about
            seen.add(response.status)
            if response.headers.get("content-type") == "application/json":
                json.loads(response.body)
            if response.status in (400, 409, 500):
                error = json.loads(response.body)
                assert error["status"] == response.status, about
                assert error["error"], about
                if response.status == 500:
                    assert error["error"].startswith(("listen tcp", "address ", "lookup ")), about
            if number % 997 == 0:  # so that names are free again
                for name in list(api.proxies):
                    if name not in "ab":
                        api.proxies.pop(name).stop()
        for proxy in api.proxies.values():
            proxy.stop()

    asyncio.run(all_of_them())
    assert seen == STATUSES


def test_bytes_that_are_no_request_leave_the_engine_as_it_was(ours: Subject) -> None:
    chance = random.Random(2)
    started = [b"GET ", b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{", b""]
    for _ in range(500):
        client = connect(ours.port)
        client.sendall(chance.choice(started) + chance.randbytes(chance.randrange(1, 200)))
        client.shutdown(socket.SHUT_WR)
        try:
            got = receive(client, 20)
        except ConnectionResetError:
            got = b""
        assert got == b"" or got.startswith(b"HTTP/1.1 ")
        client.close()
    for _ in range(500):
        answer = ours.ask(
            chance.choice(["POST", "PATCH"]), chance.choice(PATHS[:9]), any_body(chance)
        )
        assert answer.status in STATUSES
    assert ours.answers()
    assert Process(ours).files() < 40
