"""What was acknowledged and is in no book: everybody says that it is done, and nobody has done it.

What some books have and others lack is found by comparing them. Here all of them agree, and only
what was due says that they are wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from paychain.payments.rules.follow_ups import FollowUp
from paychain.payments.rules.position import Position
from paychain.payments.rules.reconciled import Reconciled


def undone_minor(payment: Reconciled, follow_up: FollowUp) -> int:
    """How much of an acknowledged capture, refund, cancel or chargeback no book has; else 0."""
    if follow_up.end != "done" or not follow_up.is_due:
        return 0
    # Of several authorisations with its name the last counts.
    positions = {
        link: position
        for entry in payment.followed_by(follow_up)
        for link, position in entry.positions.items()
    }
    if not positions:
        return 0
    match follow_up.operation:
        case "capture" | "refund":
            booked = (
                (each.captured if follow_up.operation == "capture" else each.refunded)
                for each in _telling(follow_up, positions)
            )
            most = max(items.get(follow_up.item, 0) for items in booked)
            return max(0, follow_up.amount_minor - most)
        case "void":
            return _uncancelled_minor(payment, positions)
        case "dispute":
            # The issuer reports what it has given back; a report without an amount is an old one.
            own = positions.get(follow_up.link)
            given_minor = own.charged_back_minor if own is not None else 0
            return max(0, follow_up.amount_minor - given_minor)
    return 0


def _telling(follow_up: FollowUp, positions: Mapping[str, Position]) -> Iterable[Position]:
    """The books that say whether it was done: that of who asked for it has what it was answered.

    Where that alone shows a sum that the others lack, comparing them finds it. A capture and its
    refund that nobody made leave no such sum.
    """
    own = positions.get(follow_up.link)
    others = [position for link, position in positions.items() if link != follow_up.link]
    is_seen = own is not None and any(each.net_minor != own.net_minor for each in others)
    return positions.values() if is_seen or not others else others


def _uncancelled_minor(payment: Reconciled, positions: Mapping[str, Position]) -> int:
    """What an acknowledged cancel has left on hold in every book where the hold has not expired.

    An end of the hold in one book carries out no cancel in the others; where the money settles, it
    leaves nothing to cancel.
    """
    ended = {link for link, position in positions.items() if position.is_expired}
    lasting = [position for link, position in positions.items() if link not in ended]
    is_carried_out = any(each.released_minor or each.captured_minor for each in lasting)
    if is_carried_out or ended & payment.settling:
        return 0
    return max((each.held_minor for each in lasting), default=0)
