"""What an approved order was promised and refused: captures and refunds that must follow it.

An order is collected once. What a capture does not bring is missing only so far as no other sale of
the order has brought it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from paychain.payments.rules.amounts_due import total_minor
from paychain.payments.rules.follow_ups import FollowUp
from paychain.payments.rules.position import attempt_of
from paychain.payments.rules.reconciled import Finding, Reconciled
from paychain.payments.rules.refusals import wrongly_refused
from paychain.payments.rules.rule import money_rule


@money_rule("Approved payments completed", judged="at_the_end", beyond=None, per="order")
def completed(payment: Reconciled) -> Finding | None:
    """A capture or refund of an approved order is not refused.

    The customer was promised it: a refused capture leaves the merchant without the money (the hold
    may have expired), a refused refund the customer. Which payment of the order the customer saw
    approved does not matter, and what another sale of it has brought, and was not given back, is
    not missing: nobody may collect it again. Refusing more than may be returned is right.
    An advice of what was reversed before may be refused, and a capture that another one replaced.
    Source: docs/domain.md §1.7 and §2.5 (I2, I4).
    """
    if not payment.shown_approved:
        return None
    owed, missing_minor = _owed(payment)
    follow_ups = [follow_up for each in owed.values() for follow_up in each]
    if not follow_ups:
        return None
    text = f"approved, but {', '.join(map(str, follow_ups))}"
    return Finding.of(payment, max(missing_minor, _unrefunded_minor(payment, owed)), text)


def uncompleted_payments(
    payment: Reconciled, found: Set[str], warm_up: Set[str] = frozenset()
) -> set[str]:
    """The approved payments of a broken order of which something is owed, or the first of all.

    What is owed may be of one that its customer never saw approved. A payment by itself is one.
    `found`: payments that were uncompleted by themselves; what an order lacks may be what they do.
    `warm_up`: payments that do not count.
    """
    approved = [part.payment for part in payment.parts if part.shown_approved]
    owed, _ = _owed(payment)
    uncompleted = {name for name in approved if owed[name]}
    if not uncompleted and found.isdisjoint(approved):
        first = next((name for name in approved if name not in warm_up), None)
        return {first} if first is not None else set()
    return uncompleted - warm_up


def _owed(payment: Reconciled) -> tuple[dict[str, list[FollowUp]], int]:
    """What is owed of each payment of an order, and what refused captures leave missing of it.

    A refused capture is owed only where the order's sales have not brought all of it.
    """
    refused = {part.payment: wrongly_refused(part) for part in payment.parts}
    captures = {name: _only(each, "capture") for name, each in refused.items()}
    missing_minor = _uncollected_minor(payment, captures)
    if not missing_minor:
        return {name: _only(each, "refund") for name, each in refused.items()}, 0
    return refused, missing_minor


def _only(follow_ups: Sequence[FollowUp], operation: str) -> list[FollowUp]:
    return [follow_up for follow_up in follow_ups if follow_up.operation == operation]


def _uncollected_minor(payment: Reconciled, refused: Mapping[str, Sequence[FollowUp]]) -> int:
    """What refused captures leave missing of an order: no more than its sales have not brought.

    `refused`: by payment. Where an order is paid twice one of its sales is enough, and where it is
    paid in parts it needs them all.
    """
    refused_minor = brought_minor = 0
    sales: list[tuple[int, int]] = []  # of each payment: what it should bring, and its amount
    for part in payment.parts:
        brought = _brought_minor(part)
        lacking = total_minor(part, refused[part.payment]) if refused[part.payment] else 0
        sales.append((_sale_minor(part, brought + lacking), part.amount_minor))
        brought_minor += brought
        refused_minor += lacking
    wanted_minor = paid_minor = 0
    for sale_minor, amount_minor in sorted(sales, reverse=True):
        if paid_minor < payment.amount_minor:
            wanted_minor += sale_minor
            paid_minor += amount_minor
    return max(0, min(refused_minor, wanted_minor - brought_minor))


def _unrefunded_minor(payment: Reconciled, owed: Mapping[str, Sequence[FollowUp]]) -> int:
    """What refused refunds owe the customer of an order: of each payment, what was taken by it."""
    amounts = [
        (total_minor(part, refunds), _net_minor(part))
        for part in payment.parts
        if (refunds := _only(owed[part.payment], "refund"))
    ]
    most_minor = max((refused_minor for refused_minor, _ in amounts), default=0)
    return max(most_minor, sum(min(refused_minor, net) for refused_minor, net in amounts))


def _sale_minor(payment: Reconciled, known_minor: int) -> int:
    """What one sale of a payment should bring: what was due of it, where that is recorded.

    `known_minor`: what was captured of all its sales, and what was refused.
    """
    sales: dict[tuple[str, str], list[FollowUp]] = {}
    for each in payment.follow_ups:
        if each.operation == "capture" and each.is_due:
            sales.setdefault((each.link, attempt_of(each.reference)), []).append(each)
    most_minor = max((total_minor(payment, each) for each in sales.values()), default=known_minor)
    return min(known_minor, most_minor)


def _brought_minor(payment: Reconciled) -> int:
    """What was captured where money settles, under what was not given back altogether."""
    return sum(position.captured_minor for position in payment.moneys() if position.net_minor > 0)


def _net_minor(payment: Reconciled) -> int:
    """What was captured where money settles, less what was refunded."""
    return sum(position.net_minor for position in payment.moneys())
