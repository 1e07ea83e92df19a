"""The books of the merchant's own service against the money, and how it uses keys and webhooks."""

from __future__ import annotations

from paychain.payments.rules.beyond import another_amount_in_the_merchants_book, webhook_forged
from paychain.payments.rules.in_parts import settled_minor, taken_minor
from paychain.payments.rules.reconciled import Finding, Reconciled
from paychain.payments.rules.rule import money_rule


@money_rule(
    "Paid orders have their money", judged="at_the_end", beyond=None, per="order", needs="books"
)
def paid_orders_have_money(payment: Reconciled) -> Finding | None:
    """Behind every order that the merchant's books have as paid is money where it settles.

    It is held or taken, or its hold expired, or the customer's bank took it back. Who refunds all
    of it has an order that is not paid any more. What the customer was shown as approved without
    money is a finding already. Source: docs/own-services.md.
    """
    book = payment.book
    if book is None or not book.is_paid:
        return None
    given_back_minor = _given_back_minor(payment)
    if not given_back_minor and (payment.has_had_money or payment.lacks_money):
        return None
    amount_minor = given_back_minor or book.amount_minor or payment.agreed_minor
    text = f"{book.link} has the order as paid, with no money behind it"
    if given_back_minor:
        text = f"{book.link} has the order as paid, and {payment.money(given_back_minor)} went back"
    return Finding.of(payment, amount_minor, text)


def _given_back_minor(payment: Reconciled) -> int:
    """What was taken and refunded; 0 while any of it stays, and after a chargeback."""
    positions = [
        position
        for entry in payment.authorisations
        if entry.leg == "in"
        for position in entry.charged(payment.settling)
    ]
    if payment.charges or any(position.charged_back_minor for position in positions):
        return 0
    return sum(position.returned_minor for position in positions)


@money_rule(
    "Money has its paid order", judged="at_the_end", beyond=None, per="order", needs="books"
)
def money_has_its_order(payment: Reconciled) -> Finding | None:
    """Money is held or taken only for orders that the merchant's books have as paid.

    What the customer does not know of either, or what a webhook should have told the merchant, is a
    finding of its own. Source: docs/own-services.md.
    """
    book = payment.book
    if book is None or book.is_paid or payment.is_orphaned or payment.lost_webhooks:
        return None
    held_minor = payment.exposure_minor
    if not held_minor or payment.is_cancelled:
        return None
    text = f"{payment.money(held_minor)} held, but {book.link} does not have the order as paid"
    return Finding.of(payment, held_minor, text)


@money_rule(
    "Paid orders have the right amount",
    judged="at_the_end",
    beyond=another_amount_in_the_merchants_book,
    per="order",
    needs="books",
)
def paid_orders_have_the_amount(payment: Reconciled) -> Finding | None:
    """The amount that the merchant's books have as charged is what is held or was taken.

    What was refunded since may be in it or not, and so may an attempt that was undone altogether.
    Source: docs/own-services.md.
    """
    book = payment.book
    if book is None or not book.is_paid or not book.amount_minor or payment.is_double_charged:
        return None
    all_minor = taken_minor(payment)
    right = (all_minor, settled_minor(payment), payment.exposure_minor)
    if not all_minor or book.amount_minor in right:
        return None
    booked, taken = payment.money(book.amount_minor), payment.money(all_minor)
    text = f"{book.link} recorded {booked} as charged, but {taken} was taken"
    return Finding.of(payment, abs(book.amount_minor - all_minor), text)


@money_rule(
    "No order is lost with its webhook",
    judged="at_the_end",
    beyond=None,
    per="order",
    needs="books",
)
def no_order_lost_with_its_webhook(payment: Reconciled) -> Finding | None:
    """An order whose money is held is completed although its webhook never arrived.

    A webhook may be lost for good: a merchant who waits for nothing else loses the order.
    Source: docs/own-services.md.
    """
    book = payment.book
    if book is None or book.is_paid or not payment.lost_webhooks or not payment.exposure_minor:
        return None
    held = payment.money(payment.exposure_minor)
    lost = ", ".join(payment.lost_webhooks)
    text = f"{held} held, but {book.link} never completed the order: its webhook was lost ({lost})"
    return Finding.of(payment, payment.exposure_minor, text)


@money_rule("No forged webhook acted on", judged="at_the_end", beyond=webhook_forged, needs="books")
def no_forged_webhook_acted_on(payment: Reconciled) -> Finding | None:
    """A webhook whose signature is wrong changes no order.

    An order that is paid, and of which nothing but such webhooks can have told the merchant, was
    paid by them: anybody could have sent them. Source: docs/own-services.md.
    """
    book = payment.book
    if book is None or not book.is_paid or not payment.unsigned_webhooks:
        return None
    sent = ", ".join(payment.unsigned_webhooks)
    text = (
        f"{book.link} treated the order as paid after a webhook with an invalid signature: {sent}"
    )
    return Finding.of(payment, book.amount_minor or payment.agreed_minor, text)


@money_rule("No charge after a decline", judged="at_the_end", beyond=None, needs="own service")
def no_charge_after_a_decline(payment: Reconciled) -> Finding | None:
    """Of a payment that the customer saw declined nothing is held or taken in the end.

    It is judged for each payment: that the customer ordered again, and now pays twice, does not
    hide that the first answer was wrong. Nor does it matter what the merchant's books have: the
    customer was sent away. A decline is what `pays` describes as declined or rejected.
    Source: docs/domain.md §2.5 (I2, I6) and docs/own-services.md.
    """
    held_minor = payment.exposure_minor
    if not payment.shown_declined or not held_minor:
        return None
    held = payment.money(held_minor)
    return Finding.of(payment, held_minor, f"{held} held, but the customer saw a decline")


@money_rule("One key for one payment", judged="at_any_time", beyond=None, needs="own service")
def one_key_for_one_payment(payment: Reconciled) -> Finding | None:
    """An idempotency key belongs to one payment, and there to one request and its repeats.

    A provider answers another one under it with the first one's answer, or refuses it: of two
    captures or refunds of different amounts only the first is done.
    Source: docs/domain.md §2.3 and docs/own-services.md.
    """
    if not payment.reused_keys:
        return None
    return Finding.of(payment, payment.amount_minor, "; ".join(payment.reused_keys))
