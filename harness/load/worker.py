"""One worker of a load over several: what stands between its load process and the master.

The load process walks its schedule as it does on its own: it finds its plan, its go and its stop as
files in a folder of this machine, and writes its records into a spool file there. This brings the
files from the master and the records to it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gevent
import msgspec

from harness.load.channel import listen, send
from harness.load.chunks import Outbox, Receipt
from harness.load.messages import (
    Beat,
    Go,
    Join,
    Leave,
    Ping,
    Pong,
    Readiness,
    Refused,
    Share,
    Stop,
)
from harness.load.plan import LoadPlan, Offered
from harness.load.roster import LOST_AFTER_S
from harness.services.plan import write_whole

TICK_S = 0.05
BEAT_S = 0.25
USER = "Scheduled"  # of the locustfile
JOIN_S = 0.5
HEARD_S = 2.0  # records are sent while the master was heard in this time; they wait otherwise
GAVE_UP = 3  # exit code: this worker's part of the run is not complete


class Worker:
    """Follows one run from joining it to the last record that the master has."""

    def __init__(self, runner: Any, name: str, plan_file: Path) -> None:
        self._runner, self._name, self._plan_file = runner, name, plan_file
        self._plan: LoadPlan | None = None
        self._heard_s = time.monotonic()
        self._asked_s = 0.0
        self._spool: int | None = None
        self._outbox = Outbox(self._read)
        self._size: int | None = None  # of the spool file, once it is final
        self._is_done = False
        runner.environment.process_exit_code = GAVE_UP  # until it is
        runner.environment.events.quitting.add_listener(self._leave)
        for kind, take in (
            (Refused, self._refused), (Ping, self._ping), (Share, self._share), (Go, self._go),
            (Receipt, self._receipt), (Stop, self._stop),
        ):  # fmt: skip
            listen(runner, kind, self._noting(take))

    def run(self) -> None:
        """Until Locust's master says that all is over, or nothing any more."""
        while True:
            now_s = time.monotonic()
            if now_s - self._heard_s > LOST_AFTER_S:
                if self._is_done:
                    os._exit(0)  # the word to go home was lost
                give_up(f"the master was not heard for {LOST_AFTER_S:.0f} s")
            if now_s - self._asked_s > (BEAT_S if self._plan else JOIN_S):
                self._asked_s = now_s
                send(self._runner, self._beat() if self._plan else Join(self._name, _VERSION))
            if now_s - self._heard_s < HEARD_S:
                while (chunk := self._outbox.due(now_s)) is not None:
                    send(self._runner, chunk)
            self._look_if_done()
            gevent.sleep(TICK_S)

    def _look_if_done(self) -> None:
        """Has the master every record?"""
        if self._is_done or self._outbox.acknowledged != self._size:
            return
        assert self._plan is not None
        self._is_done = True
        self._runner.environment.process_exit_code = 0
        self._plan.spool.unlink()
        tell("is done: every record is with the master")

    def _leave(self, **_: object) -> None:
        if not self._is_done:
            send(self._runner, Leave())

    # -- what the master says -------------------------------------------------------------------
    def _noting(self, take: Callable[[Any], None]) -> Callable[[str, Any], None]:
        def noted(_client: str, message: Any) -> None:
            self._heard_s = time.monotonic()
            take(message)

        return noted

    def _refused(self, message: Refused) -> None:
        give_up(message.why)

    def _ping(self, message: Ping) -> None:
        now_ns = time.monotonic_ns()
        send(self._runner, Pong(message.sent_ns, now_ns, time.monotonic_ns()))

    def _share(self, message: Share) -> None:
        if self._plan is not None:
            return
        sent = msgspec.json.decode(message.plan, type=LoadPlan)
        self._plan = msgspec.structs.replace(sent, folder=str(self._plan_file.parent))
        write_whole(self._plan_file, self._plan)
        tell(f"has share {sent.share + 1} of {sent.shares}, payments go to {sent.url}")
        # Its one user, wherever Locust's master would have its users: it counts strangers, too.
        gevent.spawn(self._runner.start_worker, {USER: 1})

    def _go(self, message: Go) -> None:
        if self._plan is None:
            return
        go = self._plan.go
        if not go.exists():
            scratch = go.with_suffix(".tmp")
            scratch.write_text(str(message.start_ns))
            scratch.replace(go)

    def _stop(self, message: Stop) -> None:
        if self._plan is not None and not self._plan.stop.exists():
            tell(f"stops: {message.why}")
            self._plan.stop.touch()

    def _receipt(self, message: Receipt) -> None:
        self._outbox.acknowledge(message, time.monotonic())
        self._look_if_done()  # now: the word to go home may be the next message

    # -- what the load process wrote ------------------------------------------------------------
    def _beat(self) -> Beat:
        assert self._plan is not None
        readiness = Readiness.JOINED
        if self._plan.go.exists():
            readiness = Readiness.GOING
        elif self._plan.ready.exists():
            readiness = Readiness.READY
        said = Offered(0, is_over=False)
        if (offered := self._plan.offered).exists():
            said = msgspec.json.decode(offered.read_bytes(), type=Offered)
        spool = self._plan.spool
        size = self._size
        if size is None:
            size = spool.stat().st_size if spool.exists() else 0
        if said.is_over:
            self._size = size
        return Beat(readiness, said.started, said.is_over, size)

    def _read(self, offset: int, most: int) -> bytes:
        if self._spool is None:
            if self._plan is None or not self._plan.spool.exists():
                return b""
            self._spool = os.open(self._plan.spool, os.O_RDONLY)
        return os.pread(self._spool, most, offset)


_VERSION = version("paychain")


def tell(line: str) -> None:
    """For somebody who watches this worker."""
    print(f"worker {line}", file=sys.stderr, flush=True)


def give_up(why: str) -> None:
    """End at once: nobody waits for more of this worker."""
    tell(f"gives up: {why}")
    os._exit(GAVE_UP)
