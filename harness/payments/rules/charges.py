"""Whose money is held, and does the customer know: double charges, orphans, empty approvals."""

from __future__ import annotations

from harness.payments.rules.reconciled import Finding, Reconciled


def no_double_charge(payment: Reconciled) -> Finding | None:
    """The money of one payment is held or taken more than once, over all processors together."""
    if payment.times_held <= 1:
        return None
    taken = sum(position.exposure_minor for _, position in payment.held())
    text = f"{payment.money(taken)} held for an order of {payment.money(payment.amount_minor)}"
    return Finding.of(payment, max(0, taken - payment.amount_minor), text)


def no_orphaned_authorisation(payment: Reconciled) -> Finding | None:
    """Money is held although the customer was not told that the payment was approved."""
    if payment.told_approved or payment.times_held != 1:
        return None  # held more than once is a double charge, whatever the customer was told
    ((_, position),) = payment.held()
    held = position.exposure_minor
    return Finding.of(payment, held, f"{payment.money(held)} held, but the customer was not told")


def no_approval_without_money(payment: Reconciled) -> Finding | None:
    """The customer was told that it is approved, and nobody ever held money for it."""
    if not payment.told_approved:
        return None
    if any(one.money(payment.issuers) is not None for one in payment.authorisations):
        return None  # somebody held it: what became of it is for the books to disagree about
    amount = payment.money(payment.amount_minor)
    return Finding.of(payment, payment.amount_minor, f"{amount} approved with no money behind it")


def customer_told_the_amount(payment: Reconciled) -> Finding | None:
    """The customer was told another amount than the one in the merchant's book."""
    if not payment.told_approved or not payment.told_minor:
        return None
    booked = [
        at.authorised_minor
        for one in payment.authorisations
        for link, at in one.positions.items()
        if link in payment.gateways and at.authorised_minor
    ]
    if not booked or payment.told_minor in booked:
        return None
    told, held = payment.money(payment.told_minor), payment.money(booked[-1])
    off = abs(payment.told_minor - booked[-1])
    return Finding.of(payment, off, f"{held} authorised, but the customer was told {told}")
