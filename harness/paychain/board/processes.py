"""A session with its load process and its page or terminal, from start to exit."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec

from paychain.board.control import Control
from paychain.board.plan import PLAN_VARIABLE, SECRET_VARIABLE, TOKEN_VARIABLE, BoardPlan
from paychain.board.session import MAX_RATE, Saved, Session
from paychain.board.view import page_of, state_of
from paychain.engine.errors import EngineError
from paychain.load.locust.processes import PLAN_FILE, locust
from paychain.load.locust.processes import PLAN_VARIABLE as LOAD_VARIABLE
from paychain.load.traffic.planning import load_plan
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.loading import Loaded
from paychain.payments.errors import UserError
from paychain.processes.children import READY_WITHIN_S, Child, ending_signals
from paychain.processes.exposition import exposed
from paychain.processes.files import write_atomically
from paychain.processes.loopback import LOOPBACK, free_port, is_loopback, kept
from paychain.processes.tokens import MIN_TOKEN_CHARACTERS, new_token

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
LOCUST_OPTIONS = ("--exit-code-on-error", "0", "--loglevel", "WARNING", "--only-summary")
PUBLISH_EVERY_S = 0.4  # the page polls every 0.5 s
POLL_EVERY_S = 0.02


@dataclass(frozen=True, kw_only=True)
class BoardOptions:
    """The options of the command."""

    chain: Loaded[Chain]
    spec: str  # the chain's name or path, as the user wrote it
    out: Path
    seed: int
    toxiproxy: str | None
    rate: int  # payments per second
    is_web: bool
    host: str
    port: int
    token: str
    metrics: tuple[str, int] | None = None  # where they are served


def wanted_token(given: str | None) -> str:
    """The token of a board: a new one unless one is given. Raises UserError."""
    if given is not None and len(given) < MIN_TOKEN_CHARACTERS:
        raise UserError(
            f"the token has fewer than {MIN_TOKEN_CHARACTERS} characters", hint="use a longer one"
        )
    return new_token() if given is None else given


def run(options: BoardOptions, report: Callable[[str], None]) -> tuple[list[Saved], str]:
    """Run until the user quits. Returns the recorded runs, and why the session failed if it did."""
    assert 0 < options.rate <= MAX_RATE
    port = free_port(options.host, options.port) if options.is_web else 0
    secret = new_token()
    control = Control(secret)
    session = Session(
        options.chain,
        options.spec,
        options.out,
        seed=options.seed,
        toxiproxy=options.toxiproxy,
        control=control,
    )
    control.start()
    failure = ""
    try:
        with exposed(options.metrics, session.metrics.text, report):
            with kept(options.host, port) if options.is_web else nullcontext():
                session.start()
                _start_load(session, options, port, secret)
            _run_with_view(session, options, port, report)
    except KeyboardInterrupt:
        pass  # while the chain or the load was starting
    except (UserError, EngineError) as error:
        failure = str(error)
    finally:
        # A second Ctrl-C must not interrupt the stop: nothing may be left running.
        for number in ending_signals():
            signal.signal(number, signal.SIG_IGN)
        session.show = lambda: None
        session.end()
        control.stop()
    return session.saved, failure


def _run_with_view(
    session: Session, options: BoardOptions, port: int, report: Callable[[str], None]
) -> None:
    """Run the session with its web page, or in the terminal."""

    def quit_session(*_: object) -> None:
        session.is_over = True

    for number in ending_signals():
        signal.signal(number, quit_session)
    if options.is_web:
        session.control.page = msgspec.json.encode(page_of(session, options.spec, options.rate))
        session.show = _Publisher(session, report)
        session.show()  # a page may be open already
        for line in addresses(options, port):
            report(line)
        session.run()
    else:
        from paychain.board.terminal import Terminal

        terminal = Terminal(session, options.rate)
        session.show = terminal.tick
        with terminal.open():
            session.run()


def addresses(options: BoardOptions, port: int) -> list[str]:
    """The addresses of the pages, and what to know about them."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    is_any = options.host in ("0.0.0.0", "::")  # noqa: S104  (compared; the user asked to bind to it)
    shown = socket.gethostname() if is_any else host
    base = f"http://{shown}:{port}"
    lines = [f"board   {base}/paychain/?token={options.token}", f"Locust  {base}/"]
    shown_once = "this token is shown only once; open the board's address first"
    lines.append(shown_once if is_loopback(options.host) else f"{shown_once}; it is not encrypted")
    return [*lines, "Ctrl-C heals all faults and stops; recorded payments are kept"]


class _Publisher:
    """Updates the state that the page polls, and reports new notes."""

    def __init__(self, session: Session, report: Callable[[str], None]) -> None:
        self._session, self._report = session, report
        self._next_s = 0.0
        self._reported_s = 0.0  # time of the last note that was reported

    def __call__(self) -> None:
        for at_s, text in list(self._session.notes):
            if at_s > self._reported_s:
                self._reported_s = at_s
                self._report(f"{at_s:7.1f} s  {text}")
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + PUBLISH_EVERY_S
            self._session.control.state = msgspec.json.encode(
                state_of(self._session, with_drawings=True)
            )


def _start_load(session: Session, options: BoardOptions, port: int, secret: str) -> None:
    """Start the Locust process; wait until it and its web page are ready."""
    scratch, children = session.scratch, session.running.children
    # Locust needs a plan, but the schedule of this experiment is never used: the user steers.
    placeholder = Experiment.model_validate(
        {"experiment": "by-hand", "load": {"arrivals": "1/s", "before": "0s", "after": "1s"}}
    )
    plan = msgspec.structs.replace(
        load_plan(
            session.chain,
            placeholder,
            session.seed,
            epoch_ns=session.running.epoch_ns,
            urls=session.running.entry_urls,
        ).declared_in(session.loaded),
        id_prefix=session.running.id_prefix,
        folder=str(scratch),
        warm_up_s=0.0,
    )
    spool = session.running.spools.new("load")
    assert spool == plan.spool
    write_atomically(scratch / PLAN_FILE, plan)
    write_atomically(scratch / "board.plan", BoardPlan(session.control.url, options.host))
    environment = {
        LOAD_VARIABLE: str(scratch / PLAN_FILE),
        PLAN_VARIABLE: str(scratch / "board.plan"),
        SECRET_VARIABLE: secret,
        TOKEN_VARIABLE: options.token,
    }
    view_options = ["--headless", "--users", "0", "--spawn-rate", "1"]
    if options.is_web:
        rate = str(options.rate)
        view_options = [
            "--web-host",
            options.host,
            "--web-port",
            str(port),
            "--users",
            rate,
            "--spawn-rate",
            rate,
        ]
    entry_url = next(iter(session.running.entry_urls.values()))  # what Locust's own page shows
    command = locust(LOCUSTFILE, *LOCUST_OPTIONS, "--host", entry_url, *view_options)
    child = children.start("load process", command, environment, scratch)
    children.wait_for(child, plan.ready)
    if options.is_web:
        _wait_for_page(child, options.host, port)


def _wait_for_page(child: Child, host: str, port: int) -> None:
    address = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104  (replaced by an address that a browser can open)
    until_s = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError as error:
            if child.process.poll() is not None or time.monotonic() > until_s:
                raise UserError(f"the web page does not respond: {child.exit_report()}") from error
            time.sleep(POLL_EVERY_S)
        else:
            return
