"""What a failure script lets customers do: a new action is a class and a field of CustomerStep."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from paychain.declaration.quantity import Duration, Share, Span
from paychain.declaration.schema import Declared

Key = Literal["same", "new"]


class ScriptedRetry(Declared):
    """The customer pays again when no answer has come after this time, until the deadline."""

    after: Annotated[Span, Field(description="How long after a try the next one begins.")]
    key: Annotated[Key, Field(description="Whether the retry has a new key or the same.")] = "same"


class ScriptedSecondPress(Declared):
    """The customer presses the button twice."""

    after: Annotated[Duration, Field(description="Time between the two presses.")] = 0.1
    key: Annotated[
        Key, Field(description="Whether the second press has a new key or the same.")
    ] = "same"


class ScriptedLeave(Declared):
    """The customer leaves without an answer, and may come back to look."""

    after: Annotated[Span, Field(description="How long the customer waits before leaving.")]
    returns_after: Annotated[
        Span | None, Field(description="When the customer comes back; never without it.")
    ] = None


class ScriptedSecondPayment(Declared):
    """The customer sees a decline, and pays the order once more."""

    after: Annotated[Span, Field(description="How long after the decline.")] = 1.0
    card: Annotated[
        Literal["same", "another"],
        Field(description="Whether the second payment is made with the same card or another one."),
    ] = "another"


class ScriptedPause(Declared):
    """The customer takes long to go on after the service's first answer, at a bank's page say.

    The time does not count as waiting: who takes it is as patient afterwards as before.
    """

    lasts: Annotated[Span, Field(alias="for", description="How long before the customer goes on.")]


class ScriptedTampering(Declared):
    """The customer names another amount in each request after the first one.

    The order is made by the first one, whose amount is right: what the others say of it is not to
    be believed.
    """

    amount: Annotated[
        Annotated[Share, Field(gt=0, lt=1)],
        Field(description="The amount that is named, as a share of the order's."),
    ] = 0.5


class CustomerStep(Declared):
    """What the customer does: exactly one of these."""

    retry: Annotated[
        ScriptedRetry | None, Field(description="Pays again while no answer has come.")
    ] = None
    pays_again: Annotated[
        ScriptedSecondPayment | None, Field(description="Pays again after a decline.")
    ] = None
    presses_twice: Annotated[
        ScriptedSecondPress | None, Field(description="Presses the button twice.")
    ] = None
    leaves: Annotated[ScriptedLeave | None, Field(description="Leaves, and may return.")] = None
    lingers: Annotated[
        ScriptedPause | None, Field(description="Takes long to go on after the first answer.")
    ] = None
    tampers: Annotated[
        ScriptedTampering | None, Field(description="Names another amount after the first request.")
    ] = None

    def given(self) -> list[str]:
        """What is given: exactly one in a checked file."""
        return [name for name, value in self if value is not None]
