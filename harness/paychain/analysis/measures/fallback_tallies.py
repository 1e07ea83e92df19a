"""The uses of fallbacks, added up: of all payments, or of a part of them and then of all parts.

A process that counts a part of a run imports this, and little else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.touched import AppliedFault, touched
from paychain.analysis.store.fallback_uses import FallbackUse, fallback_uses
from paychain.analysis.store.fingerprints import LAST, Bound, Select

STEADY_S = 5  # seconds in a row that count as failed over or back


class Fallback(NamedTuple):
    """One fallback of one call."""

    link: str
    operation: str
    kind: str
    target: str


@dataclass(kw_only=True)
class ResponseTally:
    """What one fallback did about one fault so far."""

    activations: int = 0
    payments: int = 0
    succeeded: int = 0
    first_served_s: float | None = None
    used_just_before: bool = False

    def merge(self, other: ResponseTally) -> None:
        """Add what it did for other payments."""
        self.activations += other.activations
        self.payments += other.payments
        self.succeeded += other.succeeded
        served = [each.first_served_s for each in (self, other) if each.first_served_s is not None]
        self.first_served_s = min(served, default=None)
        self.used_just_before |= other.used_just_before


@dataclass(kw_only=True)
class FallbackTally:
    """The uses of one fallback so far. Amounts are minor units."""

    responses: list[ResponseTally]
    activations: int = 0
    payments: int = 0
    succeeded: int = 0
    amount_saved: int = 0
    amount_lost: int = 0
    first_use_s: float = float("inf")
    latencies_ns: Histogram = field(default_factory=Histogram)

    def add(self, use: FallbackUse, faults: Sequence[AppliedFault]) -> None:
        """Count one payment that used the fallback."""
        used_s = use.first_ns / 1e9
        self.activations += use.activations
        self.payments += 1
        self.first_use_s = min(self.first_use_s, used_s)
        self.latencies_ns.add(use.ended_ns - use.intended_ns)
        self.succeeded += use.is_served
        # Served is about the fallback's own call, lost about the whole payment: a payment that was
        # served and failed later anyway is lost.
        if use.is_technical:
            self.amount_lost += use.amount_minor
        elif use.is_served:
            self.amount_saved += use.amount_minor
        for fault, response in zip(faults, self.responses, strict=True):
            self._respond(use, fault, response)

    def merge(self, other: FallbackTally) -> None:
        """Add the uses by other payments."""
        self.activations += other.activations
        self.payments += other.payments
        self.succeeded += other.succeeded
        self.amount_saved += other.amount_saved
        self.amount_lost += other.amount_lost
        self.first_use_s = min(self.first_use_s, other.first_use_s)
        self.latencies_ns.merge(other.latencies_ns)
        for ours, theirs in zip(self.responses, other.responses, strict=True):
            ours.merge(theirs)

    def _respond(self, use: FallbackUse, fault: AppliedFault, response: ResponseTally) -> None:
        """Count the use for a fault, if the payment was in flight while it was on."""
        on_s, used_s, ended_s = fault.applied_s, use.first_ns / 1e9, use.ended_ns / 1e9
        if on_s is None:
            return
        # A fallback that was in use before the fault did not detect it.
        if on_s - STEADY_S <= used_s < on_s:
            response.used_just_before = True
        if used_s < on_s or not touched(fault, use.intended_ns, use.ended_ns):
            return
        response.activations += use.activations
        response.payments += 1
        response.succeeded += use.is_served
        if use.is_served and ended_s < (response.first_served_s or float("inf")):
            response.first_served_s = ended_s


Tallies = dict[Fallback, FallbackTally]


def tallied(
    select: Select,
    kinds: Sequence[str],
    faults: Sequence[AppliedFault],
    after: Bound = "",
    upto: Bound = LAST,
) -> Tallies:
    """The uses of every fallback by the payments after one, up to another.

    `kinds`: of the decisions that are fallbacks. The records are indexed by payment before.
    """
    tallies: Tallies = {}
    for use in fallback_uses(select, kinds, after, upto):
        fallback = Fallback(use.link, use.operation, use.kind, use.target)
        if fallback not in tallies:
            tallies[fallback] = FallbackTally(responses=[ResponseTally() for _ in faults])
        tallies[fallback].add(use, faults)
    return tallies


def merged(parts: Iterable[Tallies]) -> Tallies:
    """The uses by the payments of all parts: every number adds up, or is the least of them."""
    whole: Tallies = {}
    for part in parts:
        for fallback, tally in part.items():
            if fallback in whole:
                whole[fallback].merge(tally)
            else:
                whole[fallback] = tally
    return whole
