"""One own service of a running chain: its faults, and exits and restarts without any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from paychain.analysis.store.facts import ServiceFailure
from paychain.environment.own.not_started import NotStarted
from paychain.environment.own.process import OwnProcess
from paychain.faults.fault import Fault
from paychain.faults.kind import FreezeKind, OutageKind
from paychain.model.places import Place

LOOK_EVERY_NS = 100_000_000  # at a service that is coming back
RESTART_AFTER_NS = 1_000_000_000  # of one that ends by itself and is to be restarted
MAX_RESTARTS = 20  # by itself: one that never lives is given up


class OwnLink:
    """Switches the faults of one service's process, and notes when it ends by itself.

    A service may be down because a crash holds it, or frozen because a freeze does; several of them
    may overlap. What else happens to it is a failure, which fails the run.
    """

    def __init__(
        self,
        link: str,
        process: OwnProcess,
        now_ns: Callable[[], int],
        *,
        restarts: bool,
    ) -> None:
        self.link = link
        self.process = process
        self.failures: list[ServiceFailure] = []
        self.is_given_up = False  # it has ended and is not started again
        self._now_ns = now_ns
        self._restarts = restarts
        self._killed_by: set[str] = set()  # crashes that are on
        self._frozen_by: set[str] = set()
        self._hits: Counter[str] = Counter()
        self._is_starting = False  # again, after a crash or by `restart`
        self._look_ns = 0  # when it is to be looked at next
        self._restart_ns: int | None = None

    def apply(self, fault: Fault, place: Place) -> None:
        """Switch a crash or a freeze on."""
        if self.link not in place.links or self.is_given_up:
            return
        if isinstance(fault.parameters, OutageKind):
            self.process.kill()
            self._killed_by.add(fault.id)
            self._restart_ns = None
        elif isinstance(fault.parameters, FreezeKind):
            self.process.freeze()
            self._frozen_by.add(fault.id)
        else:
            return
        self._hits[fault.id] += 1

    def heal(self, fault_id: str) -> None:
        """Switch a fault off. After the last crash the service is started again, at once.

        It becomes ready while the run goes on: that is part of what the crash costs.
        """
        if fault_id in self._killed_by:
            self._killed_by.remove(fault_id)
            if not self._killed_by and not self.is_given_up:
                self._start_again()
        elif fault_id in self._frozen_by:
            self._frozen_by.remove(fault_id)
            if not self._frozen_by:
                self.process.thaw()
                self.process.begin_to_wait()

    @property
    def is_coming_back(self) -> bool:
        """It was killed, or has ended, and is not ready again yet."""
        is_due = bool(self._killed_by) or self._restart_ns is not None or self._is_starting
        return is_due and not self.is_given_up

    def hits(self) -> dict[str, int]:
        """How often each fault stopped it."""
        return dict(self._hits)

    def check(self) -> None:
        """Note that it ended by itself or did not come back; start it again where that is asked."""
        if self._killed_by or self._frozen_by or self.is_given_up:
            return
        now_ns = self._now_ns()
        if self._restart_ns is not None:
            if now_ns >= self._restart_ns:
                self._restart_ns = None
                self._start_again()
            return
        ended = self.process.exit_words
        if ended is not None:
            self._fail(ended)
        elif self._is_starting and now_ns >= self._look_ns:
            self._look_ns = now_ns + LOOK_EVERY_NS
            self._look()

    def _look(self) -> None:
        """Whether a service that was started again is ready."""
        missing = self.process.missing(waits=False)
        if not missing:
            self._is_starting = False
        elif self.process.is_late:
            self._restarts = False  # it runs and is of no use
            self._fail(f"{self.process.late_words(missing)}, after it was started again")

    def _start_again(self) -> None:
        try:
            self.process.start()
        except NotStarted as error:
            self._fail(f"could not be started again: {error}")
            return
        self._is_starting = True
        if self._frozen_by:
            self.process.freeze()

    def _fail(self, what: str) -> None:
        lines = self.process.last_lines()
        self.failures.append(ServiceFailure(at_s=self._now_ns() / 1e9, what=what, lines=lines))
        self.process.kill()  # what it may have left behind
        if self._restarts and len(self.failures) < MAX_RESTARTS:
            self._restart_ns = self._now_ns() + RESTART_AFTER_NS
        else:
            self.is_given_up = True
