"""The load generator of a run, as the conductor sees it: started, let go, over."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.children import Child
from harness.load.plan import LoadPlan, Offered
from harness.load.processes import PLAN_FILE, alone
from harness.payments.journal import Record
from harness.report.result import WorkerFacts
from harness.services.plan import write_whole
from harness.stage import READY_WITHIN_S, Stage


class Generator:
    """A Locust process. Files in `folder` are how it and the conductor talk."""

    lead_s = 0.3  # between the go and the first payment
    last_s = 2.0  # after the deadline of the last payment everything is recorded, or it hangs

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage, self._folder = stage, folder
        self._plan: LoadPlan | None = None
        self._child: Child | None = None

    def start(self, plan: LoadPlan) -> None:
        """Ready to go when this returns. Raises UserError."""
        plan = self._plan = msgspec.structs.replace(plan, folder=str(self._folder))
        assert self._stage.spool("load") == plan.spool
        write_whole(self._folder / PLAN_FILE, plan)
        children = self._stage.children
        self._child = children.start("load process", *alone(self._folder))
        children.wait_for(self._child, plan.ready, READY_WITHIN_S)

    def go(self, start_ns: int) -> None:
        """Let the load begin at a time since the run's epoch."""
        assert self._plan is not None
        assert self._child is not None
        scratch = self._plan.go.with_suffix(".tmp")
        scratch.write_text(str(start_ns))
        scratch.replace(self._plan.go)
        self._child.may_end = True

    def stop_early(self) -> None:
        """Nobody begins to pay any more; who is paying is still answered."""
        assert self._plan is not None
        self._plan.stop.touch()

    def watch(self) -> None:
        """Called again and again while the load goes on."""

    def count(self, spool: Path, records: Iterable[Record]) -> None:
        """Records have come from a spool of the run."""

    def line(self) -> str:
        """What there is to say of it while it goes on."""
        return ""

    def workers(self) -> list[WorkerFacts]:
        """The processes that share the payments; none when there is one only."""
        return []

    @property
    def is_over(self) -> bool:
        """Every payment was started and has ended, or the generator died."""
        return self._child is not None and self._child.process.poll() is not None

    def problems(self, *, is_early: bool) -> list[str]:
        """What was wrong with it, once it is over; `is_early`: before the load was to end."""
        assert self._child is not None
        if self._child.process.returncode != 0 or is_early:
            return [self._child.obituary()]
        return []

    def offered(self) -> int | None:
        """How many payments were really started, as far as it is known."""
        if self._plan is None or not self._plan.offered.exists():
            return None
        return msgspec.json.decode(self._plan.offered.read_bytes(), type=Offered).started
