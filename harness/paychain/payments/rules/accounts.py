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
    if transfer is None or not transfer.ended_minor or transfer.is_balanced:
        return None
    paid_minor, received_minor = transfer.paid_minor, transfer.received_minor
    held, paid, received = map(payment.money, (transfer.ended_minor, paid_minor, received_minor))
    text = f"the hold of {held} ended, the payee has {received}, and {paid} was paid for it"
    return Finding.of(payment, abs(paid_minor - received_minor), text)


@money_rule("Debit equals credit", judged="at_the_end", beyond=None, needs="banks")
def debit_equals_credit(payment: Reconciled) -> Finding | None:
    """Every payer who was debited has a payee with as much, and every payee such a payer.

    What was credited and taken back is not the payee's. Payments whose hold had ended are judged by
    a rule of their own.
    """
    transfer = payment.transfer
    if transfer is None or transfer.ended_minor or transfer.is_balanced:
        return None
    paid, received = map(payment.money, (transfer.paid_minor, transfer.received_minor))
    text = f"the payee has {received}, the payer paid {paid}"
    return Finding.of(payment, abs(transfer.paid_minor - transfer.received_minor), text)
