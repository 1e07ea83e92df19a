"""What the links' books say of each other, and what a repeat may not do to them."""

from __future__ import annotations

from harness.payments.rules.reconciled import Finding, Reconciled


def books_agree(payment: Reconciled) -> Finding | None:
    """The links that took part in an approved authorisation do not all hold it."""
    if not payment.told_approved or payment.times_held > 1:
        return None  # what is held twice is one finding, not two
    for one in payment.authorisations:
        money = one.money(payment.issuers)
        if money is None or money.is_expired:
            continue  # there was none, or it is over: the others need not have heard of it
        holding = {link for link, at in one.positions.items() if at.times > 0}
        missing = sorted((one.positions.keys() | one.path) - holding)
        if holding and missing:
            text = f"{one.reference} is missing in the book of {', '.join(missing)}"
            return Finding.of(payment, payment.amount_minor, text)
    return None


def repeats_without_effect(payment: Reconciled) -> Finding | None:
    """A capture or refund that was sent again was booked again."""
    for one in payment.authorisations:
        for link, at in one.positions.items():
            if again := at.repeated_minor:
                text = f"{link} booked {payment.money(again)} again for a repeat"
                return Finding.of(payment, again, f"{text} under {one.reference}")
    return None
