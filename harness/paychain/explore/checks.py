"""What one schedule broke: money rules, and the requested success."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from paychain.analysis.money.fingerprints import SoundPayments
from paychain.analysis.money.orders import Orders, orders_of
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import funded, reconcile, stand_in_order
from paychain.analysis.reasons import required
from paychain.analysis.store.store import RecordedPayment, Row
from paychain.model.tolerance import Limit
from paychain.payments.journal import (
    Decision,
    FaultSwitch,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from paychain.payments.rules import RULES, Finding
from paychain.payments.rules.own_traces import asks_beside

SUCCESS = "technical_success"  # the declared tolerance, beside the money rules
WORKS_AGAIN = "works_again"  # so long after the last fault is healed
CONCLUSIVE = "run_ends"  # every request and reversal comes to an end
_OF_PAYMENTS = (HopRecord, Movement, Decision)  # what links record, in the order of a story


@dataclass(frozen=True)
class RuleBreak:
    """One rule that a schedule broke, with the first payment that shows it."""

    rule: str
    title: str
    payment: str
    text: str
    payments: int  # how many broke it
    amount_minor: int


class RecordSource(Protocol):
    """What a run recorded: in memory here, a store's file after a real run."""

    def rows(self, kind: type[Row]) -> Iterator[Row]:
        """All records of one kind."""


class SimulatedRecords:
    """The records of a simulated run, with the queries of a store."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._by_kind: dict[type[Any], list[Any]] = {}
        for record in records:
            self._by_kind.setdefault(type(record), []).append(record)

    def rows(self, kind: type[Any]) -> Iterator[Any]:
        """All records of one kind, in the order in which they came."""
        return iter(self._by_kind.get(kind, []))

    def movements(self, kind: MovementKind) -> Iterator[Movement]:
        """All movements of one kind, in the order they happened."""
        found = (movement for movement in self.rows(Movement) if movement.kind is kind)
        return iter(sorted(found, key=lambda movement: movement.at_ns))

    def strangers(self) -> set[str]:
        """Payments that only links know of: there is no record of their customer."""
        known = {record.payment for kind in _OF_PAYMENTS for record in self.rows(kind)}
        return known - {payment.payment for payment in self.rows(PaymentRecord)} - {""}

    def stories(self) -> Iterator[RecordedPayment]:
        """Every payment with its records, in the order of their ids."""
        stories: dict[str, RecordedPayment] = {}
        for payment in self.rows(PaymentRecord):
            stories[payment.payment] = RecordedPayment(payment.payment, payment, [], [], [])
        for place, kind in enumerate(_OF_PAYMENTS, start=2):
            for record in self.rows(kind):
                story = stories.get(record.payment)
                if story is None and record.payment:
                    story = stories[record.payment] = RecordedPayment(
                        record.payment, None, [], [], []
                    )
                if story is not None:
                    story[place].append(record)  # type: ignore[union-attr]  # places 2 to 4 are lists
        for name in sorted(stories):
            stories[name].hops.sort(key=lambda hop: hop.started_ns)
            yield stories[name]


def broken(
    records: Iterable[Record],
    parties: Parties,
    success: Limit | None,
    works_again_s: float | None = None,
    sound: SoundPayments | None = None,
) -> list[RuleBreak]:
    """Every broken rule, in the order of the rules; then the other requested checks.

    `works_again_s`: payments that begin so long after the last heal must not fail technically.
    `sound`: what is known of earlier runs of the same chain, and learns from this one.
    """
    kept = SimulatedRecords(records)
    order = stand_in_order(kept.movements(MovementKind.STOOD_IN), kept.rows(PaymentRecord), parties)
    reservations = funded(kept, parties)
    orders = Orders(orders_of(kept.rows(PaymentRecord), kept.strangers()))
    found: dict[str, list[Finding]] = {}
    for story in kept.stories():
        # Payments of one order are judged together, whatever each of them went like. And what a
        # payment went like does not say which of two calls at a time came first.
        is_alone = story.customer is not None and story.payment not in orders.payments
        says_all = is_alone and not asks_beside(story.hops, parties.own_closed)
        likeness = sound.likeness(story) if sound is not None and says_all else None
        if sound is not None and likeness in sound:
            continue
        is_sound = True
        for _, breaches in orders.judge(reconcile(story, parties, order, reservations)):
            for name, finding in breaches.items():
                is_sound = False
                found.setdefault(name, []).append(finding)
        if sound is not None and likeness is not None and is_sound:
            sound.add(likeness, story)
    broke = [
        RuleBreak(
            name,
            RULES[name].title,
            some[0].payment,
            some[0].text,
            len(some),
            sum(finding.amount_minor for finding in some),
        )
        for name, some in sorted(found.items(), key=lambda item: list(RULES).index(item[0]))
    ]
    payments = list(kept.rows(PaymentRecord))
    broke += _success_lost(payments, success)
    broke += failed_late(kept, works_again_s)
    return broke


def _success_lost(payments: list[PaymentRecord], limit: Limit | None) -> Iterator[RuleBreak]:
    failed = [payment for payment in payments if payment.technical]
    if limit is None or not payments:
        return
    share = 1 - len(failed) / len(payments)
    if not limit.holds(share):
        text = f"technical success {share:.1%} ({required(limit.text)} required)"
        yield _failures(SUCCESS, "Technical success", text, failed)


def failed_late(kept: RecordSource, within_s: float | None) -> Iterator[RuleBreak]:
    """Payments that started this long after the last heal and still failed."""
    if within_s is None:
        return
    healed_ns = max((switch.effective_ns for switch in kept.rows(FaultSwitch)), default=0)
    late = [
        payment
        for payment in kept.rows(PaymentRecord)
        if payment.technical and payment.intended_ns > healed_ns + within_s * 1e9
    ]
    if late:
        after_s = (late[0].intended_ns - healed_ns) / 1e9
        text = f"a payment failed {after_s:.1f} s after the last fault was healed"
        yield _failures(WORKS_AGAIN, f"Works again within {within_s:g} s", text, late)


def _failures(rule: str, title: str, text: str, failed: list[PaymentRecord]) -> RuleBreak:
    return RuleBreak(
        rule,
        title,
        failed[0].payment if failed else "",
        text,
        len(failed),
        sum(payment.amount_minor for payment in failed),
    )
