"""Schedules that a search tries in order before it draws any: every single fault, then pairs.

    every fault for long, what only ledgers have at each moment ──> every fault for short
        ──> what only ledgers have with every other fault

The simplest kinds come first. Between two of these turns is a round of drawn schedules.

What one fault breaks is so found by every seed, after as many schedules at most as there are kinds
and targets; the rest is left to chance, which finds what needs several faults.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from paychain.explore.schedules import (
    DURATIONS_MS,
    MAX_MAGNITUDE_MS,
    SLOT_MS,
    FaultChoice,
    Schedule,
    ScheduledFault,
)
from paychain.model.chain import Chain

SHORT_MS = 200
UNDER_WAY_MS = 100  # from the first payment: what is remembered from before can be used
MOMENTS_MS = 100  # between two starts of what happens to a ledger at once
AFTERWARDS_MS = 500  # and so long after the last payment
MAGNITUDES_MS = (SLOT_MS, 200, 500, 1_000)  # tried in place of the largest, once that breaks a rule
TURN_SCHEDULES = 150  # of pairs, as many as of drawn ones


def turns(
    chain: Chain, choices: Sequence[FaultChoice], paying_ms: int
) -> Iterator[Iterable[Schedule]]:
    """What is tried in each turn.

    `choices`: what may be injected, the simplest kinds first. `paying_ms`: while payments begin.
    """
    longest = [_longest(choice) for choice in choices]
    of_ledger = _of_ledger(chain, longest)
    at_moments = (
        replace(fault, start_ms=start_ms, duration_ms=SHORT_MS)
        for start_ms in range(0, paying_ms + AFTERWARDS_MS, MOMENTS_MS)
        for fault in of_ledger
    )
    yield [(), *((fault,) for fault in (*longest, *at_moments))]
    yield [(replace(fault, start_ms=0, duration_ms=SHORT_MS),) for fault in longest]
    pairs = ((first, other) for first in of_ledger for other in longest if other not in of_ledger)
    while turn := list(islice(pairs, TURN_SCHEDULES)):
        yield turn


def _of_ledger(chain: Chain, faults: Sequence[ScheduledFault]) -> list[ScheduledFault]:
    """Those of kinds that nothing but a ledger can have: what happens to its blocks."""
    elsewhere = {each.choice.kind for each in faults if each.choice.target[1] != chain.network}
    return [each for each in faults if each.choice.kind not in elsewhere]


def with_less_magnitude(schedule: Schedule) -> Iterator[Schedule]:
    """The same faults as small as each may be, all by the same magnitude; the smallest first."""
    if not any(fault.choice.has_magnitude for fault in schedule):
        return
    for magnitude_ms in MAGNITUDES_MS:
        yield tuple(fault.with_magnitude(magnitude_ms) for fault in schedule)


def _longest(choice: FaultChoice) -> ScheduledFault:
    """As long and as large as a search draws."""
    return ScheduledFault(choice, UNDER_WAY_MS, DURATIONS_MS[-1], MAX_MAGNITUDE_MS)
