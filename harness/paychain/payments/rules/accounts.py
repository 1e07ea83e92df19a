"""Transfers from account to account: what the payer paid is what the payee has.

Source: docs/bank-transfers.md.
"""

from __future__ import annotations

from paychain.payments.rules.reconciled import Finding, Reconciled
from paychain.payments.rules.rule import money_rule


@money_rule("Held, not lost", judged="at_the_end", beyond=None, needs="banks")
def held_not_lost(payment: Reconciled) -> Finding | None:
    """After a hold has ended without an outcome, a late confirmation is honoured exactly once.

    The payer is debited, or the payer's bank pays from an account of its own, as much as the payee
    has in the end. The amount of a finding is what nobody paid, or what was paid beyond that.
    """
    transfer = payment.transfer
    if transfer is None or not transfer.ended_minor or not transfer.is_unbalanced:
        return None
    paid_minor, received_minor = transfer.paid_minor, transfer.received_minor
    held, paid, received = map(payment.money, (transfer.ended_minor, paid_minor, received_minor))
    text = f"the hold of {held} ended, the payee has {received}, and {paid} was paid for it"
    return Finding.of(payment, abs(paid_minor - received_minor), text)


@money_rule("Debit equals credit", judged="at_the_end", beyond=None, needs="banks")
def debit_equals_credit(payment: Reconciled) -> Finding | None:
    """Every payer who was debited has a payee with as much, and every payee such a payer.

    What was credited and taken back, or returned, is not the payee's. Payments whose hold had
    ended, and those of which too much was returned, are judged by rules of their own.
    """
    transfer = payment.transfer
    if transfer is None or transfer.ended_minor or not transfer.is_unbalanced:
        return None
    paid, received = map(payment.money, (transfer.paid_minor, transfer.received_minor))
    text = f"the payee has {received}, the payer paid {paid}"
    return Finding.of(payment, abs(transfer.paid_minor - transfer.received_minor), text)


@money_rule("Returned within what was moved", judged="at_any_time", beyond=None, needs="banks")
def returned_within_moved(payment: Reconciled) -> Finding | None:
    """What is returned of a payment never exceeds what was moved.

    Neither does what the payee's bank returns, nor what the payer gets back. A recall whose answer
    was lost comes again, and is the same recall.
    """
    transfer = payment.transfer
    if transfer is None or not transfer.beyond_minor:
        return None
    moved, kept = map(payment.money, (transfer.moved_minor, transfer.kept_minor))
    returned, back = map(payment.money, (transfer.returned_minor, transfer.refunded_minor))
    text = f"the payee got {kept} and returned {returned}, the payer paid {moved} and got {back}"
    return Finding.of(payment, transfer.beyond_minor, text)
