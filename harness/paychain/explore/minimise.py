"""From a small schedule to the smallest, and from there to its limits.

    find a schedule ──> remove_unneeded_faults ──> remove_unneeded_windows ──> simplify_kinds
    (search.py)         fewer faults               fewer windows (windows.py)  simpler kinds

    ──> with_best_starts            ──> join_faults    ──> find_limits    ──> add_margin
        shorter faults (starts.py)      (windows.py)       exact to 1 ms      for real runs

The order: one schedule is simpler than another when it has fewer faults; with as many, when they
come back less often, summed; when their kinds are simpler, summed; with the same kinds, when the
faults last shorter, summed. `size` is that order as integers.

The invariant: a pass replaces the candidate only by a schedule that still breaks the rule and is
simpler (`replace_candidate` asserts it). Sizes are tuples of integers from 0 on, compared from the
left, so no sequence of replacements goes on forever: every pass ends, and so does their sequence.
The last two steps replace nothing: limits are measured around the candidate, and the margin makes a
copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from paychain.explore.schedules import (
    DURATIONS_MS,
    MAX_MAGNITUDE_MS,
    FaultChoice,
    Schedule,
    ScheduledFault,
    kind_rank,
    with_fault,
)
from paychain.explore.starts import StillBreaks, works_at_any_start

STEP_UP = 4  # times the last value: the next one tried upwards
MARGINS_MS = (1_000, 300)  # how much longer a fault lasts for a real run, where that still breaks

# Faults; how often they come back, ranks of their kinds, milliseconds they last, each summed.
Size = tuple[int, int, int, int]


def size(schedule: Schedule) -> Size:
    """The order of schedules: the smaller size is the simpler schedule."""
    return (
        len(schedule),
        sum(fault.times - 1 for fault in schedule),
        sum(kind_rank(fault.choice.kind) for fault in schedule),
        sum(fault.duration_ms for fault in schedule),
    )


def replace_candidate(candidate: Schedule, simpler: Schedule) -> Schedule:
    """Replace the candidate by a schedule that still breaks the rule."""
    assert size(simpler) < size(candidate), f"{simpler} is not simpler than {candidate}"
    return simpler


def remove_unneeded_faults(schedule: Schedule, still_breaks: StillBreaks) -> Schedule:
    """Omit one fault after the other, as long as the rule still breaks."""
    place = 0
    while place < len(schedule):
        shorter = schedule[:place] + schedule[place + 1 :]
        if still_breaks(shorter):
            schedule = replace_candidate(schedule, shorter)
        else:
            place += 1
    return schedule


def simplify_kinds(
    schedule: Schedule, choices: Sequence[FaultChoice], still_breaks: StillBreaks
) -> Schedule:
    """Give each fault the simplest kind for its target that still breaks the rule.

    `choices`: what may be injected, the simplest kinds first.
    """
    for place in range(len(schedule)):
        schedule = _simplify_at(place, schedule, choices, still_breaks)
    return schedule


def _simplify_at(
    place: int, schedule: Schedule, choices: Sequence[FaultChoice], still_breaks: StillBreaks
) -> Schedule:
    fault = schedule[place]
    for choice in choices:
        if choice == fault.choice:
            break  # what follows is not simpler
        if choice.target != fault.choice.target:
            continue
        # A simpler kind may have to last longer to do the same damage, or shorter: while it is on,
        # it may also meet the repeat without which nothing is wrong. Where the kind alone does not
        # break the rule, shorter faults of it are tried, then the strongest, shortened afterwards.
        same = replace(fault, choice=choice)
        shorter = [same.with_duration(ms) for ms in DURATIONS_MS[::-1] if ms < same.duration_ms]
        strongest = ScheduledFault(choice, 0, DURATIONS_MS[-1], MAX_MAGNITUDE_MS)
        for other in (same, *shorter, strongest):
            simpler = with_fault(schedule, place, other)
            if still_breaks(simpler):
                return _shorten_at(place, replace_candidate(schedule, simpler), still_breaks)
    return schedule


def _shorten_at(place: int, schedule: Schedule, still_breaks: StillBreaks) -> Schedule:
    """Take the shortest of the durations that a search draws with which the rule still breaks."""
    fault = schedule[place]
    for duration_ms in DURATIONS_MS:
        if duration_ms >= fault.duration_ms:
            break
        shorter = with_fault(schedule, place, fault.with_duration(duration_ms))
        if still_breaks(shorter):
            return replace_candidate(schedule, shorter)
    return schedule


@dataclass(frozen=True, kw_only=True)
class FaultLimits:
    """Within what one fault of a schedule breaks the rule, in milliseconds.

    `start_ms`: from the first payment; the limits hold for this start. None: a fault of the least
    duration breaks the rule whenever it begins. `times`, `every_ms`: of a fault that comes back;
    the limits hold for these, and the duration is that of each window.

    The magnitude's limits hold with the duration of the schedule, the duration's with the smallest
    magnitude: so the two lower limits hold together. An upper limit is None where the longest or
    largest fault that a search draws breaks the rule, too. They are found by bisection: exact to a
    millisecond where the values that break the rule are one range.
    """

    kind: str
    target: str  # "link processor-a"
    min_duration_ms: int
    start_ms: int | None = None
    max_duration_ms: int | None = None
    min_magnitude_ms: int | None = None  # None where the fault has no magnitude
    max_magnitude_ms: int | None = None
    times: int = 1
    every_ms: int = 0

    def __str__(self) -> str:
        """`lost_answer on link fraud, from 0.051 s on, lasts ≥ 404 ms`."""
        magnitude = ""
        if self.min_magnitude_ms is not None:
            magnitude = f" of {_range(self.min_magnitude_ms, self.max_magnitude_ms)}"
        start = "at any start"
        if self.start_ms is not None:
            start = f"from {self.start_ms / 1000:.3f} s on"
        lasts = _range(self.min_duration_ms, self.max_duration_ms)
        if self.times > 1:
            start += f", {self.times} times, every {self.every_ms} ms"
            lasts += " each time"
        return f"{self.kind}{magnitude} on {self.target}, {start}, lasts {lasts}"


def _range(min_ms: int, max_ms: int | None) -> str:
    if max_ms is None:
        return f"≥ {min_ms} ms"
    return f"{min_ms} to {max_ms} ms" if max_ms > min_ms else f"exactly {min_ms} ms"


def find_limits(
    schedule: Schedule, still_breaks: StillBreaks, paying_ms: int
) -> Iterator[FaultLimits]:
    """Each fault's limits, the other faults as they are. `paying_ms`: while payments begin."""
    for place in range(len(schedule)):
        yield _limits_at(place, schedule, still_breaks, paying_ms)


