"""Whose money is held, and does the customer know: double charges, orphans, empty approvals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from paychain.payments.attribution import UNKNOWN
from paychain.payments.rules.position import Position, attempt_of
from paychain.payments.rules.reconciled import Finding, Reconciled
from paychain.payments.rules.rule import money_rule


@money_rule("No double charge", judged="unless_given_back", beyond=None, per="order")
def no_double_charge(payment: Reconciled) -> Finding | None:
    """The customer's money is held or taken at most once for one order, over all links together.

    Held is what was authorised and neither released nor captured, taken what was captured and not
    refunded, at the links where money settles. Who had to dispute it was charged all the same: the
    amount of a finding is what is held or taken beyond the order, and not charged back since.
    Source: docs/domain.md §2.5 (I1).
    """
    if not payment.is_double_charged:
        return None
    held = payment.exposure_minor
    text = f"{payment.money(held)} held for an order of {payment.money(payment.agreed_minor)}"
    if payment.payments:
        text += f", paid as {', '.join(payment.payments)}"
    charged_back = _charged_back_minor(position for _, position in payment.charges)
    if charged_back:
        text += f", {payment.money(charged_back)} charged back since"
    left = max(0, held - charged_back - payment.agreed_minor)
    return Finding.of(payment, left, text)


@money_rule("No orphaned authorisation", judged="unless_given_back", beyond=None, per="order")
def no_orphaned_authorisation(payment: Reconciled) -> Finding | None:
    """Money is held only for an order that the customer knows to be approved.

    Once the merchant has undone all that was approved of it, nothing else may stay held, nor by a
    payment that no merchant knows where the customer saw another one approved. Nor does
    anything stay held once all of an order was captured: the last capture releases the rest, or
    the hold expires. Money that is held more than once is a double charge, whatever the customer
    was shown. The amount of a finding is without what was charged back since.
    Source: docs/domain.md §2.5 (I2, I6).
    """
    if orphans := payment.orphans:
        held = sum(position.exposure_minor for position in orphans)
        why = "never confirmed to the customer"
        if payment.shown_approved:
            was = "undone" if payment.is_unsold_again else "paid by another payment"
            why = f"its order was {was}, and no merchant's book has it"
        text = f"{payment.money(held)} held, but {why}"
        charged_back = _charged_back_minor(orphans)
        if charged_back:
            text += f"; {payment.money(charged_back)} charged back since"
        return Finding.of(payment, held - charged_back, text)
    rest = payment.remainder_minor
    if not rest or payment.is_double_charged:
        return None
    return Finding.of(payment, rest, f"{payment.money(rest)} still held after the last capture")


def _charged_back_minor(charges: Iterable[Position]) -> int:
    """What the issuer has given the cardholder back of what counts as charged."""
    return sum(min(charge.charged_back_minor, charge.exposure_minor) for charge in charges)


@money_rule("No approval without money", judged="at_the_end", beyond=None, per="order")
def no_approval_without_money(payment: Reconciled) -> Finding | None:
    """Behind every order that the customer saw approved is money where it settles.

    It is held or taken, or was: refunded, expired, or released because the merchant cancelled. What
    a link only stored to have it decided later is not money: the delivery decides. Of a payment by
    several means, each needs its own.
    Source: docs/domain.md §1.3 and §2.5 (I6).
    """
    missing = payment.missing_minor
    if not missing:
        return None
    text = f"{payment.money(missing)} approved with no money behind it"
    return Finding.of(payment, missing, text)


@money_rule("The customer sees the amount that is held", judged="at_the_end", beyond=None)
def customer_saw_the_amount(payment: Reconciled) -> Finding | None:
    """The amount that the customer was shown as approved is in the merchant's book.

    An own service has no book here but the amounts that it has as charged, which may be wrong in
    the same way: what is held where money settles is compared then.
    Source: docs/domain.md §2.5 (I6, I9).
    """
    if not payment.shown_approved or not payment.shown_minor:
        return None
    # The customer is shown the sum of all tenders of one attempt.
    sums: dict[tuple[str, str], int] = {}
    for entry in payment.authorisations:
        for link, position in entry.positions.items():
            if link in payment.merchants and position.first_minor:
                attempt = (link, attempt_of(entry.reference))
                sums[attempt] = sums.get(attempt, 0) + position.first_minor
    booked = list(sums.values()) or _held_behind(payment)
    # Without any book there is nothing to compare with.
    if not booked or payment.shown_minor in (*booked, *_with_anothers(payment.payment, sums)):
        return None
    shown, held = payment.money(payment.shown_minor), payment.money(booked[-1])
    difference = abs(payment.shown_minor - booked[-1])
    text = f"{held} authorised, but the customer saw {shown}"
    return Finding.of(payment, difference, text)


def _with_anothers(payment: str, sums: Mapping[tuple[str, str], int]) -> Iterator[int]:
    """What a gateway booked for each attempt, with what bears the name of another payment.

    A tender that was answered with another payment's authorisation is booked under its name.
    """
    for (link, attempt), minor in sums.items():
        if attempt.startswith(f"{payment}-"):
            yield minor + sum(
                others
                for (booked_at, name), others in sums.items()
                if booked_at == link and not name.startswith(f"{payment}-")
            )


def _held_behind(payment: Reconciled) -> list[int]:
    """What was held for an order in an own service's books, where money settles.

    All of it together as well: it may be paid in parts, of which no request says so.
    """
    if payment.book is None:
        return []
    held = [
        position.first_minor
        for entry in payment.authorisations
        for link, position in entry.positions.items()
        if link in payment.settling and position.first_minor
    ]
    return [sum(held), *held] if held else []


@money_rule("No money moves without a customer", judged="at_the_end", beyond=None, of_unknown=True)
def no_phantom_movement(payment: Reconciled) -> Finding | None:
    """Every movement belongs to a payment that a customer made.

    Money for a request of an own service that shows no payment belongs to one that is not known:
    such requests are counted apart (docs/own-services.md).
    The amount of a finding is what is held or taken for the payment that nobody made, or was.
    Source: docs/domain.md §2.5 (I2: no authorisation is without an owner).
    """
    if payment.payment.startswith(UNKNOWN):
        return None
    amounts = [
        max(position.exposure_minor, position.authorised_minor, position.captured_minor)
        for entry in payment.authorisations
        for position in entry.positions.values()
    ]
    if not amounts:
        return None
    where = sorted({link for entry in payment.authorisations for link in entry.positions})
    text = f"{payment.money(max(amounts))} booked at {', '.join(where)} without a payment"
    return Finding.of(payment, max(amounts), text)
