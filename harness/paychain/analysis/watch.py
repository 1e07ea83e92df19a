"""Watches a run second by second for a condition to stop it.

The same seconds and the same measures in real and in virtual time. A payment belongs to the second
in which its customer got an answer or gave up, warm-up included.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from paychain.analysis.measures.exact import SHARES
from paychain.analysis.measures.histogram import rank_of
from paychain.analysis.measures.measures import MIN_PAYMENTS, Stopped
from paychain.analysis.measures.phases import Tally
from paychain.analysis.money.parties import Parties
from paychain.declaration.quantity import seconds_text
from paychain.model.chain import Chain
from paychain.model.stop import StopCondition
from paychain.payments.journal import Movement, PaymentRecord, Record, Verb
from paychain.payments.outcome import Outcome
from paychain.payments.rules import Reconciled, authorisations, of_order
from paychain.payments.rules.charges import no_double_charge

LATENCIES = {f"latency_{name}": share for name, share in SHARES.items()}
SETTLED_S = 1.0  # after its end, all records of a second have come: spools are flushed far sooner
MAX_BOOKED = 50_000  # payments whose movements are remembered, some 30 MB: the latest ones


class Watch:
    """Receives the records as they come. `start_s`: when the load starts, on their clock."""

    def __init__(self, conditions: Sequence[StopCondition], chain: Chain, start_s: float) -> None:
        self._conditions = conditions
        self._start_s = start_s
        self._longest = max((int(condition.lasts) for condition in conditions), default=0)
        self._judged = 0  # seconds of the load that were looked at
        # How customers were answered, by second.
        self._answered: dict[int, Tally] = defaultdict(Tally)
        # Latencies (ns) by second, for limits on them: a histogram is not exact.
        self._latencies: dict[int, list[int]] = defaultdict(list)
        self._times_payments = any(condition.measure in LATENCIES for condition in conditions)
        self._counts_money = any(condition.counts_payments for condition in conditions)
        self._chain = chain

    @cached_property  # most conditions are not about money
    def _charges(self) -> _DoubleCharges:
        return _DoubleCharges(Parties.of(self._chain))

    def add(self, records: Iterable[Record]) -> None:
        """Count new records."""
        if not self._conditions:
            return
        for record in records:
            if isinstance(record, PaymentRecord):
                second = int(record.ended_ns / 1e9 - self._start_s)
                self._answered[second].add(record)
                if self._times_payments:
                    self._latencies[second].append(record.ended_ns - record.intended_ns)
                if self._counts_money:
                    self._charges.pay(record)
            elif self._counts_money and isinstance(record, Movement):
                self._charges.book(record)

    def judge(self, now_s: float) -> Stopped | None:
        """The first condition that is met in a second that has settled by now."""
        if not self._conditions:
            return None
        while self._start_s + self._judged + 1 + SETTLED_S <= now_s + 1e-6:
            self._judged += 1
            for condition in self._conditions:
                observed = self._observed(condition)
                if observed is not None and condition.limit.holds(observed):
                    text = _written(condition, observed)
                    at_s = now_s - self._start_s
                    return Stopped(
                        at_s=at_s,
                        condition=condition.text,
                        measure=condition.measure,
                        lasted_s=condition.lasts,
                        observed=observed,
                        observed_text=text,
                    )
            self._answered.pop(self._judged - self._longest - 1, None)
            self._latencies.pop(self._judged - self._longest - 1, None)
        return None

    def _observed(self, condition: StopCondition) -> float | None:
        """The measure over a whole window that ends now; None when it cannot be measured."""
        first = self._judged - int(condition.lasts)
        if first < 0:
            return None
        if condition.counts_payments:
            return float(self._charges.since(self._start_s + first))
        window = Tally()
        for second in range(first, self._judged):
            if second in self._answered:
                window.merge(self._answered[second])
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
                seconds = range(first, self._judged)
                return self._latency_s(seconds, LATENCIES[condition.measure])

    def _latency_s(self, seconds: Iterable[int], share: float) -> float | None:
        """The quantile of the latencies in these seconds (nearest rank), if there are enough."""
        latencies = sorted(
            latency for second in seconds for latency in self._latencies.get(second, ())
        )
        if len(latencies) < MIN_PAYMENTS:
            return None
        return latencies[rank_of(share, len(latencies)) - 1] / 1e9


class _OrderMoney(NamedTuple):
    """What is known of one order: the records of its payments and their movements, by payment."""

    paid: dict[str, PaymentRecord]
    booked: dict[str, list[Movement]]


class _DoubleCharges:
    """Orders whose money is held or taken more than once, and since when.

    Which order a payment is for is known once its customer has an answer or has left; until then it
    is an order of its own.
    """

    def __init__(self, parties: Parties) -> None:
        self._parties = parties
        self._order_of: dict[str, str] = {}  # by payment
        self._orders: OrderedDict[str, _OrderMoney] = OrderedDict()
        self._since_s: dict[str, float] = {}  # by order

    def pay(self, record: PaymentRecord) -> None:
        """A customer has an answer or has left."""
        before = self._order_of.get(record.payment, record.payment)
        name = record.order or record.payment
        order = self._orders.setdefault(name, _OrderMoney({}, {}))
        order.paid[record.payment] = record
        self._order_of[record.payment] = name
        if before != name and before in self._orders:
            # What was booked before belongs to the order that is now known.
            order.booked.update(self._orders.pop(before).booked)
            self._since_s.pop(before, None)
        holds = [
            movement.at_ns
            for movements in order.booked.values()
            for movement in movements
            if movement.kind.verb is Verb.HOLD
        ]
        self._judge(name, order, max(holds, default=record.ended_ns))

    def book(self, movement: Movement) -> None:
        """A link booked something."""
        name = self._order_of.setdefault(movement.payment, movement.payment)
        order = self._orders.setdefault(name, _OrderMoney({}, {}))
        order.booked.setdefault(movement.payment, []).append(movement)
        self._judge(name, order, movement.at_ns)

    def since(self, at_s: float) -> int:
        """How many have been so since a moment, or for longer."""
        return sum(since_s <= at_s for since_s in self._since_s.values())

    def _judge(self, name: str, order: _OrderMoney, at_ns: int) -> None:
        payments = [
            self._reconciled(payment, order.paid.get(payment), movements)
            for payment, movements in order.booked.items()
        ]
        whole = of_order(payments) if len(payments) > 1 else payments[0] if payments else None
        if whole is not None and no_double_charge(whole) is not None:
            self._since_s.setdefault(name, at_ns / 1e9)
        else:
            self._since_s.pop(name, None)
        if len(self._order_of) > MAX_BOOKED:
            oldest, forgotten = self._orders.popitem(last=False)
            self._since_s.pop(oldest, None)
            for payment in {*forgotten.paid, *forgotten.booked}:
                self._order_of.pop(payment, None)

    def _reconciled(
        self, payment: str, record: PaymentRecord | None, movements: list[Movement]
    ) -> Reconciled:
        found = authorisations(movements)
        holds = [movement.amount_minor for movement in movements if movement.kind.sign > 0]
        # Until the customer's record comes, the first hold says what was asked for; where a payment
        # is taken in parts, as by tenders or by any own service, only all of them together do.
        is_in_parts = bool(self._parties.tenders or self._parties.without_book)
        expected_minor = sum(holds) if is_in_parts else next(iter(holds), 0)
        is_approved = record is not None and record.outcome is Outcome.APPROVED
        return Reconciled(
            payment=payment,
            amount_minor=record.amount_minor if record is not None else expected_minor,
            currency=movements[0].currency,
            shown_approved=is_approved,
            authorisations=found,
            settling=self._parties.settling,
            order=record.order if record is not None else "",
            order_minor=record.order_minor if record is not None else 0,
            shown_minor=record.approved_minor if record is not None and is_approved else 0,
        )


def _written(condition: StopCondition, observed: float) -> str:
    if condition.counts_payments:
        return f"{observed:.0f}"
    if condition.measure.startswith("latency"):
        return seconds_text(observed)
    return f"{observed * 100:.1f} %"
