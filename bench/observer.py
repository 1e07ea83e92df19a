"""What reading HTTP beside the bytes costs the embedded engine, in alternating rounds.

Two engines before the same upstream, one of them observes. Requests and answers are as long as a
provider's SDK makes them. Printed: exchanges/s and the engine's CPU for one, on kept connections
and with a connection each, and the part that this is of what a payment costs the whole chain.
"""

from __future__ import annotations

import json
import multiprocessing
import select
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.engine import Engine
from paychain.processes.children import python_module
from paychain.processes.loopback import LOOPBACK

ROUNDS, ROUND_S, WARM_UP_S, CONNECTIONS = 7, 1.5, 0.2, 16
PREFIX = "pk3fa"
BODY = (
    b"amount=1250&currency=eur&confirm=true&capture_method=manual&payment_method=pm_card_visa"
    b"&payment_method_types[0]=card&description=Order+pk3fa0000042&metadata[order]=pk3fa0000042"
)
HEADERS = [
    "Host: 127.0.0.1",
    "User-Agent: Stripe/v1 PythonBindings/16.1.0",
    "Accept-Encoding: gzip, deflate",
    "Accept: */*",
    "Connection: keep-alive",
    'X-Stripe-Client-User-Agent: {"bindings_version": "16.1.0", "lang": "python"}',
    "Authorization: Bearer sk_test_0123456789abcdef",
    "Idempotency-Key: 0b7f4f9e-2f1c-4a8e-9d6c-1f6d3b7a9c55",
    "Stripe-Version: 2026-10-28.endive",
    "Content-Type: application/x-www-form-urlencoded",
    f"Content-Length: {len(BODY)}",
]
REQUEST = "\r\n".join(["POST /v1/payment_intents HTTP/1.1", *HEADERS, "", ""]).encode() + BODY
ANSWER_BODY = json.dumps({f"field_{number}": "x" * 40 for number in range(55)}).encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRequest-Id: req_0123456789abcd\r\n"
    b"Content-Length: %d\r\n\r\n" % len(ANSWER_BODY)
) + ANSWER_BODY


def serve(listener: socket.socket) -> None:
    """The upstream: one answer for each request, which comes in one piece."""
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    peers: dict[int, socket.socket] = {}
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                peer, _address = listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peers[peer.fileno()] = peer
                poll.register(peer, select.EPOLLIN)
                continue
            try:
                data = peers[number].recv(65_536)
                if data:
                    peers[number].sendall(ANSWER)
                    continue
            except OSError:
                pass
            peers.pop(number).close()


class Round:
    """One round of load on an engine: exchanges/s, and the engine's CPU seconds for one."""

    def __init__(self, engine: Engine, *, is_kept: bool) -> None:
        self._engine, self._is_kept = engine, is_kept
        self._poll = select.epoll()
        self._clients: dict[int, socket.socket] = {}
        self._left: dict[int, int] = {}
        self.done = 0
        for _ in range(CONNECTIONS):
            self._connect()
        self._run(WARM_UP_S)
        self.done, cpu_s, begun = 0, engine.cpu_s(), time.perf_counter()
        self._run(ROUND_S)
        self.per_second = self.done / (time.perf_counter() - begun)
        self.cpu_us = (engine.cpu_s() - cpu_s) / self.done * 1e6
        for client in self._clients.values():
            client.close()

    def _connect(self) -> None:
        client = socket.create_connection((LOOPBACK, self._engine.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = client.fileno()
        self._clients[number] = client
        self._poll.register(number, select.EPOLLIN)
        self._send(number)

    def _send(self, number: int) -> None:
        self._left[number] = len(ANSWER)
        self._clients[number].send(REQUEST)

    def _run(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            for number, _ in self._poll.poll(1):
                self._left[number] -= len(self._clients[number].recv(65_536))
                if self._left[number]:
                    continue
                self.done += 1
                if self._is_kept:
                    self._send(number)
                else:
                    self._clients.pop(number).close()
                    self._connect()


class Observing(Engine):
    """An engine whose proxy is observed."""

    def proxy(self, name: str, upstream: int) -> int:
        given: dict[str, Any] = {
            "name": name,
            "upstream": f"{LOOPBACK}:{upstream}",
            "listen": f"{LOOPBACK}:0",
            "observe": PREFIX,
        }
        return int(self.ask("POST", "/proxies", given)["listen"].rpartition(":")[2])


def main() -> None:
    """Print both, and what it costs."""
    listener = socket.create_server((LOOPBACK, 0), backlog=1024)
    upstream = multiprocessing.get_context("fork").Process(
        target=serve, args=(listener,), daemon=True
    )
    upstream.start()
    with tempfile.TemporaryDirectory() as folder:
        spool = str(Path(folder, "exchanges.spool"))
        port = listener.getsockname()[1]
        plain = Engine("plain", python_module("paychain.toxics"), port)
        command = python_module("paychain.toxics", "--exchanges", spool)
        observing = Observing("observing", command, port)
        try:
            for is_kept, title in ((True, "kept connections"), (False, "a connection each")):
                rounds = [
                    (Round(plain, is_kept=is_kept), Round(observing, is_kept=is_kept))
                    for _ in range(ROUNDS)
                ]
                rates = [statistics.median(pair[n].per_second for pair in rounds) for n in (0, 1)]
                cpu = [statistics.median(pair[n].cpu_us for pair in rounds) for n in (0, 1)]
                print(
                    f"  {title}: {rates[0]:,.0f} exchanges/s plain, {rates[1]:,.0f} observed; "
                    f"engine CPU {cpu[0]:.1f} us and {cpu[1]:.1f} us each: "
                    f"{cpu[1] - cpu[0]:+.1f} us",
                    flush=True,
                )
        finally:
            plain.stop()
            observing.stop()
            upstream.kill()
            upstream.join()


if __name__ == "__main__":
    main()
