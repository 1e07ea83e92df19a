"""Which failed calls a fault of the experiment explains: it made them fail on any machine."""

from __future__ import annotations

from collections import defaultdict

from paychain.analysis.measures.windows import Window, by_fault, windows_of, windows_of_any
from paychain.analysis.store.calls import FailedCall
from paychain.analysis.store.store import RunStore
from paychain.faults.kind import HopFaultKind, OutageKind
from paychain.model.experiment import Experiment
from paychain.payments.journal import DecisionKind, FaultSwitch


class Explanations:
    """What the faults of a run explain. Read lazily."""

    def __init__(self, store: RunStore, experiment: Experiment) -> None:
        self._store, self._experiment = store, experiment
        # When a fault acted on requests, and which, by payment, link and operation.
        self._met: dict[tuple[str, str, str], list[tuple[int, str]]] | None = None
        # When nothing came through: by the name of a hop that was cut, or of a link that was down.
        self._cut: dict[str, list[Window]] = {}
        self._windows: dict[str, list[Window]] | None = None  # by fault

    def has(self, call: FailedCall) -> bool:
        """Whether a fault explains that the call failed."""
        return self.since_ns(call) is not None

    def since_ns(self, call: FailedCall) -> int | None:
        """Since when a fault that explains the failure was on; None: no fault explains it.

        0 for a step of a script, which follows no clock.
        """
        if self._met is None:
            self._met = self._requests()
            self._cut = self._outages()
        # Another request of the payment explains nothing: a fault may act on the first one only.
        hits = self._met.get((call.payment, call.callee, call.operation), ())
        begun = [
            self._begun_ns(fault, at_ns)
            for at_ns, fault in hits
            if call.began_ns <= at_ns <= call.ended_ns
        ]
        begun += [
            since
            for place in (".".join(call.route), call.callee)
            for since, until in self._cut.get(place, ())
            if call.began_ns <= until and call.ended_ns >= since
        ]
        return min(begun, default=None)

    def _begun_ns(self, fault: str, at_ns: int) -> int:
        """When a fault was switched on that was on at a time."""
        if self._windows is None:
            switches = by_fault(self._store.rows(FaultSwitch))
            self._windows = {name: windows_of(its) for name, its in switches.items()}
        windows = self._windows.get(fault, ())
        return max((since for since, _ in windows if since <= at_ns), default=0)

    def _requests(self) -> dict[tuple[str, str, str], list[tuple[int, str]]]:
        """When an in-link fault made requests fail, and which."""
        failing = {fault.id for fault in self._experiment.faults if fault.parameters.fails_calls}
        for script in self._experiment.scripts:
            failing |= script.failing_steps()
        met: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
        if failing:
            for hit in self._store.decisions(DecisionKind.FAULT_HIT):
                if hit.detail in failing:
                    met[hit.payment, hit.link, hit.operation].append((hit.at_ns, hit.detail))
        return dict(met)

    def _outages(self) -> dict[str, list[Window]]:
        """When each hop was cut, and when the process of each link was gone."""
        cutting = {
            fault.id
            for fault in self._experiment.faults
            if isinstance(fault.parameters, OutageKind)
            or (
                isinstance(fault.parameters, HopFaultKind)
                and fault.parameters.fails_calls
                and fault.parameters.share == 1
            )
        }
        return windows_of_any(self._store, cutting)
