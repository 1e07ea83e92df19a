"""An order with several payments: the rules about whose money is held judge them as one."""

from __future__ import annotations

from collections.abc import Sequence

from paychain.payments.rules.evidence import MerchantsBook
from paychain.payments.rules.reconciled import Reconciled


def of_order(payments: Sequence[Reconciled]) -> Reconciled:
    """All payments of one order as one: the customer wanted to pay for it once.

    The rules about whose money is held judge it. Its name is that of the last payment that holds
    money: the one that was too much. The record of the customer may be missing of some of them, but
    not of all.
    """
    first = next(payment for payment in payments if payment.is_known)
    last = next((payment for payment in reversed(payments) if payment.charges), payments[-1])
    amount_minor = max(payment.order_minor or payment.amount_minor for payment in payments)
    # Parts of an order may be approved one by one; no more than all of it was agreed to.
    shown_minor = min(amount_minor, sum(payment.shown_minor for payment in payments))
    return Reconciled(
        payment=last.payment,
        amount_minor=amount_minor,
        currency=first.currency,
        shown_approved=any(payment.shown_approved for payment in payments),
        authorisations=[entry for payment in payments for entry in payment.authorisations],
        settling=first.settling,
        merchants=first.merchants,
        asking=frozenset[str]().union(*(payment.asking for payment in payments)),
        unshown=frozenset(
            entry.reference
            for payment in payments
            if payment.is_known and not payment.shown_approved
            for entry in payment.authorisations
        ),
        order=first.order,
        several=payments,
        is_unrecorded=not all(payment.is_known for payment in payments),
        shown_minor=shown_minor,
        knows_original=any(payment.knows_original for payment in payments),
        follow_ups=[follow_up for payment in payments for follow_up in payment.follow_ups],
        on_chain=next((payment.on_chain for payment in payments if payment.on_chain), None),
        book=_of_books([payment.book for payment in payments if payment.book is not None]),
        is_taken_back=all(payment.is_taken_back for payment in payments if payment.shown_approved),
        lost_webhooks=[lost for payment in payments for lost in payment.lost_webhooks],
    )


def _of_books(books: Sequence[MerchantsBook]) -> MerchantsBook | None:
    """The entry of an order: one that is paid, where the merchant has one for each payment."""
    return max(books, key=lambda book: (book.is_paid, book.amount_minor), default=None)
