"""What every fallback step is made of: where it may stand, what it risks, how it is described.

A step is one module in this package and a line in its `__init__.py`. The checks, the static review,
the policies, the measures and the drawn chain are derived from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar, Literal

from paychain.declaration.cards import Cards
from paychain.declaration.problem import Problem
from paychain.declaration.quantity import Amount
from paychain.declaration.schema import Declared
from paychain.declaration.text import KeyPath
from paychain.payments.journal import DecisionKind
from paychain.protocol.message import Answer, PaymentRequest

ANY_AMOUNT = Decimal("Infinity")
NO_AMOUNT = Decimal(0)


class Step(Declared):
    """One fallback of a call.

    `decision`: what the journal calls its use; the measures count by it. `operations`: the calls
    that it may follow, None for all. `risk`: what an approval by it lacks, for the report;
    `{lacking}` is what the call would have given.
    """

    decision: ClassVar[DecisionKind]
    operations: ClassVar[frozenset[str] | None] = None
    risk: ClassVar[str] = ""

    @property
    def words(self) -> str:
        """The step in few words, for the drawn chain: `skip up to 50.00`."""
        raise NotImplementedError  # each step has its own

    def problems(self, at: KeyPath) -> Iterator[Problem]:
        """Values that read well but cannot be meant. `at` is the key path of the step."""
        yield from ()


class Failover(Step):
    """Send the same operation to another link; `cards`: only for these."""

    decision: ClassVar[DecisionKind] = DecisionKind.FAILOVER

    cards: Cards | None = None

    @property
    def targets(self) -> list[str]:
        """The links that it may send to."""
        return [target for target, _ in self.named()]

    def named(self) -> list[tuple[str, KeyPath]]:
        """Each link that it names, with its key path within the step."""
        raise NotImplementedError  # each step has its own


class LocalStep(Step):
    """What the calling link does by itself, without asking another link."""

    @property
    def largest(self) -> Decimal:
        """The largest payment that still succeeds by it, in the chain's currency."""
        raise NotImplementedError  # each step has its own


class AmountLimit(Declared):
    """Use a fallback only up to an amount in the chain's currency."""

    up_to: Amount


class GoOn(LocalStep):
    """The payment continues without the call's answer, up to an amount.

    `marks`: how the role that made the call learns of it, a field of `CallEnd`. `lasts`: it serves
    for as long as the call fails, not only for a while.
    """

    marks: ClassVar[Literal["is_skipped", "is_exempt"]] = "is_skipped"
    lasts: ClassVar[bool] = True

    @property
    def largest(self) -> Decimal:
        """Any payment, unless the step has a limit."""
        return ANY_AMOUNT


class AnswerInstead(LocalStep):
    """The calling link makes up the answer that it did not get."""

    @property
    def largest(self) -> Decimal:
        """Nothing, as long as the answer is a decline."""
        return NO_AMOUNT

    def answer(self, link: str, request: PaymentRequest) -> Answer:
        """The answer that replaces the call's. `link`: the one that provides it."""
        raise NotImplementedError  # each step has its own
