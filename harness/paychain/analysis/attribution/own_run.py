"""A run with own services, as the passes over its records see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment


class Spans:
    """Spans of hops that no link has seen: no link's spans begin with an e."""

    def __init__(self) -> None:
        self._count = 0

    def new(self) -> str:
        """16 hex digits, unique in the run."""
        self._count += 1
        return f"e{self._count:015x}"


@dataclass(frozen=True)
class OwnRun:
    """Its records, which each pass adds to or changes, and what was declared."""

    store: RunStore
    chain: Chain
    experiment: Experiment
    spans: Spans = field(default_factory=Spans)
