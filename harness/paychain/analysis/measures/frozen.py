"""When a fault froze the process of a link: that it did not run then is not a stall of the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paychain.analysis.measures.windows import Window, windows_of_any
from paychain.analysis.store.store import RunStore
from paychain.faults.kind import FreezeKind
from paychain.model.experiment import Experiment
from paychain.payments.journal import Stall


def frozen_spans(store: RunStore, experiment: Experiment) -> Mapping[str, Sequence[Window]]:
    """When each link was frozen, by its name."""
    freezes = {fault.id for fault in experiment.faults if isinstance(fault.parameters, FreezeKind)}
    return windows_of_any(store, freezes)


def was_frozen(stall: Stall, spans: Mapping[str, Sequence[Window]]) -> bool:
    """Whether a stall is what a freeze did to the process of an isolated link."""
    return any(
        f"{stall.process} ".startswith(f"link {link} ")
        and any(since <= stall.until_ns and stall.from_ns <= until for since, until in of_link)
        for link, of_link in spans.items()
    )
