"""A worker of a load over several: it does its share, and sends what it recorded to the master.

The load process itself is that of any run: it reads a plan, waits for the go, and writes its
records into a spool file, all in a folder of this machine. This module brings the plan and the go
from the master into that folder, and the records from there to the master.
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

from paychain.load.distributed.channel import listen, send
from paychain.load.distributed.chunks import ChunkReceipt, Outbox
from paychain.load.distributed.messages import (
    Go,
    Heartbeat,
    Join,
    Leave,
    Ping,
    Pong,
    Readiness,
    Share,
    ShareRefused,
    StopPaying,
)
from paychain.load.distributed.roster import LOST_AFTER_S
from paychain.load.traffic.plan import LoadPlan, OfferedLoad
from paychain.processes.files import write_atomically

TICK_S = 0.05
HEARTBEAT_S = 0.25
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
        self._sent_s = 0.0  # the last join or heartbeat
        self._spool: int | None = None  # file descriptor
        self._outbox = Outbox(self._read)
        self._size: int | None = None  # of the spool file, once it is final
        self._is_done = False
        runner.environment.process_exit_code = GAVE_UP  # until every record is delivered
        runner.environment.events.quitting.add_listener(self._leave)
        for kind, on_message in (
            (ShareRefused, self._on_refused),
            (Ping, self._on_ping),
            (Share, self._on_share),
            (Go, self._on_go),
            (ChunkReceipt, self._on_receipt),
            (StopPaying, self._on_stop),
        ):
            listen(runner, kind, self._noting(on_message))

    def run(self) -> None:
        """Until Locust's master ends this process, or is lost."""
        while True:
            now_s = time.monotonic()
            if now_s - self._heard_s > LOST_AFTER_S:
                if self._is_done:
                    os._exit(0)  # the master has ended, and its message to quit was lost
                give_up(f"the master was silent for {LOST_AFTER_S:.0f} s")
            if now_s - self._sent_s > (HEARTBEAT_S if self._plan else JOIN_S):
                self._sent_s = now_s
                send(self._runner, self._heartbeat() if self._plan else Join(self._name, _VERSION))
            if now_s - self._heard_s < HEARD_S:
                while (chunk := self._outbox.due(now_s)) is not None:
                    send(self._runner, chunk)
            self._check_if_done()
            gevent.sleep(TICK_S)

    def _check_if_done(self) -> None:
        """It is done once the master has every record."""
        if self._is_done or self._outbox.acknowledged != self._size:
            return
        assert self._plan is not None
        self._is_done = True
        self._runner.environment.process_exit_code = 0
        self._plan.spool.unlink()
        report("is done: the master has every record")

    def _leave(self, **_: object) -> None:
        if not self._is_done:
            send(self._runner, Leave())

    def _noting(self, on_message: Callable[[Any], None]) -> Callable[[str, Any], None]:
        def received(_client: str, message: Any) -> None:
            self._heard_s = time.monotonic()
            on_message(message)

        return received

    def _on_refused(self, message: ShareRefused) -> None:
        give_up(message.reason)

    def _on_ping(self, message: Ping) -> None:
        now_ns = time.monotonic_ns()
        send(self._runner, Pong(message.sent_ns, now_ns, time.monotonic_ns()))

    def _on_share(self, message: Share) -> None:
        if self._plan is not None:
            return
        sent = msgspec.json.decode(message.plan, type=LoadPlan)
        self._plan = msgspec.structs.replace(sent, folder=str(self._plan_file.parent))
        write_atomically(self._plan_file, self._plan)
        urls = ", ".join(entry.url for entry in sent.entries)
        urls = ", ".join(entry.url for entry in sent.entries)
        report(f"has share {sent.share + 1} of {sent.shares}, payments go to {urls}")
        # Started here and not by Locust's master: that also counts processes without a share when
        # it spreads its users.
        gevent.spawn(self._runner.start_worker, {USER: 1})

    def _on_go(self, message: Go) -> None:
        if self._plan is not None and not self._plan.go.exists():
            write_atomically(self._plan.go, str(message.start_ns))

    def _on_stop(self, message: StopPaying) -> None:
        if self._plan is not None and not self._plan.stop.exists():
            report(f"stops: {message.reason}")
            self._plan.stop.touch()

    def _on_receipt(self, message: ChunkReceipt) -> None:
        self._outbox.acknowledge(message, time.monotonic())
        # At once and not at the next tick: the next message may be the one to quit.
        self._check_if_done()

    def _heartbeat(self) -> Heartbeat:
        assert self._plan is not None
        readiness = Readiness.JOINED
        if self._plan.go.exists():
            readiness = Readiness.GOING
        elif self._plan.ready.exists():
            readiness = Readiness.READY
        offered = OfferedLoad(0, is_over=False)
        if self._plan.offered.exists():
            offered = msgspec.json.decode(self._plan.offered.read_bytes(), type=OfferedLoad)
        spool = self._plan.spool
        size = self._size
        if size is None:
            size = spool.stat().st_size if spool.exists() else 0
        if offered.is_over:
            self._size = size
        return Heartbeat(readiness, offered.started, offered.is_over, size, offered.problems)

    def _read(self, offset: int, max_bytes: int) -> bytes:
        if self._spool is None:
            if self._plan is None or not self._plan.spool.exists():
                return b""
            self._spool = os.open(self._plan.spool, os.O_RDONLY)
        return os.pread(self._spool, max_bytes, offset)


_VERSION = version("paychain")


def report(line: str) -> None:
    """Print what this worker does, for the person who started it."""
    print(f"worker {line}", file=sys.stderr, flush=True)


def give_up(reason: str) -> None:
    """End at once: nothing more of this worker is awaited."""
    report(f"gives up: {reason}")
    os._exit(GAVE_UP)
