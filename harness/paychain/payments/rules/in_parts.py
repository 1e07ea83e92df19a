"""What an own service authorises in parts: its order is right when they add up.

A gateway of paychain's declares its tenders. An own service may pay an order in any parts, by a
gift card and a card or over two providers, and no request of it says so: only what is left of them
in the end shows whether the customer pays the order, all of it and no more.
"""

from __future__ import annotations

from paychain.payments.rules.reconciled import Reconciled


def adds_up(payment: Reconciled) -> bool:
    """Whether what an own service authorised in parts is the whole amount, or no more than a part.

    A part is right only for a customer who saw no approval: whether anything may be left of it is
    for other rules. What was refunded may belong to the whole: the goods of one part may have come
    back. So may what was authorised and never captured: the merchant may capture less of a part,
    let its hold expire, or cancel all of them.
    """
    if not payment.is_own:
        return False
    for entry in payment.authorisations:
        # Books that contradict each other are no part of anything.
        if len(entry.amounts) != 1 or entry.currencies != {payment.currency}:
            return False
        if any(minor > payment.amount_minor for minor, _ in entry.amounts):
            return False
    left_minor = payment.exposure_minor
    if not payment.shown_approved:
        return left_minor <= payment.amount_minor
    return payment.amount_minor in (left_minor, taken_minor(payment), _authorised_minor(payment))


def taken_minor(payment: Reconciled) -> int:
    """What is held or was taken, before anything was given back."""
    return sum(position.held_minor + position.taken_minor for position in payment.moneys())


def settled_minor(payment: Reconciled) -> int:
    """What is held or was taken by the authorisations of which something is left.

    An attempt that was given back altogether, such as the first one of a shop that went on at
    another provider, is no part of what an order was charged.
    """
    return sum(
        position.held_minor + position.taken_minor
        for position in payment.moneys()
        if position.exposure_minor > 0
    )


def _authorised_minor(payment: Reconciled) -> int:
    """What was authorised wherever there is money, or was; all of it, once all is released."""
    everything_minor = sum(position.authorised_minor for position in payment.moneys())
    return payment.behind_minor or everything_minor
