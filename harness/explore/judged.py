"""What one played schedule broke: every money rule, and the success that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.analysis.reconcile import Parties, reconcile, stand_in_order
from harness.analysis.store import Story
from harness.model.tolerance import Limit
from harness.payments.journal import Decision, HopRecord, Movement, PaymentRecord, Record
from harness.payments.rules import RULES, Finding

SUCCESS = "technical_success"  # the declared tolerance, beside the money rules
CONCLUSIVE = "run_ends"  # every request and reversal comes to an end


@dataclass(frozen=True)
class Broken:
    """One rule that a schedule broke, with the first payment that shows it."""

    rule: str
    title: str
    payment: str
    text: str
    payments: int  # how many broke it
    amount_minor: int


class Records:
    """A played run's records, asked as a store is."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._by_kind: dict[type[Any], list[Any]] = {}
        for record in records:
            self._by_kind.setdefault(type(record), []).append(record)

    def rows(self, kind: type[Any], order: str = "") -> Iterator[Any]:
        """All records of one kind, in an order of theirs."""
        found = self._by_kind.get(kind, [])
        return iter(sorted(found, key=lambda one: getattr(one, order)) if order else found)

    def stories(self) -> Iterator[Story]:
        """Every payment with its records, in the order of their ids."""
        stories: dict[str, Story] = {}
        for payment in self.rows(PaymentRecord):
            stories[payment.payment] = Story(payment.payment, payment, [], [], [])
        for place, kind in ((2, HopRecord), (3, Movement), (4, Decision)):
            for record in self.rows(kind):
                story = stories.get(record.payment)
                if story is None and record.payment:
                    story = stories[record.payment] = Story(record.payment, None, [], [], [])
                if story is not None:
                    story[place].append(record)  # type: ignore[union-attr]
        for name in sorted(stories):
            stories[name].hops.sort(key=lambda hop: hop.started_ns)
            yield stories[name]


def broken(records: Iterable[Record], parties: Parties, success: Limit | None) -> list[Broken]:
    """Every rule that was broken, in the order of the rules."""
    kept = Records(records)
    order = stand_in_order(kept.rows(Movement, "at_ns"), kept.rows(PaymentRecord), parties)
    found: dict[str, list[Finding]] = {}
    for story in kept.stories():
        payment = reconcile(story, parties, order)
        if payment is None:
            continue
        for name, (_, rule) in RULES.items():
            finding = rule(payment)
            if finding is not None:
                found.setdefault(name, []).append(finding)
    told = [
        Broken(name, RULES[name][0], some[0].payment, some[0].text, len(some),
               sum(one.amount_minor for one in some))
        for name, some in sorted(found.items(), key=lambda item: list(RULES).index(item[0]))
    ]  # fmt: skip
    lost = _success_lost(list(kept.rows(PaymentRecord)), success)
    return [*told, lost] if lost is not None else told


def _success_lost(payments: list[PaymentRecord], limit: Limit | None) -> Broken | None:
    failed = [one for one in payments if one.technical]
    if limit is None or not payments:
        return None
    share = 1 - len(failed) / len(payments)
    if limit.holds(share):
        return None
    return Broken(
        SUCCESS, "Technical success", failed[0].payment if failed else "",
        f"technical success {share:.1%} (required {limit.text})", len(failed),
        sum(one.amount_minor for one in failed),
    )  # fmt: skip
