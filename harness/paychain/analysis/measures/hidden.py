"""Faults that stalls of the run hid: while they were on, some process did not run.

    fault on       |-----------|
    mocks stalled   |=============|     the calls that should meet the fault are made after it

What the chain would have done then was not tried, so that it cannot pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.stalls import CONDUCTOR, by_processes
from paychain.analysis.measures.windows import Window, by_fault, windows_of
from paychain.declaration.quantity import seconds_text
from paychain.payments.journal import FaultSwitch, Stall

HALF = 0.5  # of the time that a fault was on


def hidden_faults(run: MeasuredRun) -> Iterator[str]:
    """Faults during which a process stalled for more than half of the time, in sentences.

    A late conductor is judged by its switches. A fault with `may_miss` need not affect any call.
    """
    stalls = {
        process: of_process
        for (process, _), of_process in run[by_processes].items()
        if process != CONDUCTOR
    }
    if not stalls:
        return
    switches = by_fault(switch for switch in run.store.rows(FaultSwitch) if not switch.error)
    end_ns = int(run.times.load_end_s * 1e9)
    for fault in run.experiment.faults:
        # There are no payments after the load: time that a fault is on after it does not count.
        windows = [(on, min(off, end_ns)) for on, off in windows_of(switches[fault.id])]
        lasted_ns = sum(max(0, off - on) for on, off in windows)
        if fault.may_miss or not lasted_ns:
            continue
        lost_ns = {process: _lost_ns(windows, its) for process, its in stalls.items()}
        process = max(lost_ns, key=lambda name: lost_ns[name])
        if lost_ns[process] > HALF * lasted_ns:
            yield (
                f"host stalled: {process} was stalled for {seconds_text(lost_ns[process] / 1e9)} "
                f"of the {seconds_text(lasted_ns / 1e9)} that fault {fault.id} was on: its effect "
                "on the chain was not exercised"
            )


def _lost_ns(windows: Sequence[Window], stalls: Iterable[Stall]) -> float:
    """How much of the windows a process stalled; its stalls do not overlap."""
    return sum(
        max(0, min(off, stall.until_ns) - max(on, stall.from_ns))
        for on, off in windows
        for stall in stalls
    )
