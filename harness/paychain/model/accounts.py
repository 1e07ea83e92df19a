"""What the links of an account-to-account transfer declare: the clearing, and the two banks.

payer's bank ──▶ clearing ──▶ payee's bank
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from paychain.declaration.quantity import Duration, Share, Span
from paychain.declaration.schema import Declared
from paychain.payments.rails import RailLimits, RecallReason


class AccountHold(Declared):
    """How a payer's bank holds the money of a transfer, and what a late confirmation does.

    The hold ends after a time, and the transfer may still be made. `late: dropped` reports such a
    transfer as paid and debits nobody, since there is no hold that it could take the money from: a
    mistake that is common, so it can be declared and tested.
    """

    ends_after: Annotated[
        Span | None,
        Field(description="How long the money is held without an outcome; default: the rail's."),
    ] = None
    late: Annotated[
        Literal["honoured", "dropped"],
        Field(description="Whether the payer is debited for a confirmation that comes after that."),
    ] = "honoured"
    spent: Annotated[
        Share,
        Field(
            description="Share of payers who have spent the money by then: their bank pays the "
            "transfer from an account of its own."
        ),
    ] = 0.0

    def lasts_s(self, rail: RailLimits) -> float:
        """For how long money is held without an outcome; forever where nothing gives it back."""
        if rail.hold_ends is None:
            return float("inf")
        return rail.hold_ends if self.ends_after is None else self.ends_after


class Deemed(Declared):
    """What a payer's bank does with a transfer that the clearing deems to be made.

    Its payer is debited, and whether the payee is credited only the payee's bank knows. `shown:
    failed` gives the payer the money back at once, and `shown: paid` reports the transfer as made:
    both take for an outcome what is none, and are common, so that they can be declared and tested.
    """

    shown: Annotated[
        Literal["pending", "failed", "paid"],
        Field(description="What the payer sees of it until the payee's bank has answered."),
    ] = "pending"
    confirmed_after: Annotated[
        Span | None,
        Field(
            description="How long after its last query the bank wants to know whether the payee's "
            "bank has credited or returned it; default: the rail's."
        ),
    ] = None

    def confirmed_after_s(self, rail: RailLimits) -> float:
        """How long it waits for the word of the payee's bank."""
        return rail.confirms_within if self.confirmed_after is None else self.confirmed_after


class Recalls(Declared):
    """Transfers that a payer's bank wants back although they were confirmed (camt.056).

    The payee's bank decides: it returns the money or refuses. The payer has it back once it was
    returned, and not before.
    """

    share: Annotated[Share, Field(description="Share of the confirmed transfers.")]
    after: Annotated[
        Duration, Field(description="How long after the confirmation the recall is sent.")
    ]
    reason: Annotated[
        RecallReason, Field(description="Why: the rail limits how late each may come.")
    ] = "duplicate"


class Returns(Declared):
    """What a payee's bank does with recalls (pacs.004, or camt.029 where it refuses).

    A recall that has no answer in time comes again. With `repeats: returned` each of them returns
    the money once more, since the bank does not know it again: a mistake, so it can be declared.
    """

    agrees: Annotated[
        Share, Field(description="Share of the recalls that it agrees to; it refuses the others.")
    ] = 1.0
    repeats: Annotated[
        Literal["answered", "returned"],
        Field(description="Whether a recall that comes again gets the same answer."),
    ] = "answered"


class QueryLimits(Declared):
    """What a link permits to whoever queries a payment without an outcome.

    Nothing refuses a query beyond them: the money rule `asks_within_limits` reports it.
    """

    first_after: Annotated[
        Duration,
        Field(description="How long after the request was sent the first query may come."),
    ] = 0.0
    attempts: Annotated[
        int | None,
        Field(ge=1, le=100, description="How many queries one request may have; default: any."),
    ] = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if not self.first_after and self.attempts is None:
            raise ValueError("nothing is limited; write first_after or attempts")
        return self


class AccountSettings(Declared):
    """What the links of an account-to-account transfer declare, and how a rail is queried."""

    # processor, scheme, issuer, clearing
    query_limits: Annotated[
        QueryLimits | None,
        Field(
            description="How soon and how often its callers may query a payment; default: any, "
            "at a clearing what its rail permits."
        ),
    ] = None
    # clearing
    rail: Annotated[
        Literal["sct-inst", "upi"] | None,
        Field(description="The rail whose limits apply to every transfer."),
    ] = None
    # bank of the payer
    holds: Annotated[
        AccountHold, Field(description="For how long it holds the money of a transfer.")
    ] = AccountHold()
    deemed: Annotated[
        Deemed, Field(description="What it does with transfers that are deemed to be made.")
    ] = Deemed()
    recalls: Annotated[
        Recalls | None, Field(description="Confirmed transfers that it recalls; default: none.")
    ] = None
    # bank of the payee
    returns: Annotated[
        Returns, Field(description="What it does with recalls; default: it agrees to all.")
    ] = Returns()
    rejected_credits: Annotated[
        Literal["taken_back", "kept"],
        Field(
            description="What it does with a credit whose transfer the clearing has rejected, or "
            "that it has returned; to keep it is a common mistake, so it can be declared."
        ),
    ] = "taken_back"
    double_credits: Annotated[
        Literal["taken_back", "kept"],
        Field(
            description="What it does with a credit that its accounts got twice for one transfer; "
            "to keep it is what a bank does that never compares the two."
        ),
    ] = "taken_back"


def after_transfers(links: Iterable[AccountSettings], rail: RailLimits | None) -> list[str]:
    """The operations that may follow transfers between accounts: recall, confirm."""
    does = {
        "recall": any(link.recalls is not None for link in links),
        "confirm": rail is not None and rail.deems,
    }
    return [operation for operation, is_done in does.items() if is_done]
