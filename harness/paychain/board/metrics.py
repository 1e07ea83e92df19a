"""What a session by hand has seen, as live metrics of Prometheus: the same as of a run.

Each recorded run has series of its own, by the name of its folder. A fault is named by what it is
and where, so that there are as many as the board has switches, however often each is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from paychain.payments.journal import Record
from paychain.runs.follower import Look
from paychain.runs.live_metrics import LiveMetrics

EXPERIMENT = "by-hand"
PHASE = "by hand"


class SessionMetrics:
    """The metrics of the run that is being recorded."""

    def __init__(self, chain: str, seed: int) -> None:
        self._labels = {"chain": chain, "experiment": EXPERIMENT, "seed": str(seed)}
        self._live = LiveMetrics(self._labels, None)

    def begin(self, folder: Path) -> None:
        """Another run is recorded, in this folder: it counts from 0."""
        live = LiveMetrics(self._labels, None)
        live.begin(folder)
        self._live = live

    def add(self, records: Iterable[Record]) -> None:
        """Count new records."""
        self._live.add(records)

    def look(self, load_s: float, faults: Sequence[tuple[str, str, str]]) -> None:
        """The load has gone on for so long; these faults are on: kind, target and name of each."""
        self._live.look(Look(load_s, PHASE, [" ".join(fault) for fault in faults]))

    def text(self) -> str:
        """All of it, in Prometheus' text format."""
        return self._live.text()
