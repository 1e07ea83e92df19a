"""Own services that were still starting when the first fault began.

    load      |===================================|
    fault on          |-------|
    answers               |=======================|     the first payment whose outcome is seen

A service that is ready may yet be slow: a JVM loads and compiles what its first payments use. What
breaks until then breaks because of that, and a fault of that time may have met no request.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.recovery import faults
from paychain.analysis.store.queries import first_answer_ns, intended_before
from paychain.declaration.quantity import seconds_text

PATIENCE_S = 1.0  # payments later than this before a fault need not be answered when it begins
_ROOM = 1.25  # a further run may start more slowly


def slow_starts(run: MeasuredRun) -> Iterator[str]:
    """That no payment was answered before the first fault, though some were after it."""
    services = list(run.chain.own_services())
    applied = [fault.applied_s for fault in run[faults] if fault.applied_s is not None]
    answer_ns = first_answer_ns(run.store)
    if not services or not applied or answer_ns is None:
        return
    first_s, begins_s = min(applied), run.times.load_start_s
    answered_s = answer_ns / 1e9
    if answered_s <= first_s or not intended_before(run.store, first_s - PATIENCE_S):
        return
    yield (
        f"no payment was answered until {seconds_text(answered_s - begins_s)} into the load, and "
        f"the first fault began at {seconds_text(first_s - begins_s)}: what broke by then may be "
        f"the start of {' and '.join(services)}, not the fault (load: {{warm_up: "
        f"{ceil((answered_s - begins_s) * _ROOM)}s}} gives it time)"
    )
