"""A server that answers as scripted, to be driven in place of a Toxiproxy."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeServer(ThreadingHTTPServer):
    """Answers each `METHOD path` as scripted (status, body) and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, bytes]] = {"GET /proxies": (200, b"{}")}
        self.asked: list[tuple[str, Any]] = []
        self.connections: set[tuple[str, int]] = set()
        self.stalls = threading.Event()
        self.pause_s = 0.0  # before each answer
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeServer

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        order = f"{self.command} {self.path}"
        self.server.asked.append((order, json.loads(body) if body else None))
        self.server.connections.add(self.client_address)
        if self.server.stalls.is_set():
            self.server.over.wait()
            return
        time.sleep(self.server.pause_s)
        nothing = (204, b"") if self.command == "DELETE" else (404, b"404 page not found\n")
        status, content = self.server.answers.get(order, nothing)
        with suppress(ConnectionError):  # who asked may have given up
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = do_DELETE = do_PATCH = _any

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[FakeServer]:
    """A scripted server that runs until the end of the block."""
    with FakeServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


def proxy(name: str, **other: Any) -> dict[str, Any]:
    return {
        "name": name,
        "listen": "127.0.0.1:1",
        "upstream": "127.0.0.1:2",
        "enabled": True,
        "Logger": {},
        "toxics": [],
        **other,
    }


def knows(server: FakeServer, name: str) -> None:
    server.answers["GET /proxies"] = (200, json.dumps({name: proxy(name)}).encode())
