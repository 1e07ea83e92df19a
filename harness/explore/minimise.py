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

ROOMS_MS = (1_000, 300)  # how much longer a fault lasts where it may
Still = Callable[[Schedule], bool]  # whether a schedule still breaks the rule


@dataclass(frozen=True)
class Limits:
    """From when on one fault of a schedule breaks the rule, in milliseconds.

    A limit is exact to a millisecond where breaking is a matter of more or less; None where the
    fault has no magnitude.
    """

    strike: str
    lasts_from_ms: int
    magnitude_from_ms: int | None

    def __str__(self) -> str:
        """`lost_answer on link processor-a, for 12 ms or longer`."""
        size = ""
        if self.magnitude_from_ms is not None:
            size = f" from {self.magnitude_from_ms} ms on"
        return f"{self.strike}{size}, for {self.lasts_from_ms} ms or longer"


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
    """Each fault's shortest duration and smallest magnitude, the others as they are."""
    for place in range(len(schedule)):
        yield _limits_of(schedule, place, still)


def _limits_of(schedule: Schedule, place: int, still: Still) -> Limits:
    one = schedule[place]

    def breaks(other: Strikes) -> bool:
        return still(_with(schedule, place, other))

    size = None
    lasts = _lowest(one.lasts_ms, lambda ms: breaks(one.lasting(ms)))
    if one.strike.has_magnitude:
        size = _lowest(one.magnitude_ms, lambda ms: breaks(one.of_magnitude(ms)))
    return Limits(str(one.strike), lasts, size)


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
    low, high = 0, known_ms
    while high - low > 1:
        middle = (low + high) // 2
        if breaks(middle):
            high = middle
        else:
            low = middle
    return high
