"""How much the follow-ups of a payment were about: each capture and refund once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from paychain.payments.rules.follow_ups import FollowUp
from paychain.payments.rules.reconciled import Reconciled

_TAKES = ("capture", "refund")


def total_minor(payment: Reconciled, follow_ups: Sequence[FollowUp]) -> int:
    """What the follow-ups were about: each item once, however many links it failed at."""
    moved: Counter[str] = Counter()
    for (operation, _, _), minor in _items(payment, follow_ups).items():
        moved[operation] += minor
    if moved:
        # A refund gives back what was captured.
        return max(moved.values())
    tenders: dict[str, int] = {}
    for follow_up in follow_ups:
        tender = follow_up.tender
        tenders[tender] = max(tenders.get(tender, 0), _behind_minor(payment, follow_up))
    return sum(tenders.values())


def due_minor(payment: Reconciled, follow_up: FollowUp) -> int:
    """How much a capture or refund was of."""
    # Only the merchant writes down how much is due; what other links pass on has the same item, and
    # a reference made of the merchant's. Tenders have the same items, each of its own amount.
    same = [
        other
        for other in payment.follow_ups
        if other.amount_minor
        and (other.operation, other.item) == (follow_up.operation, follow_up.item)
    ]
    own = [other for other in same if other.is_of(follow_up.reference)]
    return max((other.amount_minor for other in own or same), default=payment.amount_minor)


def _items(payment: Reconciled, follow_ups: Iterable[FollowUp]) -> dict[tuple[str, str, str], int]:
    """How much each capture and refund was of, by operation, item and tender."""
    items: dict[tuple[str, str, str], int] = {}
    for follow_up in follow_ups:
        if follow_up.operation not in _TAKES:
            continue
        # Each of several means has its own money, and its own first capture `c1`; a further attempt
        # is about the same money as the first.
        key = (follow_up.operation, follow_up.item, follow_up.tender)
        items[key] = max(items.get(key, 0), due_minor(payment, follow_up))
    return items


def _behind_minor(payment: Reconciled, follow_up: FollowUp) -> int:
    """What a webhook, an advice or a cancel is about: what may be captured, else what was held."""
    captures = [
        each for each in payment.follow_ups if each.operation == "capture" and each.amount_minor
    ]
    own = [each for each in captures if each.is_of(follow_up.reference)]
    if not payment.tenders:
        own = own or captures
    held = {minor for entry in payment.followed_by(follow_up) for minor, _ in entry.amounts}
    captured_minor = sum(_items(payment, own).values())
    held_minor = held.pop() if len(held) == 1 else payment.amount_minor
    return follow_up.amount_minor or captured_minor or held_minor
