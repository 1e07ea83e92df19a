"""Which link a call prefers for a payment: by amount, card, merchant, share or health."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from paychain.declaration.cards import Cards
from paychain.declaration.problem import Problem, unknown
from paychain.declaration.quantity import Amount, Duration, Share
from paychain.declaration.schema import Declared
from paychain.declaration.text import KeyPath
from paychain.payments.cards import SCHEMES


class AmountRange(Declared):
    """Amounts in the chain's currency, both ends included."""

    least: Annotated[Amount | None, Field(alias="from")] = None
    most: Annotated[Amount | None, Field(alias="up_to")] = None


class Failing(Declared):
    """The call's own `to` fails at this rate: technically failed calls of the last `window`.

    With fewer than `minimum_calls` the target counts as healthy.
    """

    failure_rate: Share
    window: Duration = 10.0
    minimum_calls: Annotated[int, Field(ge=1, le=100_000)] = 10


class Preference(Declared):
    """Payments that all of these conditions hold for go to another link first.

    The first preference that fits counts; shares are of different payments, 5 % and 5 % are 10 %
    together. Where its link fails, the call goes on as it would without it: with its own target,
    then with its fallbacks.
    """

    to: str
    share: Annotated[Share, Field(gt=0)] | None = None
    amount: AmountRange | None = None
    cards: Cards | None = None
    merchants: list[str] = []
    when_failing: Failing | None = None

    @property
    def is_by_share(self) -> bool:
        """Whether nothing but chance decides who goes there."""
        return self.model_fields_set == {"to", "share"}

    @property
    def words(self) -> str:
        """For the drawn chain: `5 % to processor-b`."""
        conditions = []
        if self.share is not None:
            conditions.append(f"{self.share * 100:g} %")
        if self.amount is not None:
            ends = (("from", self.amount.least), ("up to", self.amount.most))
            conditions += [f"{word} {end}" for word, end in ends if end is not None]
        if self.cards is not None:
            conditions.append(", ".join((*self.cards.schemes, *self.cards.ranges)))
        if self.merchants:
            conditions.append(", ".join(self.merchants))
        if self.when_failing is not None:
            conditions.append("when failing")
        return f"{' and '.join(conditions)} to {self.to}"


def check_preferences(preferences: Sequence[Preference], to: str, at: KeyPath) -> Iterator[Problem]:
    """Preferences that change nothing or that no payment fits."""
    for number, preference in enumerate(preferences):
        here = (*at, number)
        if preference.to == to:
            what = f"'{to}' is the call's own target"
            yield Problem((*here, "to"), what, "name another link, or remove it")
        if preference.model_fields_set <= {"to"}:
            what = "every payment matches: nothing would go to the call's own target"
            yield Problem(here, what, "add share, amount, cards, merchants or when_failing")
        amount = preference.amount
        for each, scheme in enumerate(preference.cards.schemes if preference.cards else ()):
            if scheme not in SCHEMES:
                yield unknown((*here, "cards", "schemes", each), "scheme", scheme, SCHEMES)
        ends = (amount.least, amount.most) if amount is not None else (None, None)
        if ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
            yield Problem((*here, "amount"), "no amount matches", "make from less than up_to")
    together = sum(
        each.share for each in preferences if each.share is not None and each.is_by_share
    )
    if round(together, 9) > 1:
        what = f"the shares are {together * 100:g} % together"
        yield Problem(at, what, "prefer other links for 100 % of the payments at most")
