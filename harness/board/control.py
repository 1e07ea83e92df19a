"""The loopback API between the session and its load process. Only who knows the secret is heard."""

from __future__ import annotations

import hmac
import queue
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from harness.payments.errors import UserError

MOST_BYTES = 1_000_000  # of one request: 1,000 changes of the rate are some 20 kB
ANSWERED_WITHIN_S = 30.0
CLOSED_WITHIN_S = 30.0  # an idle connection
BEARER = "Bearer "


class Steering(msgspec.Struct, frozen=True):
    """What the load process says of itself, ten times a second."""

    take: int
    start_ns: int | None  # when the load of this take began, on the run's clock
    changes: list[tuple[float, float]]  # of the rate, in seconds since then
    started: int  # payments
    waiting: int  # of those, customers who have no answer yet


class Orders(msgspec.Struct, frozen=True):
    """What the load process is to do."""

    take: int
    number: int = 0  # of the order: each is done once
    rate: int = 0
    holds: bool = False  # no payment may start: a take is being finished


class Action(msgspec.Struct, frozen=True):
    """What somebody asks for on the board."""

    do: str  # switch, heal, heal_all, rate, save, quit
    target: str = ""
    name: str = ""
    kind: str = ""
    values: dict[str, str] = {}
    fault: str = ""
    rate: float = 0.0


class Asked:
    """An action that waits for the session to do it."""

    def __init__(self, action: Action) -> None:
        self.action = action
        self.done: Future[str] = Future()


class Control:
    """What both sides share: the last steering, the orders, the state that is shown."""

    def __init__(self, secret: str) -> None:
        self.actions: queue.Queue[Asked] = queue.Queue(maxsize=100)
        self.steering: Steering | None = None
        self.orders = Orders(1)
        self.state = b"{}"  # JSON, replaced as a whole
        self.page = b"{}"  # what does not change
        self._secret = secret
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def knows(self, header: str) -> bool:
        """Whether a request's authorization is the session's secret."""
        return hmac.compare_digest(header.encode(), f"{BEARER}{self._secret}".encode())

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body for a request of somebody who knows the secret."""
        try:
            match method, path:
                case "GET", "/state":
                    return 200, self.state
                case "GET", "/page":
                    return 200, self.page
                case "POST", "/steer":
                    self.steering = msgspec.json.decode(body, type=Steering)
                    return 200, msgspec.json.encode(self.orders)
                case "POST", "/do":
                    return self._do(msgspec.json.decode(body, type=Action))
                case _:
                    return 404, _said("no such thing")
        except msgspec.MsgspecError as error:
            return 400, _said(str(error))

    def _do(self, action: Action) -> tuple[int, bytes]:
        asked = Asked(action)
        try:
            self.actions.put_nowait(asked)
            return 200, _said(asked.done.result(ANSWERED_WITHIN_S))
        except queue.Full:
            return 503, _said("too much was asked at once")
        except Late:
            return 503, _said("the session is busy; look again in a while")
        except UserError as error:
            return 409, _said(str(error))


def _said(text: str) -> bytes:
    return msgspec.json.encode({"said": text})


def _handler(control: Control) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = CLOSED_WITHIN_S

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if not 0 <= length <= MOST_BYTES:
                self.close_connection = True
                self._send(413, _said("too long"))
                return
            self._answer(self.rfile.read(length))

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self, body: bytes) -> None:
            if not control.knows(self.headers.get("authorization") or ""):
                self.close_connection = True
                self._send(403, _said("who are you?"))
                return
            self._send(*control.answer(self.command, self.path, body))

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
