"""When a fault has to begin so that the shortest one breaks the rule.

A fault that lasts a millisecond breaks a rule only if it begins as something happens at its target:
a request arrives, an answer leaves. So the moments at which something happened are tried first, and
a grid over the load afterwards, for what lies between them.

    moments of the payment that shows it ──> of other payments ──> every GRID_MS
         └── a start at which less breaks it ──> bisect the duration there; go on with less
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from paychain.explore.schedules import Schedule, ScheduledFault, with_fault
from paychain.payments.journal import Decision, FaultSwitch, HopRecord, Movement, Record

GRID_MS = 37  # no multiple of it is the distance between payments: all offsets are tried
MAX_STARTS = 60  # tried for one fault: one to three seconds of virtual runs
StillBreaks = Callable[[Schedule], bool]  # whether a schedule still breaks the rule


def with_best_starts(
    schedule: Schedule, starts_ms: Callable[[Schedule, int], Iterable[int]], breaks: StillBreaks
) -> Schedule:
    """Let each fault begin when the shortest one breaks the rule, the other faults as they are.

    `starts_ms`: the starts to try for the fault at a place of a schedule, the most promising first.
    Law: the schedule that is returned breaks the rule, and no fault of it lasts longer than before.
    """
    for place in range(len(schedule)):
        schedule = _start_at(place, schedule, starts_ms(schedule, place), breaks)
    return schedule


def _start_at(
    place: int, schedule: Schedule, starts_ms: Iterable[int], breaks: StillBreaks
) -> Schedule:
    best = _shortest(
        schedule[place], starts_ms, lambda fault: breaks(with_fault(schedule, place, fault))
    )
    assert best.duration_ms <= schedule[place].duration_ms
    return with_fault(schedule, place, best)


def _shortest(
    fault: ScheduledFault, starts_ms: Iterable[int], breaks: Callable[[ScheduledFault], bool]
) -> ScheduledFault:
    """The fault with the start at which the shortest duration breaks the rule."""
    best = _shortened(fault, breaks)
    tried = {fault.start_ms}
    for start_ms in starts_ms:
        if best.duration_ms == 1 or len(tried) > MAX_STARTS:
            break
        if start_ms in tried:
            continue
        tried.add(start_ms)
        # The shortest fault of all, then one that is just shorter than the best: a longer fault
        # does not always break what a shorter one does.
        for duration_ms in dict.fromkeys((1, best.duration_ms - 1)):
            moved = replace(best, start_ms=start_ms, duration_ms=duration_ms)
            if breaks(moved):
                best = _shortened(moved, breaks)
                break
    return best


def _shortened(fault: ScheduledFault, breaks: Callable[[ScheduledFault], bool]) -> ScheduledFault:
    """The shortest with the same start, by bisection below a duration that breaks."""
    low, high = 0, fault.duration_ms
    while high - low > 1:
        middle = (low + high) // 2
        if breaks(fault.with_duration(middle)):
            high = middle
        else:
            low = middle
    return fault.with_duration(high)


def works_at_any_start(
    fault: ScheduledFault, paying_ms: int, breaks: Callable[[ScheduledFault], bool]
) -> bool:
    """Whether the fault breaks the rule at every start of the grid while payments begin."""
    return all(
        breaks(replace(fault, start_ms=start_ms)) for start_ms in range(0, paying_ms, GRID_MS)
    )


def starts_from(
    records: Sequence[Record],
    schedule: Schedule,
    place: int,
    *,
    payment: str,
    paying_ms: int,
    links: Collection[str],
) -> Iterator[int]:
    """The starts worth trying for the fault at a place in the schedule, from a run with it.

    `payment`: the one that shows what broke; its moments come first. `links`: those that the fault
    is at. Milliseconds from the first payment, as faults count them.
    """
    origin_ns = _origin_ns(records, schedule)
    where, name = schedule[place].choice.target
    caller, _, operation = name.partition(".")

    def is_at_target(record: Record) -> bool:
        match record:
            case HopRecord() if where == "call":
                return (record.caller, record.operation) == (caller, operation)
            case HopRecord():
                return record.caller in links or record.callee in links
            case Movement() | Decision():
                return record.link in links
        return False

    own = {
        moment
        for record in records
        if getattr(record, "payment", "") == payment
        for moment in _moments_ns(record)
    }
    others = {
        moment for record in records if is_at_target(record) for moment in _moments_ns(record)
    }
    for moments in (sorted(own), sorted(others - own)):
        for moment_ns in moments:
            # What happens within a millisecond happens after its beginning; a link also acts a
            # moment after it is asked.
            start_ms = (moment_ns - origin_ns) // 1_000_000
            yield from (near for near in (start_ms, start_ms - 1) if 0 <= near <= paying_ms)
    yield from range(0, paying_ms, GRID_MS)


def scheduled(name: str, schedule: Schedule) -> tuple[ScheduledFault, int]:
    """The fault of a schedule with this name in a run, and which of its windows, from 1."""
    # `f2`, and `f2-3` for the third window of one that comes back.
    number, _, window = name.removeprefix("f").partition("-")
    return schedule[int(number) - 1], int(window or 1)


def _origin_ns(records: Sequence[Record], schedule: Schedule) -> int:
    """When the first payment begins: faults are planned from there."""
    for record in records:
        if isinstance(record, FaultSwitch) and record.action == "applied":
            fault, window = scheduled(record.fault, schedule)
            start_ms = fault.start_ms + (window - 1) * fault.every_ms
            return record.planned_ns - start_ms * 1_000_000
    return 0


def _moments_ns(record: Record) -> Iterator[int]:
    match record:
        case HopRecord():
            yield from (record.started_ns, record.ended_ns)
        case Movement() | Decision():
            yield record.at_ns
