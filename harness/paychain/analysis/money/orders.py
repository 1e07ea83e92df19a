"""Which rules a payment breaks, and which its order does: an order may be paid more than once.

payment ──▶ rules per payment ──▶ broken
   └─▶ its order, once all its payments are here ──▶ rules per order ──▶ broken
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import replace

from paychain.analysis.store.store import RunStore
from paychain.payments.attribution import first_payment
from paychain.payments.journal import PaymentRecord
from paychain.payments.rules import RULES, Finding, Reconciled, Stage, of_order
from paychain.payments.rules.rule import Per

Broken = dict[str, Finding]


def broken_rules(
    payment: Reconciled, *, stage: Stage = Stage.FINAL, per: Per | None = None
) -> Broken:
    """Every money rule that a payment breaks, in the order of the rules.

    `stage`: what may still come; rules whose breach it could undo are not judged. `per`: only the
    rules about single payments, or about orders; None: all, of a payment that is its order's only
    one.
    """
    return {
        name: finding
        for name, rule in RULES.items()
        if rule.is_judged_at(stage)
        and per in (None, rule.per)
        and (finding := rule(payment)) is not None
    }


def wrong_minor(broken: Mapping[str, Finding]) -> int:
    """The money of a payment that is wrong: once, however many rules report it."""
    return max((finding.amount_minor for finding in broken.values()), default=0)


def orders_of_several(store: RunStore, strangers: Collection[str]) -> dict[str, str]:
    """The order of each payment whose order has others, too.

    `strangers`: payments that only links know of. The record of their customer never came, where a
    load process was killed: what is held by such a payment is held for its order all the same.
    """
    of_orders = "FROM txn WHERE [order] != ''"
    grouped = f"SELECT [order] {of_orders} GROUP BY 1 HAVING COUNT(DISTINCT payment) > 1"
    several = {order for (order,) in store.select(grouped, ())}
    if strangers:
        recorded = store.select(f"SELECT DISTINCT [order] {of_orders}", ())
        several |= {order for (order,) in recorded} & _orders_named(strangers).keys()
    if not several:
        return {}
    rows = store.select(f"SELECT payment, [order] {of_orders}", ())
    return _payments_of(several, rows, strangers)


def orders_of(payments: Iterable[PaymentRecord], strangers: Collection[str]) -> dict[str, str]:
    """The same of records in memory."""
    recorded = {payment.payment: payment.order for payment in payments if payment.order}
    several = {order for order, number in Counter(recorded.values()).items() if number > 1}
    several |= set(recorded.values()) & _orders_named(strangers).keys()
    return _payments_of(several, recorded.items(), strangers) if several else {}


def _orders_named(strangers: Iterable[str]) -> dict[str, list[str]]:
    """The orders that the names of payments without a record name, with these payments."""
    named: dict[str, list[str]] = {}
    for payment in strangers:
        named.setdefault(first_payment(payment), []).append(payment)
    return named


def _payments_of(
    several: Collection[str], recorded: Iterable[tuple[str, str]], strangers: Iterable[str]
) -> dict[str, str]:
    """The payments of some orders, each with its order."""
    found = {payment: order for payment, order in recorded if order in several}
    for order, payments in _orders_named(strangers).items():
        if order in several:
            found |= dict.fromkeys(payments, order)
    return found


class Orders:
    """Judges payments, and orders of several payments once their last payment is here.

    `order_of`: the order of each payment whose order has others, too. All of them are judged.
    """

    def __init__(self, order_of: Mapping[str, str]) -> None:
        self._order_of = order_of
        self._missing = Counter(order_of.values())  # payments that are not here yet, by order
        self._waiting: dict[str, list[Reconciled]] = {}
        self._stages: dict[str, Stage] = {}  # of orders: that of the payment with most to come

    @property
    def payments(self) -> Set[str]:
        """The payments of all such orders."""
        return self._order_of.keys()

    def judge(
        self, payment: Reconciled, *, stage: Stage = Stage.FINAL
    ) -> Iterator[tuple[Reconciled, Broken]]:
        """The payment with the rules it breaks; then its order, when this was its last payment.

        An order has come as far as all its payments have. Of a payment without a record only what
        it holds for its order is judged: a customer made it.
        """
        order = self._order_of.get(payment.payment)
        if order is None:
            yield payment, broken_rules(payment, stage=stage)
            return
        payment = replace(payment, is_part=True)
        if payment.is_known:
            yield payment, broken_rules(payment, stage=stage, per="payment")
        self._stages[order] = min(stage, self._stages.get(order, stage))
        self._waiting.setdefault(order, []).append(payment)
        self._missing[order] -= 1
        if not self._missing[order]:
            # Payments without a record come last.
            payments = sorted(self._waiting.pop(order), key=lambda each: each.payment)
            whole = of_order(payments)
            yield whole, broken_rules(whole, stage=self._stages.pop(order), per="order")
