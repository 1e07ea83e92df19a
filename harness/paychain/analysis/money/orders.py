"""Which rules a payment breaks, and which its order does: an order may be paid more than once.

payment ──▶ rules per payment ──▶ broken
   └─▶ its order, once all its payments are here ──▶ rules per order ──▶ broken
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from paychain.analysis.store.store import RunStore
from paychain.payments.journal import PaymentRecord
from paychain.payments.rules import AT_ANY_TIME, RULES, Finding, Reconciled, of_order
from paychain.payments.rules.rule import Per

Broken = dict[str, Finding]


def broken_rules(payment: Reconciled, *, is_final: bool = True, per: Per | None = None) -> Broken:
    """Every money rule that a payment breaks, in the order of the rules.

    Not `is_final`: something may still come, so rules about what is left in the end are not judged.
    `per`: only the rules about single payments, or about orders; None: all, of a payment that is
    its order's only one.
    """
    return {
        name: finding
        for name, rule in RULES.items()
        if (is_final or name in AT_ANY_TIME)
        and per in (None, rule.per)
        and (finding := rule(payment)) is not None
    }


def wrong_minor(broken: Mapping[str, Finding]) -> int:
    """The money of a payment that is wrong: once, however many rules report it."""
    return max((finding.amount_minor for finding in broken.values()), default=0)


def orders_of_several(store: RunStore) -> dict[str, int]:
    """The orders that several payments were made for, with their number."""
    return dict(
        store.select(
            "SELECT [order], COUNT(*) FROM txn WHERE [order] != '' GROUP BY 1 HAVING COUNT(*) > 1",
            (),
        )
    )


def orders_of(payments: Iterable[PaymentRecord]) -> dict[str, int]:
    """The same of records in memory."""
    counts = Counter(payment.order for payment in payments if payment.order)
    return {order: number for order, number in counts.items() if number > 1}


class Orders:
    """Judges payments, and orders of several payments once their last payment is here.

    `several`: orders with more than one payment, and their number.
    """

    def __init__(self, several: Mapping[str, int]) -> None:
        self._several = several
        self._waiting: dict[str, list[Reconciled]] = {}
        self._open: set[str] = set()  # orders with a payment that is not final

    def payments(self, store: RunStore) -> frozenset[str]:
        """The payments of all such orders."""
        if not self._several:
            return frozenset()
        rows = store.select("SELECT payment, [order] FROM txn WHERE [order] != ''", ())
        return frozenset(payment for payment, order in rows if order in self._several)

    def judge(
        self, payment: Reconciled, *, is_final: bool = True
    ) -> Iterator[tuple[Reconciled, Broken]]:
        """The payment with the rules it breaks; then its order, when this was its last payment.

        An order is final when all its payments are.
        """
        number = self._several.get(payment.order, 1)
        if number == 1:
            yield payment, broken_rules(payment, is_final=is_final)
            return
        payment = replace(payment, is_part=True)
        yield payment, broken_rules(payment, is_final=is_final, per="payment")
        waiting = self._waiting.setdefault(payment.order, [])
        waiting.append(payment)
        if not is_final:
            self._open.add(payment.order)
        if len(waiting) == number:
            del self._waiting[payment.order]
            whole = of_order(waiting)
            is_whole_final = payment.order not in self._open
            yield whole, broken_rules(whole, is_final=is_whole_final, per="order")
