"""What a money rule is: a pure function of one reconciled payment, with what others must know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, Protocol

from paychain.payments.journal import Decision, HopRecord, Movement
from paychain.payments.rules.reconciled import Finding, Reconciled

# At any time: nothing that comes later can undo a breach. Unless given back: only money that is
# given back can, so a payment that waits for its capture alone is judged. At the end: the rule is
# about what is left when every answer and reversal has come in.
Judged = Literal["at_any_time", "unless_given_back", "at_the_end"]


class Stage(IntEnum):
    """How far a payment has come: what may still be done for it, and so what can be judged."""

    OPEN = 0  # anything
    COLLECTING = 1  # captures; no money is given back
    FINAL = 2  # nothing


# From which stage on a rule is judged.
_FROM: dict[Judged, Stage] = {
    "at_any_time": Stage.OPEN,
    "unless_given_back": Stage.COLLECTING,
    "at_the_end": Stage.FINAL,
}


class PaymentEvidence(Protocol):
    """What is recorded of one payment."""

    @property
    def hops(self) -> Sequence[HopRecord]:
        """Every hop of the payment, in the order in which they started."""

    @property
    def movements(self) -> Sequence[Movement]:
        """Every movement of the payment's money."""

    @property
    def decisions(self) -> Sequence[Decision]:
        """Every decision about the payment."""


# Whose money is held is a question of the whole order; what the books say, of each payment.
Per = Literal["payment", "order"]
# What a chain must have for a rule to be about it: one of the user's own services, its books, a
# ledger, an exchange that credits deposits, an oracle's prices, quotes that hold for a time, bounds
# of prices, a call that must fail closed, banks, links that report an outcome after their answer,
# limits of status queries.
Needs = Literal[
    "",
    "own service",
    "books",
    "ledger",
    "deposits",
    "prices",
    "quotes",
    "price bounds",
    "closed call",
    "banks",
    "reports",
    "query limits",
]
Check = Callable[[Reconciled], Finding | None]
Beyond = Callable[[PaymentEvidence], bool]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A law about money. The docstring of `check` states it.

    Payments with the same records are judged once, times and other payments left aside. `beyond` is
    true for a payment whose records alone do not decide this rule; None when they always do. `per`:
    what it is judged for. `of_unknown`: it is about what no customer has paid, all others are not.
    `needs`: without it in the chain, the rule is not judged at all.
    """

    name: str
    title: str
    check: Check
    judged: Judged
    beyond: Beyond | None
    per: Per = "payment"
    of_unknown: bool = False
    needs: Needs = ""

    def is_judged_at(self, stage: Stage) -> bool:
        """Whether it is judged for payments that have come as far as that."""
        return stage >= _FROM[self.judged]

    def __call__(self, payment: Reconciled) -> Finding | None:
        """How the payment broke the rule, None when it did not."""
        if payment.is_known is self.of_unknown:
            return None
        return self.check(payment)


def money_rule(
    title: str,
    *,
    judged: Judged,
    beyond: Beyond | None,
    per: Per = "payment",
    of_unknown: bool = False,
    needs: Needs = "",
) -> Callable[[Check], Rule]:
    """Make a rule of a function that is called as the rule is.

    `judged` and `beyond` must be given: to forget that a rule looks at times would pass payments
    unseen.
    """

    def rule(check: Check) -> Rule:
        return Rule(
            name=check.__name__,
            title=title,
            check=check,
            judged=judged,
            beyond=beyond,
            per=per,
            of_unknown=of_unknown,
            needs=needs,
        )

    return rule
