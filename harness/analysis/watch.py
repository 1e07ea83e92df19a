"""Looks at a run while it goes on, second by second, for a condition to stop it at.

The same seconds and the same measures in real and in virtual time. A payment belongs to the second
in which its customer was told or gave up, warm-up included.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from harness.analysis.measured import Stopped
from harness.analysis.phases import Tally
from harness.analysis.reconcile import Parties
from harness.model.chain import Chain
from harness.model.stop import StopCondition
from harness.payments.journal import Movement, PaymentRecord, Record
from harness.payments.rules import Reconciled, authorisations

SETTLED_S = 1.0  # after its end, all records of a second have come: spools are flushed far sooner
MOST_BOOKED = 50_000  # payments whose movements are remembered, some 30 MB: the latest ones


class Watch:
    """Takes the records as they come. `start_s`: when the load starts, on their clock."""

    def __init__(self, conditions: Sequence[StopCondition], chain: Chain, start_s: float) -> None:
        self._conditions = conditions
        self._start_s = start_s
        self._longest = max((int(one.lasts) for one in conditions), default=0)
        self._judged = 0  # seconds of the load that were looked at
        self._told: dict[int, Tally] = defaultdict(Tally)  # what customers were told, by second
        self._counts_money = any(one.counts_payments for one in conditions)
        self._charges = _DoubleCharges(Parties.of(chain).issuers)

    def add(self, records: Iterable[Record]) -> None:
        """Take new records."""
        if not self._conditions:
            return
        for record in records:
            if isinstance(record, PaymentRecord):
                self._told[int(record.ended_ns / 1e9 - self._start_s)].add(record)
            elif self._counts_money and isinstance(record, Movement):
                self._charges.add(record)

    def judge(self, now_s: float) -> Stopped | None:
        """The first condition that is met in a second that has settled by now."""
        if not self._conditions:
            return None
        while self._start_s + self._judged + 1 + SETTLED_S <= now_s + 1e-6:
            self._judged += 1
            for one in self._conditions:
                observed = self._observed(one)
                if observed is not None and one.limit.holds(observed):
                    text = _written(one, observed)
                    at_s = now_s - self._start_s
                    return Stopped(at_s, one.text, one.measure, one.lasts, observed, text)
            self._told.pop(self._judged - self._longest - 1, None)
        return None

    def _observed(self, condition: StopCondition) -> float | None:
        """The measure over a whole window that ends now; None when it cannot be said."""
        first = self._judged - int(condition.lasts)
        if first < 0:
            return None
        if condition.counts_payments:
            return float(self._charges.since(self._start_s + first))
        window = Tally()
        for second in range(first, self._judged):
            if second in self._told:
                window.merge(self._told[second])
        measured = window.phase("window", "window", first, self._judged)
        match condition.measure:
            case "technical_success":
                return measured.technical_success
            case "approval_rate":
                return measured.approval_rate
            case "unknown":
                # success is None where there are too few payments to say
                few = measured.technical_success is None
                return None if few else measured.unknown / measured.offered
            case _:
                millis: float | None = getattr(
                    measured, f"{condition.measure.removeprefix('latency_')}_ms"
                )
                return millis / 1000 if millis is not None else None


class _DoubleCharges:
    """Payments whose money is held or taken more than once, and since when."""

    def __init__(self, issuers: frozenset[str]) -> None:
        self._issuers = issuers
        self._booked: OrderedDict[str, list[Movement]] = OrderedDict()
        self._since_s: dict[str, float] = {}

    def add(self, movement: Movement) -> None:
        payment = movement.payment
        booked = self._booked.setdefault(payment, [])
        booked.append(movement)
        found = Reconciled(payment, 0, "", False, authorisations(booked), self._issuers)
        if found.times_held > 1:
            self._since_s.setdefault(payment, movement.at_ns / 1e9)
        else:
            self._since_s.pop(payment, None)
        if len(self._booked) > MOST_BOOKED:
            oldest, _ = self._booked.popitem(last=False)
            self._since_s.pop(oldest, None)

    def since(self, at_s: float) -> int:
        """How many have been so since a moment, or for longer."""
        return sum(since_s <= at_s for since_s in self._since_s.values())


def cut_short(moments: Mapping[str, float], stopped: Stopped | None) -> dict[str, float]:
    """The moments of a run whose load ended when it was stopped."""
    if stopped is None:
        return dict(moments)
    return {**moments, "load_end_s": moments["load_start_s"] + stopped.at_s}


def _written(condition: StopCondition, observed: float) -> str:
    if condition.counts_payments:
        return f"{observed:.0f}"
    if condition.measure.startswith("latency"):
        return f"{observed:.1f} s" if observed >= 1 else f"{observed * 1000:.0f} ms"
    return f"{observed * 100:.1f} %"
