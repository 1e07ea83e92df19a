"""Which windows of a fault that comes back are needed: minimising leaves one where one suffices.

    one of its windows alone ──> one over all of them ──> one window fewer, as long as the rule
        still breaks ──> (when every fault is as short as it may be) one fault for two alike

The law of `minimise.py` holds for both passes: what is returned breaks the rule and is as simple as
before, or simpler.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from paychain.explore.minimise import replace_candidate
from paychain.explore.schedules import Schedule, ScheduledFault, Windows, with_fault
from paychain.explore.starts import StillBreaks


def remove_unneeded_windows(schedule: Schedule, still_breaks: StillBreaks) -> Schedule:
    """Let each fault come back as seldom as still breaks the rule."""
    for place in range(len(schedule)):
        while fewer := _fewer_at(place, schedule, still_breaks):
            schedule = replace_candidate(schedule, fewer)
    return schedule


def _fewer_at(place: int, schedule: Schedule, still_breaks: StillBreaks) -> Schedule | None:
    tries = (with_fault(schedule, place, fault) for fault in _with_fewer_windows(schedule[place]))
    return next((other for other in tries if still_breaks(other)), None)


def _with_fewer_windows(fault: ScheduledFault) -> Iterator[ScheduledFault]:
    """The fault in fewer windows, the simplest first."""
    if fault.times == 1:
        return
    starts_ms = [fault.start_ms + number * fault.every_ms for number in range(fault.times)]
    alone = fault.with_windows(Windows(fault.duration_ms))
    yield from (replace(alone, start_ms=start_ms) for start_ms in starts_ms)
    yield fault.with_windows(Windows(fault.windows.span_ms))
    for times in range(2, fault.times):
        fewer = fault.with_windows(Windows(fault.duration_ms, times, fault.every_ms))
        yield from (replace(fewer, start_ms=start_ms) for start_ms in starts_ms[: 1 - times])


def join_faults(schedule: Schedule, still_breaks: StillBreaks) -> Schedule:
    """Make one fault that comes back of two of one kind at one target."""
    while joined := next((other for other in _joined(schedule) if still_breaks(other)), None):
        schedule = replace_candidate(schedule, joined)
    return schedule


def _joined(schedule: Schedule) -> Iterator[Schedule]:
    in_order = sorted(schedule, key=lambda fault: fault.start_ms)
    for first, second in combinations(in_order, 2):
        every_ms = second.start_ms - first.start_ms
        duration_ms = max(first.duration_ms, second.duration_ms)
        is_alike = first.choice == second.choice and first.times == second.times == 1
        if not is_alike or duration_ms > every_ms:
            continue
        both = replace(
            first.with_windows(Windows(duration_ms, 2, every_ms)),
            magnitude_ms=max(first.magnitude_ms, second.magnitude_ms),
        )
        place, other = schedule.index(first), schedule.index(second)
        rest = with_fault(schedule, place, both)
        yield rest[:other] + rest[other + 1 :]
