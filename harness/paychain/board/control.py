"""The loopback API of a session, for its load process and its page. Requests carry a secret."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

import msgspec

from paychain.payments.errors import UserError
from paychain.processes.http_thread import HttpThread, QuietHandler
from paychain.processes.tokens import MISSING, is_bearer

MAX_BYTES = 1_000_000  # of a request: 1,000 changes of the rate are about 20 kB
MAX_ACTIONS = 100  # that wait for the session: more than people can click while it is busy
ANSWERED_WITHIN_S = 30.0
CLOSED_WITHIN_S = 30.0  # an idle connection


class Steering(msgspec.Struct, frozen=True):
    """The state that the load process reports, ten times per second."""

    run: int  # number of the recorded run
    start_ns: int | None  # when the load of this run began, on the session's clock
    changes: list[tuple[float, float]]  # of the rate, in seconds since then
    started: int  # payments
    waiting: int  # of those, payments without an answer yet


class LoadCommand(msgspec.Struct, frozen=True):
    """A command to the load process."""

    run: int  # number of the recorded run
    number: int = 0  # of the command: each is executed once
    rate: int = 0  # payments per second
    holds: bool = False  # no payment may start: the run is being finished


class BoardAction(msgspec.Struct, kw_only=True, frozen=True):
    """An action of the user."""

    do: str  # switch, heal, heal_all, rate, save, quit
    target: str = ""
    name: str = ""
    kind: str = ""
    values: dict[str, str] = {}
    fault: str = ""
    rate: float = 0.0


class PendingAction:
    """An action that waits for the session to do it."""

    def __init__(self, action: BoardAction) -> None:
        self.action = action
        self.done: Future[str] = Future()


class Control:
    """What the sides share: the load's last report, the command for it, the state to show."""

    def __init__(self, secret: str) -> None:
        self.actions: queue.Queue[PendingAction] = queue.Queue(maxsize=MAX_ACTIONS)
        self.steering: Steering | None = None
        self.command = LoadCommand(run=1)
        self.state = b"{}"  # JSON, replaced as a whole
        self.page = b"{}"  # JSON of what never changes
        self._secret = secret
        self._server = HttpThread(_handler(self))

    @property
    def url(self) -> str:
        """The address that it listens on."""
        return self._server.url

    def start(self) -> None:
        """Start to answer requests."""
        self._server.start()

    def stop(self) -> None:
        """Stop answering requests."""
        self._server.stop()

    def is_authorized(self, header: str) -> bool:
        """Whether an authorization header carries the session's secret."""
        return is_bearer(header, self._secret)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body for an authorized request."""
        try:
            match method, path:
                case "GET", "/state":
                    return 200, self.state
                case "GET", "/page":
                    return 200, self.page
                case "POST", "/steer":
                    self.steering = msgspec.json.decode(body, type=Steering)
                    return 200, msgspec.json.encode(self.command)
                case "POST", "/do":
                    return self._do(msgspec.json.decode(body, type=BoardAction))
                case _:
                    return 404, _message("not found")
        except msgspec.MsgspecError as error:
            return 400, _message(str(error))

    def _do(self, action: BoardAction) -> tuple[int, bytes]:
        asked = PendingAction(action)
        try:
            self.actions.put_nowait(asked)
            return 200, _message(asked.done.result(ANSWERED_WITHIN_S))
        except queue.Full:
            return 503, _message("too many actions are waiting; try again later")
        except FutureTimeout:
            return 503, _message("the session is busy; try again later")
        except UserError as error:
            return 409, _message(str(error))


def _message(text: str) -> bytes:
    return msgspec.json.encode({"message": text})


def _handler(control: Control) -> type[QuietHandler]:
    class ControlHandler(QuietHandler):
        timeout = CLOSED_WITHIN_S

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if not 0 <= length <= MAX_BYTES:
                self.close_connection = True
                self._send(413, _message("the request is too large"))
                return
            self._answer(self.rfile.read(length))

        def _answer(self, body: bytes) -> None:
            if not control.is_authorized(self.headers.get("authorization") or ""):
                self.close_connection = True
                self._send(403, _message(MISSING))
                return
            self._send(*control.answer(self.command, self.path, body))

        def _send(self, status: int, body: bytes) -> None:
            self.reply(status, "application/json", body)

    return ControlHandler
