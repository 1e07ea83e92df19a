"""A link in a process of its own: a crash kills that process, and the next one knows nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from harness.children import Child
from harness.faults.links import RemoteLinkFaults
from harness.faults.timeline import Place
from harness.model.fault import Crash, Fault


@dataclass(frozen=True)
class Life:
    """A services process that is ready: where it takes orders, and where its links listen."""

    child: Child
    control: str
    ports: dict[str, int]


Reborn = Callable[[str, int, dict[str, int]], Life]  # link, number of the life, ports to take


class IsolatedLink:
    """The in-link faults of one isolated link, through all lives of its process.

    Killed by SIGKILL, it loses what it knew and what of its journal was not flushed. `reborn`
    starts its next life on the same port, and raises UserError when that does not come up.
    """

    def __init__(self, link: str, life: Life, reborn: Reborn) -> None:
        self._link = link
        self._life = life
        self._reborn = reborn
        self._faults = RemoteLinkFaults(life.control)
        self._lives = 1
        self._killed_by: set[str] = set()  # crashes that are on: it is dead until the last heals
        self._on: dict[str, tuple[Fault, Place]] = {}  # other faults, for its next life as well
        self._hits: Counter[str] = Counter()  # crashes, and what its earlier lives counted

    @property
    def control(self) -> str | None:
        """Where it takes orders now; None while it is dead."""
        return None if self._killed_by else self._life.control

    def apply(self, fault: Fault, place: Place) -> None:
        """Switch a fault on: a crash at once, any other as soon as it lives."""
        if not isinstance(fault.parameters, Crash):
            self._on[fault.id] = fault, place
            if not self._killed_by:
                self._faults.apply(fault, place)
        elif self._link in place.links:
            if not self._killed_by:
                self._kill()
            self._killed_by.add(fault.id)
            self._hits[fault.id] += 1

    def heal(self, fault_id: str) -> None:
        """Switch a fault off; the last crash that heals brings it back.

        That takes as long as a process takes to start, and what is switched next waits for it.
        """
        if fault_id in self._killed_by:
            if len(self._killed_by) == 1:
                self._bring_back()
            self._killed_by.remove(fault_id)
        elif self._on.pop(fault_id, None) is not None and not self._killed_by:
            self._faults.heal(fault_id)

    def hits(self) -> dict[str, int]:
        """How many requests each fault acted on, in all its lives; of a crash, how often."""
        total = Counter(self._hits)
        if not self._killed_by:
            total.update(self._faults.hits())
        return dict(total)

    def _kill(self) -> None:
        self._hits.update(self._faults.hits())  # afterwards nobody can say
        self._life.child.may_end = True
        self._life.child.process.kill()
        self._life.child.process.wait()

    def _bring_back(self) -> None:
        self._lives += 1
        self._life = self._reborn(self._link, self._lives, self._life.ports)
        self._faults = RemoteLinkFaults(self._life.control)
        for fault, place in self._on.values():
            self._faults.apply(fault, place)
