"""From a small schedule to the smallest, and from there to its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.explore.schedules import (
    DURATIONS_MS,
    LARGEST_MS,
    Schedule,
    Strike,
    Strikes,
)

STEP_UP = 4  # so many times as much is tried next, where more may not break
ROOMS_MS = (1_000, 300)  # how much longer a fault lasts where it may
Still = Callable[[Schedule], bool]  # whether a schedule still breaks the rule


@dataclass(frozen=True)
class Limits:
    """Within what one fault of a schedule breaks the rule, in milliseconds.

    The magnitude's are those with the duration of the schedule, the duration's those with the
    smallest magnitude: so the two lower ones hold together. An upper one is None where the longest
    or largest that a search knows breaks it, too. They are found by halving: exact to a millisecond
    where what breaks is one range.
    """

    strike: str
    lasts_from_ms: int
    magnitude_from_ms: int | None  # None where the fault has no magnitude
    lasts_to_ms: int | None = None
    magnitude_to_ms: int | None = None

    def __str__(self) -> str:
        """`lost_answer on link processor-a, for 12 ms or longer`."""
        lasts = _range(self.lasts_from_ms, self.lasts_to_ms, "or longer")
        if self.magnitude_from_ms is None:
            return f"{self.strike}, for {lasts}"
        size = _range(self.magnitude_from_ms, self.magnitude_to_ms, "on")
        return f"{self.strike} from {size}, for {lasts}"


def _range(lowest_ms: int, highest_ms: int | None, or_more: str) -> str:
    if highest_ms is None:
        return f"{lowest_ms} ms {or_more}"
    return f"{lowest_ms} to {highest_ms} ms" if highest_ms > lowest_ms else f"{lowest_ms} ms only"


def without_needless(schedule: Schedule, still: Still) -> Schedule:
    """One fault after the other is left out, as long as the rule still breaks."""
    place = 0
    while place < len(schedule):
        shorter = schedule[:place] + schedule[place + 1 :]
        if still(shorter):
            schedule = shorter
        else:
            place += 1
    return schedule


def simpler(schedule: Schedule, strikes: Sequence[Strike], still: Still) -> Schedule:
    """Each fault becomes the simplest kind for its target that still breaks the rule.

    `strikes` stand from the simplest to the worst. A simpler kind may have to last longer.
    """
    for place in range(len(schedule)):
        schedule = _simplest_at(place, schedule, strikes, still)
    return schedule


def _simplest_at(
    place: int, schedule: Schedule, strikes: Sequence[Strike], still: Still
) -> Schedule:
    one = schedule[place]
    for strike in strikes:
        if strike == one.strike:
            break
        if strike.target != one.strike.target:
            continue
        other = replace(one, strike=strike)
        longest = replace(other, start_ms=0, lasts_ms=DURATIONS_MS[-1], magnitude_ms=LARGEST_MS)
        for tried in (other, longest):
            found = _with(schedule, place, tried)
            if still(found):
                return _shortest_at(place, found, still)
    return schedule


def _shortest_at(place: int, schedule: Schedule, still: Still) -> Schedule:
    """Of the durations that the search knows, the shortest that breaks the rule."""
    for lasts_ms in DURATIONS_MS:
        shorter = _with(schedule, place, schedule[place].lasting(lasts_ms))
        if shorter == schedule or still(shorter):
            return shorter
    return schedule


def _with(schedule: Schedule, place: int, one: Strikes) -> Schedule:
    return (*schedule[:place], one, *schedule[place + 1 :])


def limits(schedule: Schedule, still: Still) -> Iterator[Limits]:
    """Each fault's limits, the others as they are."""
    for place in range(len(schedule)):
        yield _limits_of(schedule, place, still)


def _limits_of(schedule: Schedule, place: int, still: Still) -> Limits:
    one = schedule[place]
    size = size_to = None

    def breaks(other: Strikes) -> bool:
        return still(_with(schedule, place, other))

    if one.strike.has_magnitude:
        size = _lowest(one.magnitude_ms, lambda ms: breaks(one.of_magnitude(ms)))
        size_to = _highest(one.magnitude_ms, LARGEST_MS, lambda ms: breaks(one.of_magnitude(ms)))
        one = one.of_magnitude(size)
    lasts = _lowest(one.lasts_ms, lambda ms: breaks(one.lasting(ms)))
    lasts_to = _highest(one.lasts_ms, DURATIONS_MS[-1], lambda ms: breaks(one.lasting(ms)))
    return Limits(str(one.strike), lasts, size, lasts_to, size_to)


def sturdier(schedule: Schedule, still: Still) -> Schedule:
    """The same with room, where it still breaks the rule: a real run is not on time to the ms."""
    for place, one in enumerate(schedule):
        longer = (one.lasting(one.lasts_ms + room_ms) for room_ms in ROOMS_MS)
        larger = [one.of_magnitude(one.magnitude_ms * 2)] * one.strike.has_magnitude
        for tried in (*larger, *longer):
            now = schedule[place]
            both = replace(
                now, lasts_ms=max(now.lasts_ms, tried.lasts_ms),
                magnitude_ms=max(now.magnitude_ms, tried.magnitude_ms),
            )  # fmt: skip
            if both != now and still(_with(schedule, place, both)):
                schedule = _with(schedule, place, both)
    return schedule


def _lowest(known_ms: int, breaks: Callable[[int], bool]) -> int:
    """The smallest value from 1 ms that breaks, by halving below one that does."""
    return _last_before(0, known_ms, lambda ms: not breaks(ms)) + 1


def _highest(known_ms: int, largest_ms: int, breaks: Callable[[int], bool]) -> int | None:
    """The largest value up to which it breaks, from one that does; None when the largest does."""
    while known_ms < largest_ms:
        tried_ms = min(known_ms * STEP_UP, largest_ms)
        if not breaks(tried_ms):
            return _last_before(known_ms, tried_ms, breaks)
        known_ms = tried_ms
    return None


def _last_before(low: int, high: int, is_so: Callable[[int], bool]) -> int:
    """The last value of which it is so, by halving between one and one of which it is not."""
    while high - low > 1:
        middle = (low + high) // 2
        if is_so(middle):
            low = middle
        else:
            high = middle
    return low
