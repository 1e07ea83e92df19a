"""A link in a process of its own, which a crash kills and a freeze stops.

The process after a crash knows nothing.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from requests.auth import AuthBase

from paychain.engine.links import RemoteLinkFaults
from paychain.faults.fault import Fault
from paychain.faults.kind import FreezeKind, OutageKind
from paychain.model.places import Place
from paychain.processes.children import Child
from paychain.wire.held_port import HeldPort


@dataclass(frozen=True)
class ServiceProcess:
    """A process that runs links and is ready. `control` is the URL of its control API."""

    child: Child
    control: str
    ports: dict[str, int]  # where its links listen


# link, number of the process (the first is 1)
Restart = Callable[[str, int], ServiceProcess]


class IsolatedLink:
    """The in-link faults of one isolated link, through all restarts of its process.

    Killed by SIGKILL, it loses its state. Its journal is written through, so nothing is lost of
    what another link may have learnt from it.
    `restart` starts the next process on the same port, and raises UserError when that fails.
    `auth`: what the control API of each process asks of a request. `port`: where they listen; held
    here, so that connections are refused while there is no process, and nobody else gets it.
    """

    def __init__(
        self,
        link: str,
        process: ServiceProcess,
        restart: Restart,
        auth: AuthBase | None = None,
        port: HeldPort | None = None,
    ) -> None:
        self._link = link
        self._process = process
        self._restart = restart
        self._auth, self._port = auth, port
        self._faults = RemoteLinkFaults(process.control, auth)
        self._number = 1  # of its process; each restart makes the next
        self._killed_by: set[str] = set()  # crashes that are on: down until the last heals
        self._frozen_by: set[str] = set()  # freezes that are on
        self._outdated = False  # faults were switched on that the process does not know yet
        self._healed: list[str] = []  # faults that the process does not know to be off
        self._on: dict[str, tuple[Fault, Place]] = {}  # other faults, also for the next process
        self._hits: Counter[str] = Counter()  # crashes, and the counts of earlier processes

    @property
    def control(self) -> str | None:
        """URL of its control API; None while it is down or frozen."""
        return self._process.control if self._answers else None

    @property
    def _answers(self) -> bool:
        return not self._killed_by and not self._frozen_by

    def apply(self, fault: Fault, place: Place) -> None:
        """Switch a fault on: a crash or freeze at once, any other as soon as the link answers."""
        if isinstance(fault.parameters, FreezeKind):
            if self._link in place.links:
                self._freeze(fault.id)
        elif not isinstance(fault.parameters, OutageKind):
            self._on[fault.id] = fault, place
            if self._answers:
                self._faults.apply(fault, place)
            else:
                self._outdated = True
        elif self._link in place.links:
            if not self._killed_by:
                self._kill()
            self._killed_by.add(fault.id)
            self._hits[fault.id] += 1

    def heal(self, fault_id: str) -> None:
        """Switch a fault off; when the last crash heals, the link is restarted.

        That takes as long as a process takes to start; the next switch waits for it.
        """
        if fault_id in self._killed_by:
            if len(self._killed_by) == 1:
                self._start_again()
            self._killed_by.remove(fault_id)
        elif fault_id in self._frozen_by:
            self._frozen_by.remove(fault_id)
            if not self._frozen_by and not self._killed_by:
                self._thaw()
        elif self._on.pop(fault_id, None) is not None:
            if self._answers:
                self._faults.heal(fault_id)
            else:
                self._healed.append(fault_id)

    def hits(self) -> dict[str, int]:
        """How many requests each fault acted on, over all restarts; of a crash, how often."""
        total = Counter(self._hits)
        if self._answers:
            total.update(self._faults.hits())
        return dict(total)

    def _freeze(self, fault_id: str) -> None:
        if self._answers:
            self._process.child.process.send_signal(signal.SIGSTOP)
        self._frozen_by.add(fault_id)
        self._hits[fault_id] += 1

    def _thaw(self) -> None:
        """Let the process go on, and inform it of what was switched meanwhile."""
        self._process.child.process.send_signal(signal.SIGCONT)
        for fault_id in self._healed:
            self._faults.heal(fault_id)
        self._healed.clear()
        if self._outdated:
            self._outdated = False
            for fault, place in self._on.values():
                self._faults.apply(fault, place)

    def _kill(self) -> None:
        # The counts end with the process; a frozen one cannot say what they are.
        if self._answers:
            self._hits.update(self._faults.hits())
        self._process.child.may_end = self._process.child.was_killed = True
        self._process.child.process.kill()
        self._process.child.process.wait()
        if self._port is not None:
            self._port.refuse()

    def _start_again(self) -> None:
        self._number += 1
        self._healed.clear()
        self._outdated = False
        self._process = self._restart(self._link, self._number)
        self._faults = RemoteLinkFaults(self._process.control, self._auth)
        for fault, place in self._on.values():
            self._faults.apply(fault, place)
        if self._frozen_by:
            self._process.child.process.send_signal(signal.SIGSTOP)
