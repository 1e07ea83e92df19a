"""The session with its load process and whoever looks at it, from start to exit."""

from __future__ import annotations

import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.board.control import Control
from harness.board.guard import LEAST_TOKEN, is_loopback
from harness.board.plan import PLAN_VARIABLE, SECRET_VARIABLE, TOKEN_VARIABLE, BoardPlan
from harness.board.session import HIGHEST_RATE, Saved, Session
from harness.board.shown import page_of, state_of
from harness.children import Child, ending_signals
from harness.faults.control import EngineError
from harness.load.plan import load_plan
from harness.load.processes import PLAN_FILE
from harness.load.processes import PLAN_VARIABLE as LOAD_VARIABLE
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.model.loading import Loaded
from harness.payments.errors import UserError
from harness.services.plan import write_whole
from harness.stage import READY_WITHIN_S

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
LOCUST = (
    sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--exit-code-on-error", "0",
    "--loglevel", "WARNING", "--only-summary",
)  # fmt: skip
PUBLISHED_S = 0.4
_POLL_S = 0.02


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line. `token` is empty unless one is needed."""

    chain: Loaded[Chain]
    spec: str  # the chain as it was named
    out: Path
    seed: int
    toxiproxy: str | None
    rate: int
    is_web: bool
    host: str
    port: int
    token: str


def wanted_token(host: str, given: str | None) -> str:
    """The token of a board: none on loopback unless one is given. Raises UserError."""
    if given is not None and len(given) < LEAST_TOKEN:
        raise UserError(f"the token has fewer than {LEAST_TOKEN} characters", mend="make it longer")
    if given is None and not is_loopback(host):
        return secrets.token_urlsafe(24)
    return given or ""


def free_port(host: str, port: int) -> int:
    """The port, or any when it is 0. Raises UserError when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise UserError(
            f"cannot listen on {host}, port {port} ({error})", mend="give another --port"
        ) from error


def run(wish: Wish, say: Callable[[str], None]) -> tuple[list[Saved], str]:
    """Run until somebody asks for the end; what was recorded, and what failed if anything did."""
    assert 0 < wish.rate <= HIGHEST_RATE
    port = free_port(wish.host, wish.port) if wish.is_web else 0
    secret = secrets.token_urlsafe(32)
    control = Control(secret)
    session = Session(
        wish.chain, wish.spec, wish.out, seed=wish.seed, toxiproxy=wish.toxiproxy, control=control
    )
    control.start()
    failure = ""
    try:
        session.start()
        _start_load(session, wish, port, secret)
        _look_and_run(session, wish, port, say)
    except KeyboardInterrupt:
        pass  # before it was up
    except (UserError, EngineError) as error:
        failure = str(error)
    finally:
        for number in ending_signals():  # nothing may be left running
            signal.signal(number, signal.SIG_IGN)
        session.show = lambda: None
        session.end()
        control.stop()
    return session.saved, failure


def _look_and_run(session: Session, wish: Wish, port: int, say: Callable[[str], None]) -> None:
    """With a terminal or a web page to look at."""

    def over(*_: object) -> None:
        session.is_over = True

    for number in ending_signals():
        signal.signal(number, over)
    if wish.is_web:
        session.control.page = msgspec.json.encode(page_of(session, wish.spec, wish.rate))
        session.show = _Published(session, say)
        session.show()  # there is a state for whoever comes
        for line in addresses(wish, port):
            say(line)
        session.run()
    else:
        from harness.board.terminal import Terminal

        terminal = Terminal(session, wish.rate)
        session.show = terminal.tick
        with terminal.open():
            session.run()


def addresses(wish: Wish, port: int) -> list[str]:
    """Where to look, and how to get in."""
    host = f"[{wish.host}]" if ":" in wish.host else wish.host
    is_any = wish.host in ("0.0.0.0", "::")  # noqa: S104  (asked for, not bound to here)
    shown = socket.gethostname() if is_any else host
    base = f"http://{shown}:{port}"
    key = f"?token={wish.token}" if wish.token else ""
    lines = [f"board   {base}/paychain/{key}", f"Locust  {base}/"]
    if wish.token:
        lines.append("the token is shown this once; it goes over the network unencrypted")
    return [*lines, "Ctrl-C heals and stops everything; what was measured is kept"]


class _Published:
    """Puts the state where the control API finds it, and says what happens."""

    def __init__(self, session: Session, say: Callable[[str], None]) -> None:
        self._session, self._say = session, say
        self._next_s = 0.0
        self._said = 0.0

    def __call__(self) -> None:
        for at_s, text in list(self._session.notes):
            if at_s > self._said:
                self._said = at_s
                self._say(f"{at_s:7.1f} s  {text}")
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + PUBLISHED_S
            self._session.control.state = msgspec.json.encode(
                state_of(self._session, is_drawn=True)
            )


def _start_load(session: Session, wish: Wish, port: int, secret: str) -> None:
    """The Locust process; ready when this returns, its web page included."""
    scratch, children = session.scratch, session.stage.children
    some = Experiment.model_validate(
        {"experiment": "by-hand", "load": {"arrivals": "1/s", "before": "0s", "after": "1s"}}
    )
    plan = msgspec.structs.replace(
        load_plan(
            session.chain, some, session.seed, epoch_ns=session.epoch_ns,
            url=session.stage.entry_url,
        ),
        folder=str(scratch), warm_up_s=0.0,
    )  # fmt: skip
    assert session.stage.spool("load") == plan.spool
    write_whole(scratch / PLAN_FILE, plan)
    write_whole(scratch / "board.plan", BoardPlan(session.control.url, wish.host))
    environment = {
        LOAD_VARIABLE: str(scratch / PLAN_FILE),
        PLAN_VARIABLE: str(scratch / "board.plan"),
        SECRET_VARIABLE: secret, TOKEN_VARIABLE: wish.token,
    }  # fmt: skip
    looks = ["--headless", "--users", "0", "--spawn-rate", "1"]
    if wish.is_web:
        rate = str(wish.rate)
        looks = ["--web-host", wish.host, "--web-port", str(port), "--users", rate,
                 "--spawn-rate", rate]  # fmt: skip
    command = [*LOCUST, "--host", session.stage.entry_url, *looks]
    child = children.start("load process", command, environment)
    children.wait_for(child, plan.ready, READY_WITHIN_S)
    if wish.is_web:
        _wait_for_page(child, wish.host, port)


def _wait_for_page(child: Child, host: str, port: int) -> None:
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (read only)
    until = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            socket.create_connection((near, port), timeout=1).close()
        except OSError as error:
            if child.process.poll() is not None or time.monotonic() > until:
                raise UserError(f"the web page does not answer: {child.obituary()}") from error
            time.sleep(_POLL_S)
        else:
            return
