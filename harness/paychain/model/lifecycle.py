"""What happens to a payment besides its authorisation, as declared on the links that decide it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from paychain.declaration.quantity import Duration, Part, Share, Span
from paychain.declaration.schema import Declared

Trigger = Literal["answer", "webhook", "delivery"]


class ServiceTime(Declared):
    """How long a link works on a request: log-normal through its median and 99th percentile."""

    median: Duration
    p99: Duration

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.p99 < self.median:
            raise ValueError("p99 is shorter than the median; lengthen p99 or shorten the median")
        return self


class BusinessDeclines(Declared):
    """The share of payments a link declines for business reasons, drawn per payment."""

    share: Share
    code: str = "51"


class Capacity(Declared):
    """What a link can carry. A request beyond it is refused with 503 before any work.

    A request keeps its place until its work is done, calls to other links included, also when its
    caller no longer waits for it.
    """

    concurrency: Annotated[
        int, Field(ge=1, le=100_000, description="Requests that are worked on at the same time.")
    ]
    queue: Annotated[
        int, Field(ge=0, le=1_000_000, description="Requests that wait for a place, oldest first.")
    ] = 0


class Webhooks(Declared):
    """The processor sends a gateway the outcome of a payment: webhooks, at least once.

    Each comes after a `delay` of its own, so they arrive out of order. `duplicates` is the share
    that comes twice, `bad_signatures` the share of tries with a wrong signature. A signature that
    is older than `max_age` by the receiver's clock, which is `clock_skew` ahead of the sender's, is
    refused as a possible replay.
    Source: docs/domain.md §2.4.
    """

    to: str
    delay: ServiceTime = ServiceTime.model_construct(median=0.05, p99=0.5)
    duplicates: Share = 0.0
    bad_signatures: Share = 0.0
    clock_skew: Annotated[
        Duration, Field(description="How far the receiver's clock is ahead of the sender's.")
    ] = 0.0
    max_age: Annotated[
        Span, Field(description="The receiver refuses signatures that are older by its clock.")
    ] = 300.0  # five minutes at Stripe
    timeout: Annotated[
        Span,
        Field(
            description="How long the sender waits for an answer. Without it, a link that speaks a "
            "provider's API waits as long as the provider does: 10 s, Braintree and PayPal 30 s."
        ),
    ] = 1.0
    backoff: Duration = 0.5
    max_backoff: Duration = 5.0
    give_up_after: Duration = 60.0  # three days at Stripe


class Captures(Declared):
    """The gateway captures this share of the approved payments, `after` their approval.

    `on`: what triggers it is the answer, the webhook, or both; or the delivery of what was bought,
    where the gateway lets a wallet send it (docs/crypto.md). It captures the share `of` the
    authorised amount in `parts` equal parts, each `after` the one before. More than 100 % are tips,
    shipping, weighed goods: the links have to permit it (`overcapture`). The last part is final and
    releases the rest; with `final: false` it is not released.

    With two triggers the return page and the webhook act on one approval. With `key: same` both
    send each capture under one idempotency key; with `key: new` each trigger under a key of its
    own, so that no link recognises the second capture as a repeat. Source: docs/domain.md §2.4.
    """

    after: Duration = 0.5
    share: Share = 1.0
    of: Annotated[
        Part,
        Field(
            gt=0,
            description="How much of the authorised amount is captured; more than 100% is a tip or "
            "a sum that was not known before.",
        ),
    ] = 1.0
    parts: Annotated[int, Field(ge=1, le=20)] = 1
    final: Annotated[
        bool,
        Field(description="Whether the last part is marked as final, which releases the rest."),
    ] = True
    on: Trigger | Annotated[tuple[Trigger, ...], Field(min_length=1, max_length=2)] = "answer"
    key: Annotated[
        Literal["same", "new"],
        Field(
            description="With two triggers in `on`: whether both send a capture under the same "
            "idempotency key or each under a new one."
        ),
    ] = "same"

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """What starts the captures, each once."""
        return tuple(dict.fromkeys((self.on,) if isinstance(self.on, str) else self.on))


class Cancels(Declared):
    """The merchant cancels this share of the approved payments instead of capturing them."""

    share: Share
    after: Duration = 0.5


class Refunds(Declared):
    """The merchant refunds this share of the captured payments, `of` the captured amount.

    `times` such refunds, the first `after` the last capture, each `gap` after the start of the one
    before: with `gap: 0s` all at the same moment. Together they may be more than was captured,
    which the books behind the gateway have to refuse. Source: docs/domain.md §2.5 (I4).
    """

    share: Share
    after: Duration = 1.0
    of: Share = 1.0
    times: Annotated[
        int, Field(ge=1, le=20, description="How many refunds of this size the merchant makes.")
    ] = 1
    gap: Annotated[
        Duration, Field(description="How long after the start of a refund the next one starts.")
    ] = 0.0


class Disputes(Declared):
    """The cardholder disputes this share of the captured payments, and the issuer charges it back.

    The issuer returns what was captured and not refunded by then; one that does not compare
    (`checks_refunds: false`) returns all of it. A link on the way that has `webhooks` reports it to
    the merchant, who then refunds only what the chargeback did not return.
    Source: docs/domain.md §2.5 (I4).
    """

    share: Annotated[Share, Field(description="Share of the captured payments that are disputed.")]
    after: Annotated[
        Duration, Field(description="How long after the first capture it is charged back.")
    ] = 2.0


class PartialApprovals(Declared):
    """The issuer approves this share of payments for a part of the amount (code 10).

    A merchant that does not accept partial approvals gets a decline with 51 instead.
    """

    share: Share
    of: Share = 0.5


class SoftDeclines(Declared):
    """The issuer wants the cardholder challenged for this share of payments.

    With `lacking: authentication` it takes any authentication, and an exemption, for enough.
    The code is the scheme's own: 65 at Mastercard, 1A elsewhere. Source: docs/domain.md §1.2 (both
    from memory).
    """

    share: Share
    lacking: Annotated[
        Literal["challenge", "authentication"],
        Field(
            description="What a payment that is declined softly lacks: a challenge, or any "
            "authentication."
        ),
    ] = "challenge"


class Challenge(Declared):
    """How long a cardholder takes to answer a challenge, and how many fail it.

    Real cardholders take ten seconds to minutes; the default is compressed like the clock of an
    experiment.
    """

    answers_in: ServiceTime = ServiceTime.model_construct(median=0.4, p99=1.2)
    fails: Share = 0.0


class Authentications(Declared):
    """How 3-D Secure ends, as shares of payments; the rest is frictionless.

    `attempted`: the scheme answers for an issuer without authentication (transStatus A).
    `unavailable`: it could not be performed (U), a technical failure: the call's fallback decides
    what happens then. `failed`: not authenticated (N, R), never authorised.
    Source: docs/domain.md §1.2.
    """

    challenge: Share = 0.0
    attempted: Share = 0.0
    unavailable: Share = 0.0
    failed: Share = 0.0

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        if self.challenge + self.attempted + self.unavailable + self.failed > 1 + 1e-9:
            raise ValueError("the outcomes add up to more than 100%; lower one")
        return self
