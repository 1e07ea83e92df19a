"""The load generator of a run, as the conductor sees it: started, let go, over."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from harness.children import Child, Children
from harness.load import LOCUSTFILE
from harness.load.plan import LoadPlan
from harness.services.plan import write_whole
from harness.stage import READY_WITHIN_S

LOCUST = (
    sys.executable, "-m", "locust", "--headless", "--users", "1", "--spawn-rate", "1",
    "--exit-code-on-error", "0", "--loglevel", "ERROR", "--only-summary", "--reset-stats",
    "-f", str(LOCUSTFILE),
)  # fmt: skip


class Generator:
    """A Locust process. Files in `folder` are how it and the conductor talk."""

    def __init__(self, children: Children, folder: Path, spool: Path) -> None:
        self._children = children
        self._spool = spool
        self._ready, self._go = folder / "load.ready", folder / "load.go"
        self._offered, self._plan = folder / "load.offered", folder / "load.plan"
        self._stop = folder / "load.stop"
        self._child: Child | None = None

    def start(self, plan: LoadPlan) -> None:
        """Ready to go when this returns. Raises UserError."""
        plan = msgspec.structs.replace(
            plan, spool=str(self._spool), ready=str(self._ready), go=str(self._go),
            offered=str(self._offered), stop=str(self._stop),
        )  # fmt: skip
        write_whole(self._plan, plan)
        self._child = self._children.start(
            "load process", LOCUST, {"PAYCHAIN_LOAD_PLAN": str(self._plan)}
        )
        self._children.wait_for(self._child, self._ready, READY_WITHIN_S)

    def go(self, start_ns: int) -> None:
        """Let the load begin at a time since the run's epoch."""
        assert self._child is not None
        scratch = self._go.with_suffix(".tmp")
        scratch.write_text(str(start_ns))
        scratch.replace(self._go)
        self._child.may_end = True

    def stop_early(self) -> None:
        """Nobody begins to pay any more; who is paying is still answered."""
        self._stop.touch()

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
        """How many payments were really started; None when the generator died."""
        return int(self._offered.read_text()) if self._offered.exists() else None
