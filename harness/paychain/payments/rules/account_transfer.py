"""What the banks' books say of a payment from account to account.

    payer's bank   held ─┬─▶ spent · freed · reversed   payee's bank   credited ─▶ taken back
                         └─▶ ended ─▶ spent · covered                  credited ─▶ returned
                  returned, once the payee's bank has

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
    Leg,
    Movement,
    MovementKind,
    PaymentRecord,
)
from paychain.payments.outcome import Outcome

# What no authorisation of anybody is: the payee's side, and what a bank pays itself.
BESIDE_ACCOUNTS = frozenset(
    {
        MovementKind.CREDITED,
        MovementKind.TAKEN_BACK,
        MovementKind.COVERED,
        MovementKind.RETURNED,
    }
)


@dataclass(kw_only=True)
class AccountTransfer:
    """One payment from account to account. Amounts are minor units.

    `ended_minor`: what was held for too long without an outcome. `reported`: what the customer saw,
    in this order: approved or declined; nothing while it was pending. `returned_minor`: what the
    payee's bank returned after recalls; `refunded_minor`: what the payer got of that, or of a
    debit whose transfer was not made.
    """

    ended_minor: int = 0
    spent_minor: int = 0
    covered_minor: int = 0
    credited_minor: int = 0
    taken_back_minor: int = 0
    returned_minor: int = 0
    refunded_minor: int = 0
    reported: tuple[str, ...] = ()

    @property
    def paid_minor(self) -> int:
        """What the payer and the payer's bank have paid together, beside what was returned."""
        return self.moved_minor - self.refunded_minor

    @property
    def received_minor(self) -> int:
        """What the payee has in the end."""
        return self.kept_minor - self.returned_minor

    @property
    def moved_minor(self) -> int:
        """What was debited, of the payer or of the payer's bank."""
        return self.spent_minor + self.covered_minor

    @property
    def kept_minor(self) -> int:
        """What the payee was credited with for good."""
        return self.credited_minor - self.taken_back_minor

    @property
    def beyond_minor(self) -> int:
        """What was returned beyond what was moved, on the side where that is most."""
        return max(self.returned_minor - self.kept_minor, self.refunded_minor - self.moved_minor, 0)

    @property
    def is_unbalanced(self) -> bool:
        """Whether the payee has more or less than was paid, and not as too much was returned."""
        return self.paid_minor != self.received_minor and not self.beyond_minor

    @property
    def made(self) -> str:
        """What stands in the end, in words; "" for nothing."""
        return "the credit" if self.kept_minor else ""


def account_transfer(
    customer: PaymentRecord, movements: Iterable[Movement], decisions: Iterable[Decision]
) -> AccountTransfer:
    """A payment's records, as the rules about accounts read them."""
    sums = dict.fromkeys(MovementKind, 0)
    returned: dict[Leg, int] = {"in": 0, "out": 0}
    for move in movements:
        sums[move.kind] += move.amount_minor
        if move.kind is MovementKind.RETURNED:
            returned[move.leg] += move.amount_minor
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
        returned_minor=returned["out"],
        refunded_minor=returned["in"] + sums[MovementKind.REVERSED],
        reported=tuple(word for _, word in sorted(reported)),
    )
