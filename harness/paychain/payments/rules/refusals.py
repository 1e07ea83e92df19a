"""Refused captures and refunds: a link is right to refuse what cannot be done, or need not be."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from paychain.payments.rules.amounts_due import due_minor
from paychain.payments.rules.authorisation import Authorisation
from paychain.payments.rules.follow_ups import UNDOING, FollowUp
from paychain.payments.rules.position import Position
from paychain.payments.rules.reconciled import Reconciled


def wrongly_refused(payment: Reconciled) -> list[FollowUp]:
    """The captures and refunds of one payment that were refused, and should not have been."""
    return [
        follow_up
        for follow_up in payment.follow_ups
        if follow_up.end == "refused"
        and follow_up.operation in _RIGHT
        and not any(is_right(payment, follow_up) for is_right in _RIGHT[follow_up.operation])
    ]


def _is_beyond_captured(payment: Reconciled, follow_up: FollowUp) -> bool:
    """Whether a refund was of more than is left of what was captured, there or where it settles.

    Where only a chargeback was in its way, the cardholder must have got as much by that.
    """
    amount_minor = due_minor(payment, follow_up)
    for entry in payment.followed_by(follow_up):
        # Where the money settles, the cardholder may have it back by a dispute.
        for link in (follow_up.target, *payment.settling):
            position = entry.positions.get(link)
            if position is None or not position.captured_minor:
                continue
            disputed_minor = position.charged_back_minor
            if position.net_minor < amount_minor:
                # All is to be given back: it is right only where nothing is left.
                return follow_up.item != UNDOING or position.net_minor <= disputed_minor
            if position.net_minor - disputed_minor < amount_minor:
                return _refused_minor(payment, entry, position) <= disputed_minor
    return False


def _is_of_nothing(payment: Reconciled, follow_up: FollowUp) -> bool:
    """Whether a refund was refused of a sale of which nothing was taken, and nothing is held.

    The cardholder paid nothing. What was sold without a bank, and never delivered to it or never
    captured there, is for other rules.
    """
    own = payment.followed_by(follow_up)
    behind = {follow_up.target, *payment.settling}
    return bool(own) and not any(
        position.captured or position.exposure_minor > 0
        for entry in own
        for link, position in entry.positions.items()
        if link in behind
    )


def _refused_minor(payment: Reconciled, entry: Authorisation, position: Position) -> int:
    """What the refused refunds of an authorisation would have given back without any dispute."""
    refused = {
        each.item: due_minor(payment, each)
        for each in payment.follow_ups
        if each.operation == "refund" and each.end == "refused" and each.follows(entry)
    }
    left_minor, back_minor = position.net_minor, 0
    for amount_minor in refused.values():
        if amount_minor <= left_minor - back_minor:
            back_minor += amount_minor
    return back_minor


def _is_done_all_the_same(payment: Reconciled, follow_up: FollowUp) -> bool:
    """Refused because the other side has booked the same money before.

    Its answer was lost, or an error, and the caller's book is behind; or a repeat that was booked
    again has used up the hold. Other rules look at either.
    """
    return payment.is_booked(follow_up) or any(
        (position := entry.positions.get(follow_up.target)) is not None
        and position.rebooked_minor > 0
        for entry in payment.followed_by(follow_up)
    )


def _is_undone(payment: Reconciled, follow_up: FollowUp) -> bool:
    """Whether the merchant gave the sale back, as its caller reversed it, and no money is left."""
    return any(
        undoing.item == UNDOING and undoing.is_due and undoing.is_of(follow_up.reference)
        for undoing in payment.follow_ups
    ) and not any(
        position.exposure_minor > 0
        for entry in payment.followed_by(follow_up)
        for link, position in entry.positions.items()
        if link in payment.settling
    )


def _is_over(payment: Reconciled, follow_up: FollowUp) -> bool:
    """Whether the merchant gave back what no customer saw, before any bank knew of it."""
    own = payment.followed_by(follow_up)
    if payment.shown_approved or any(entry.money(payment.settling) for entry in own):
        return False
    sold = [
        position
        for entry in own
        for link, position in entry.positions.items()
        if link in payment.merchants
    ]
    return any(position.refunded_minor and position.exposure_minor <= 0 for position in sold)


def _is_replaced(payment: Reconciled, follow_up: FollowUp) -> bool:
    """Whether another capture came in the place of one that its own link has undone."""
    return any(
        (position := entry.positions.get(follow_up.link)) is not None
        and position.is_replaced(follow_up.item)
        for entry in payment.followed_by(follow_up)
    )


_RIGHT_OF_ANY = (_is_done_all_the_same, _is_undone, _is_over)
# By operation: when a link is right to refuse one.
_RIGHT: Mapping[str, tuple[Callable[[Reconciled, FollowUp], bool], ...]] = {
    "capture": (*_RIGHT_OF_ANY, _is_replaced),
    "refund": (*_RIGHT_OF_ANY, _is_beyond_captured, _is_of_nothing),
}
