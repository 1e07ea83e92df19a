"""Runs of which the records of some customers never came, as when a load process is killed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from paychain.model.operations import CUSTOMER
from paychain.payments.journal import HopRecord, PaymentRecord, Record
from tests.oracle.compare import Difference, all_seen
from tests.oracle.pairs import Outcome
from tests.oracle.verdict import order_of
from tests.oracle.world import World

# What a merchant had to do for an approved payment: judged by its own records.
UNJUDGED = frozenset(
    f"missed: {wrong}"
    for wrong in ("never collected", "never released", "never refunded", "collected in part")
)


def one_of_several(world: World, nth: int) -> set[str]:
    """Of each order with several payments one, the first (0) or the last (-1)."""
    orders: dict[str, list[str]] = {}
    for payment, deal in sorted(world.deals.items()):
        if deal.customer is not None:
            orders.setdefault(order_of(payment), []).append(payment)
    return {some[nth] for some in orders.values() if len(some) > 1}


def without_records(outcome: Outcome, lost: Collection[str]) -> Outcome:
    """The same run, of which nobody knows what the customers of some payments were shown."""
    records = [record for record in outcome.played.records if not _is_of(record, lost)]
    # Of what reached no link, nobody knows that anybody wanted to pay it.
    traced = {getattr(record, "payment", "") for record in records}
    deals = {
        payment: replace(deal, customer=None) if payment in lost else deal
        for payment, deal in outcome.world.deals.items()
        if payment not in lost or payment in traced
    }
    return replace(
        outcome,
        played=replace(outcome.played, records=records),
        world=replace(outcome.world, deals=deals),
    )


def differences_without(outcome: Outcome, lost: Collection[str]) -> list[Difference]:
    """Where the verdict of a run without these records and the world of it disagree.

    Of a payment without a record only what it holds for its order is judged, not what its merchant
    still owes; and where nobody is known to have seen an approval, no books are compared.
    """
    _, _, seen = all_seen(without_records(outcome, lost))
    approved = {
        order_of(payment)
        for payment, deal in outcome.world.deals.items()
        if payment not in lost and deal.customer is not None and deal.customer.saw_approved
    }
    orders = {order_of(payment) for payment in lost}
    return [
        each
        for each in seen
        if each.payment not in orders
        or (
            each.what not in UNJUDGED
            and (each.what != "missed: books differ" or each.payment in approved)
        )
    ]


def _is_of(record: Record, payments: Collection[str]) -> bool:
    """Whether a customer's own process recorded it of one of these payments."""
    is_customers = isinstance(record, PaymentRecord) or (
        isinstance(record, HopRecord) and record.caller == CUSTOMER
    )
    return is_customers and record.payment in payments
