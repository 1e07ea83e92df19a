"""Schedules that a search tries in order before it draws any: every single fault, then several.

    every fault for long, what only ledgers have at each moment ──> every fault for short
        ──> every fault that comes back ──> failures that spread from link to link
        ──> what only ledgers have with every other fault

The simplest kinds come first. What all links of a provider have together comes after what a single
link has, so that it is found only where no single link is enough. Between two of these turns is a
round of drawn schedules.

What one fault breaks is so found by every seed, after as many schedules at most as there are kinds
and targets; the rest is left to chance, which finds what needs several faults.

A failure spreads in two ways. Where one link fails, its traffic goes to the next one, which fails
under it; and whoever waits for them fails last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from paychain.explore.schedules import (
    DURATIONS_MS,
    MAX_MAGNITUDE_MS,
    SLOT_MS,
    TIMES,
    FaultChoice,
    Schedule,
    ScheduledFault,
    Windows,
)
from paychain.model.chain import Chain

SHORT_MS = 200
UNDER_WAY_MS = 100  # from the first payment: what is remembered from before can be used
MOMENTS_MS = 100  # between two starts of what happens to a ledger at once
AFTERWARDS_MS = 500  # and so long after the last payment
MAGNITUDES_MS = (SLOT_MS, 200, 500, 1_000)  # tried in place of the largest, once that breaks a rule
HEALTHY_MS = 700  # between two windows: retries are over, and breakers may be half open
SPREADS_MS = 400  # from one link's failure to the next one's
TURN_SCHEDULES = 150  # of pairs, as many as of drawn ones


def turns(
    chain: Chain,
    choices: Sequence[FaultChoice],
    paying_ms: int,
    of_providers: Sequence[FaultChoice] = (),
) -> Iterator[Iterable[Schedule]]:
    """What is tried in each turn.

    `choices`: what may be injected, the simplest kinds first; `of_providers`: into all links of a
    provider. `paying_ms`: while payments begin.
    """
    longest = [_longest(choice) for choice in choices]
    of_ledger = _of_ledger(chain, longest)
    at_moments = (
        replace(fault, start_ms=start_ms, duration_ms=SHORT_MS)
        for start_ms in range(0, paying_ms + AFTERWARDS_MS, MOMENTS_MS)
        for fault in of_ledger
    )
    together = list(map(_longest, of_providers))
    yield [(), *((fault,) for fault in (*longest, *at_moments, *together))]
    yield [(replace(fault, start_ms=0, duration_ms=SHORT_MS),) for fault in (*longest, *together)]
    again = Windows(SHORT_MS, TIMES, SHORT_MS + HEALTHY_MS)
    yield [(fault.with_windows(again),) for fault in longest]
    yield _cascades(chain, longest)
    pairs = ((first, other) for first in of_ledger for other in longest if other not in of_ledger)
    while turn := list(islice(pairs, TURN_SCHEDULES)):
        yield turn


def _of_ledger(chain: Chain, faults: Sequence[ScheduledFault]) -> list[ScheduledFault]:
    """Those of kinds that nothing but a ledger can have: what happens to its blocks."""
    elsewhere = {each.choice.kind for each in faults if each.choice.target[1] != chain.network}
    return [each for each in faults if each.choice.kind not in elsewhere]


def _cascades(chain: Chain, faults: Sequence[ScheduledFault]) -> list[Schedule]:
    """One kind of failure at the links that a call goes to, one after the other, then its caller.

    All are healed together. Those that are the same for two calls come once.
    """
    at_links: dict[str, dict[str, ScheduledFault]] = {}
    for fault in faults:
        where, name = fault.choice.target
        if where == "link":
            at_links.setdefault(fault.choice.kind, {})[name] = fault
    ways = dict.fromkeys(
        tuple(dict.fromkeys((*call.targets, caller)))
        for caller, link in chain.links.items()
        for call in link.calls.values()
    )
    cascades = (
        tuple(
            _later(of_kind[name], number * SPREADS_MS)
            for number, name in enumerate(name for name in way if name in of_kind)
        )
        for of_kind in at_links.values()
        for way in ways
    )
    return [cascade for cascade in dict.fromkeys(cascades) if len(cascade) > 1]


def _later(fault: ScheduledFault, ms: int) -> ScheduledFault:
    """The fault from a later start on, to the same end."""
    duration_ms = max(fault.duration_ms - ms, SHORT_MS)
    return replace(fault, start_ms=fault.start_ms + ms, duration_ms=duration_ms)


def with_less_magnitude(schedule: Schedule) -> Iterator[Schedule]:
    """The same faults as small as each may be, all by the same magnitude; the smallest first."""
    if not any(fault.choice.has_magnitude for fault in schedule):
        return
    for magnitude_ms in MAGNITUDES_MS:
        yield tuple(fault.with_magnitude(magnitude_ms) for fault in schedule)


def _longest(choice: FaultChoice) -> ScheduledFault:
    """As long and as large as a search draws."""
    return ScheduledFault(choice, UNDER_WAY_MS, DURATIONS_MS[-1], MAX_MAGNITUDE_MS)
