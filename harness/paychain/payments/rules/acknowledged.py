"""What was acknowledged and is in no book: everybody says that it is done, and nobody has done it.

What some books have and others lack is found by comparing them. Here all of them agree, and only
what was due says that they are wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from paychain.payments.rules.authorisation import Authorisation
from paychain.payments.rules.follow_ups import FollowUp
from paychain.payments.rules.position import Position
from paychain.payments.rules.reconciled import Reconciled


def undone_minor(payment: Reconciled, follow_up: FollowUp) -> int:
    """How much of an acknowledged capture, refund, cancel or chargeback no book has; else 0."""
    if follow_up.end != "done" or not follow_up.is_due:
        return 0
    entries = payment.followed_by(follow_up)
    # Of several authorisations with its name the last counts.
    positions = {link: position for entry in entries for link, position in entry.positions.items()}
    if not positions:
        return 0
    match follow_up.operation:
        case "capture" | "refund":
            booked = (
                each.captured if follow_up.operation == "capture" else each.refunded
                for each in _telling(payment, follow_up, entries)
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


def _telling(
    payment: Reconciled, follow_up: FollowUp, entries: Iterable[Authorisation]
) -> list[Position]:
    """The books that say whether it was done: those where money settles, or of all but the asker.

    Who asked for it has what it was answered. Where a book has a sum that others lack, comparing
    them finds it; a capture and its refund that nobody made leave no such sum.
    """
    by_link: dict[str, list[Position]] = {}
    for entry in entries:
        for link, position in entry.positions.items():
            by_link.setdefault(link, []).append(position)
    nets = {sum(each.net_minor for each in positions) for positions in by_link.values()}
    settling = by_link.keys() & payment.settling
    others = by_link.keys() - {follow_up.link}
    links = by_link.keys() if len(nets) > 1 else settling or others or by_link.keys()
    return [position for link in links for position in by_link[link]]


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
