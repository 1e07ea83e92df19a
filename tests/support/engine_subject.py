"""An engine under test: started on a free port and spoken to in raw HTTP and raw TCP."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote

from tests.support.waiting import wait_until

WITHIN_S = 10.0
_numbers = count(1)


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Proxied:
    """A proxy of an engine under test."""

    name: str
    port: int


@dataclass
class Subject:
    """One engine. `is_real`: a real Toxiproxy server, not the embedded engine."""

    is_real: bool
    command: list[str]
    port: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self, *options: str) -> Subject:
        """Start it and wait until it answers."""
        self.port = self.port or free_port()
        command = [*self.command, "-host", "127.0.0.1", "-port", str(self.port), *options]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "LOG_LEVEL": "error"},
        )
        wait_until(self.answers, f"{command[0]} answers")
        return self

    def stop(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def answers(self) -> bool:
        """Whether the API can still list its proxies: /version answers when it is wedged, too."""
        try:
            return self.ask("GET", "/proxies", within_s=5).status == 200
        except OSError:
            return False

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        within_s: float = WITHIN_S,
    ) -> Answer:
        """One request on a connection of its own. A body that is not bytes goes as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=within_s)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def must(self, status: int, method: str, path: str, body: Any = None) -> Any:
        """One request whose status is known; its JSON."""
        answer = self.ask(method, path, body)
        assert answer.status == status, answer
        return answer.json if answer.body else None

    def proxy(self, upstream: str, **fields: Any) -> Proxied:
        """A new proxy on a free loopback port."""
        name = fields.pop("name", None) or f"proxy{next(_numbers)}"
        given = {"name": name, "upstream": upstream, "listen": "127.0.0.1:0", **fields}
        made = self.must(201, "POST", "/proxies", given)
        return Proxied(name, int(made["listen"].rpartition(":")[2]))

    def toxic(
        self,
        proxy: Proxied,
        kind: str,
        stream: str = "downstream",
        *,
        name: str = "toxic",
        toxicity: float = 1.0,
        **attributes: int,
    ) -> str:
        """Add a toxic; its path."""
        given = {"name": name, "type": kind, "stream": stream, "toxicity": toxicity}
        path = f"/proxies/{proxy.name}/toxics"
        self.must(200, "POST", path, given | {"attributes": attributes})
        return f"{path}/{name}"

    def clear(self) -> None:
        """Delete every proxy."""
        for name in self.ask("GET", "/proxies").json:
            self.ask("DELETE", f"/proxies/{quote(name, safe='')}")


def embedded() -> Subject:
    """The embedded engine, not started yet."""
    return Subject(False, [sys.executable, "-m", "paychain.toxics"])


def real(binary: str) -> Subject:
    """A real server, not started yet."""
    return Subject(True, [binary])


@dataclass
class Pair:
    """Both ends of one proxied connection."""

    client: socket.socket
    server: socket.socket

    def ends(self, stream: str) -> tuple[socket.socket, socket.socket]:
        """Who sends and who receives in a direction."""
        if stream == "upstream":
            return self.client, self.server
        return self.server, self.client

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Upstream:
    """A listening socket whose connections the test drives itself."""

    def __init__(self, backlog: int = 128) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.socket.settimeout(WITHIN_S)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self._opened: list[socket.socket] = []

    def pair(self, proxy: Proxied) -> Pair:
        """Connect through a proxy; both ends have a time limit."""
        client = connect(proxy.port)
        server = self.accept()
        self._opened.append(client)
        return Pair(client, server)

    def accept(self) -> socket.socket:
        """The next connection that the engine makes."""
        server, _ = self.socket.accept()
        server.settimeout(WITHIN_S)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._opened.append(server)
        return server

    def close(self) -> None:
        for each in (*self._opened, self.socket):
            each.close()


def connect(port: int) -> socket.socket:
    """A client's connection, which sends at once and waits for a limited time."""
    client = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes, or fewer before the end."""
    got = b""
    while len(got) < size and (piece := connection.recv(min(65_536, size - len(got)))):
        got += piece
    return got


def end_of(connection: socket.socket) -> str:
    """How a connection ends: "fin", or "rst"; what comes before is read and forgotten."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        return "rst"
    return "fin"


def is_silent(connection: socket.socket, for_s: float) -> bool:
    """Whether nothing comes, not even the end, for so long."""
    before = connection.gettimeout()
    connection.settimeout(for_s)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False
    finally:
        connection.settimeout(before)
    return False


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
