"""What the banks' books say of a payment from account to account.

    payer's bank   held ─┬─▶ spent · freed              payee's bank   credited ─▶ taken back
                         └─▶ ended ─▶ spent · covered

What ended without an outcome is not freed: a late confirmation still takes the money, from the
payer or from the bank itself. The customer sees the answer to the request, then what the bank
reports.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from paychain.payments.journal import (
    Decision,
    DecisionKind,
    Movement,
    MovementKind,
    PaymentRecord,
)
from paychain.payments.outcome import Outcome

# What no authorisation of anybody is: the payee's side, and what a bank pays itself.
BESIDE_ACCOUNTS = frozenset({MovementKind.CREDITED, MovementKind.TAKEN_BACK, MovementKind.COVERED})


@dataclass(kw_only=True)
class AccountTransfer:
    """One payment from account to account. Amounts are minor units.

    `ended_minor`: what was held for too long without an outcome. `reported`: what the customer saw,
    in this order: approved or declined; nothing while it was pending.
    """

    ended_minor: int = 0
    spent_minor: int = 0
    covered_minor: int = 0
    credited_minor: int = 0
    taken_back_minor: int = 0
    reported: tuple[str, ...] = ()

    @property
    def paid_minor(self) -> int:
        """What the payer and the payer's bank have paid together."""
        return self.spent_minor + self.covered_minor

    @property
    def received_minor(self) -> int:
        """What the payee has in the end."""
        return self.credited_minor - self.taken_back_minor

    @property
    def is_balanced(self) -> bool:
        """Whether the payee has as much as was paid for it."""
        return self.paid_minor == self.received_minor

    @property
    def made(self) -> str:
        """What stands in the end, in words; "" for nothing."""
        return "the credit" if self.received_minor else ""


def account_transfer(
    customer: PaymentRecord, movements: Iterable[Movement], decisions: Iterable[Decision]
) -> AccountTransfer:
    """A payment's records, as the rules about accounts read them."""
    sums = dict.fromkeys(MovementKind, 0)
    for move in movements:
        sums[move.kind] += move.amount_minor
    reported = [
        (each.at_ns, each.detail) for each in decisions if each.kind is DecisionKind.REPORTED
    ]
    if customer.outcome is not Outcome.UNKNOWN:
        reported.append((customer.ended_ns, customer.outcome.value))
    return AccountTransfer(
        ended_minor=sums[MovementKind.EXPIRED],
        spent_minor=sums[MovementKind.SPENT],
        covered_minor=sums[MovementKind.COVERED],
        credited_minor=sums[MovementKind.CREDITED],
        taken_back_minor=sums[MovementKind.TAKEN_BACK],
        reported=tuple(word for _, word in sorted(reported)),
    )
