"""The load process of a run: its start, its load and its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from paychain.analysis.store.facts import WorkerFacts
from paychain.load.locust.processes import PLAN_FILE, alone
from paychain.load.traffic.arrivals import with_merchants
from paychain.load.traffic.plan import LoadPlan, OfferedLoad
from paychain.payments.journal import Record
from paychain.processes.children import Child, Children
from paychain.processes.files import write_atomically

LOOK_S = 0.5  # at what the processes report of themselves


class LoadProcess:
    """A Locust process. Files in `folder` are how it and the chain talk.

    `new_spool` makes the file that one process records into.
    """

    lead_s = 0.3  # between the go and the first payment
    last_s = 2.0  # after the deadline of the last payment everything is recorded, or it hangs

    def __init__(
        self, children: Children, folder: Path, new_spool: Callable[[str, str], Path]
    ) -> None:
        self._children, self._new_spool = children, new_spool
        self._folder = folder.absolute()  # Locust runs in it
        self._plan: LoadPlan | None = None
        self._child: Child | None = None
        self._ends_ns = 0  # of the load, on the run's clock
        self._hangs_ns = 0  # a load process still running then hangs
        self._is_cut = False  # an earlier end was requested
        self._next_look_s = 0.0
        self.misfit = ""  # why nothing that the entry answers is declared to mean anything
        # Why customers may have begun payments that are in no journal: without these customers,
        # what the chain booked for them would look like money of no payment.
        self.incomplete: list[str] = []

    def start(self, plan: LoadPlan) -> None:
        """Ready to go when this returns. Raises UserError."""
        plan = self._plan = msgspec.structs.replace(plan, folder=str(self._folder))
        spool = self._new_spool("load", "the load process")
        assert spool == plan.spool
        write_atomically(self._folder / PLAN_FILE, with_merchants(plan))
        self._child = self._children.start("load process", *alone(self._folder))
        self._children.wait_for(self._child, plan.ready)

    def go(self, start_ns: int) -> None:
        """Let the load begin at a time since the run's epoch."""
        assert self._plan is not None
        assert self._child is not None
        self._end_at(start_ns + int(self._plan.lasts_s * 1e9))
        write_atomically(self._plan.go, str(start_ns))
        self._child.may_end = True

    def stop_early(self, now_ns: int) -> None:
        """No customer starts to pay any more; who is paying still gets an answer."""
        assert self._plan is not None
        self._is_cut = True
        self._end_at(now_ns)
        self._plan.stop.touch()

    def _end_at(self, ends_ns: int) -> None:
        assert self._plan is not None
        self._ends_ns = ends_ns
        self._hangs_ns = ends_ns + int((self._plan.longest_s + self.last_s) * 1e9)

    def watch(self) -> None:
        """Look after the processes; called repeatedly during the load."""
        now_s = time.monotonic()
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            self.misfit = next(iter(self._doubts()), "")

    def _doubts(self) -> list[str]:
        """What is certainly wrong with how customers pay."""
        reported = self._reported()
        return reported.problems if reported is not None else []

    def count(self, spool: Path, records: Iterable[Record]) -> None:
        """Count records that came from a spool of the run."""

    def line(self) -> str:
        """A few words about it during the load."""
        return ""

    def workers(self) -> list[WorkerFacts]:
        """The processes that share the payments; none when there is one only."""
        return []

    def is_over(self, now_ns: int) -> bool:
        """Every payment was started and has ended, or the load process died or hangs."""
        return self._has_ended or now_ns > self._hangs_ns

    @property
    def _has_ended(self) -> bool:
        return self._child is not None and self._child.process.poll() is not None

    def problems(self, now_ns: int) -> list[str]:
        """What was wrong with it, as soon as it is over."""
        assert self._child is not None
        if not self._has_ended:
            self._lacks_payments("it did not end in time")
            return ["the load process did not end in time"]
        reported = self._reported()
        is_whole = reported is not None and reported.is_over
        if self._child.process.returncode != 0 or now_ns < self._ends_ns or not is_whole:
            self._lacks_payments("it ended before its customers had their answers")
            return [self._child.exit_report()]
        return self._doubts()

    def _lacks_payments(self, why: str) -> None:
        self.incomplete = [f"the journal of the load process is incomplete: {why}"]

    def _reported(self) -> OfferedLoad | None:
        """What the process last reported of itself."""
        if self._plan is None or not self._plan.offered.exists():
            return None
        return msgspec.json.decode(self._plan.offered.read_bytes(), type=OfferedLoad)

    def offered(self) -> int | None:
        """How many payments were really started, as far as it is known."""
        reported = self._reported()
        return reported.started if reported is not None else None