def _limits_at(
    place: int, schedule: Schedule, still_breaks: StillBreaks, paying_ms: int
) -> FaultLimits:
    fault = schedule[place]
    min_magnitude_ms = max_magnitude_ms = None

    def breaks(other: ScheduledFault) -> bool:
        return still_breaks(with_fault(schedule, place, other))

    # The magnitude first, as the schedule lasts; then the duration with the smallest magnitude, so
    # that both lower limits hold together.
    if fault.choice.has_magnitude:
        of_magnitude = fault
        min_magnitude_ms = _lowest(
            fault.magnitude_ms, lambda ms: breaks(of_magnitude.with_magnitude(ms))
        )
        max_magnitude_ms = _highest(
            fault.magnitude_ms,
            MAX_MAGNITUDE_MS,
            lambda ms: breaks(of_magnitude.with_magnitude(ms)),
        )
        fault = fault.with_magnitude(min_magnitude_ms)
    where, name = fault.choice.target
    min_duration_ms = _lowest(fault.duration_ms, lambda ms: breaks(fault.with_duration(ms)))
    longest_ms = min(DURATIONS_MS[-1], fault.every_ms) if fault.times > 1 else DURATIONS_MS[-1]
    is_any = works_at_any_start(fault.with_duration(min_duration_ms), paying_ms, breaks)
    return FaultLimits(
        kind=fault.choice.kind,
        target=f"{where} {name}",
        min_duration_ms=min_duration_ms,
        start_ms=None if is_any else fault.start_ms,
        max_duration_ms=_highest(
            fault.duration_ms, longest_ms, lambda ms: breaks(fault.with_duration(ms))
        ),
        min_magnitude_ms=min_magnitude_ms,
        max_magnitude_ms=max_magnitude_ms,
        times=fault.times,
        every_ms=fault.every_ms,
    )


def _lowest(known_ms: int, breaks: Callable[[int], bool]) -> int:
    """The smallest value from 1 ms on that breaks, by bisection below a value that does."""
    return _bisect(0, known_ms, lambda ms: not breaks(ms)) + 1


def _highest(known_ms: int, limit_ms: int, breaks: Callable[[int], bool]) -> int | None:
    """The largest value up to which it breaks, above one that does; None when `limit_ms` does."""
    while known_ms < limit_ms:
        tried_ms = min(known_ms * STEP_UP, limit_ms)
        if not breaks(tried_ms):
            return _bisect(known_ms, tried_ms, breaks)
        known_ms = tried_ms
    return None


def _bisect(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The last value for which something holds, between `low`, where it does, and `high`."""
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def add_margin(schedule: Schedule, still_breaks: StillBreaks) -> Schedule:
    """Make each fault longer and larger where the rule still breaks.

    A real run is not on time to the millisecond: a fault at its limit would often miss.
    """
    for place, fault in enumerate(schedule):
        tries = [fault.with_windows(fault.windows.longer(ms)) for ms in MARGINS_MS]
        if fault.choice.has_magnitude:
            tries.insert(0, fault.with_magnitude(fault.magnitude_ms * 2))
        for tried in tries:
            # What was already gained is kept: a margin in one value must not undo the other.
            now = schedule[place]
            both = replace(
                now,
                duration_ms=max(now.duration_ms, tried.duration_ms),
                every_ms=max(now.every_ms, tried.every_ms),
                magnitude_ms=max(now.magnitude_ms, tried.magnitude_ms),
            )
            if both != now and still_breaks(with_fault(schedule, place, both)):
                schedule = with_fault(schedule, place, both)
    return schedule
