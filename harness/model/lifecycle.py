"""What becomes of a payment beside its authorisation, as declared on the links that decide it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.model.quantity import Duration, Share, Span
from harness.model.schema import Declared


class ServiceTime(Declared):
    """How long a link works on a request: log-normal through its median and 99th percentile."""

    median: Duration
    p99: Duration


class Notifications(Declared):
    """The processor tells a gateway what became of a payment: webhooks, at least once.

    Each comes after a `delay` of its own, so they arrive out of order; this share comes twice, and
    this share of tries has a signature that is wrong. Source: domain.md §2.4.
    """

    to: str
    delay: ServiceTime = ServiceTime.model_construct(median=0.05, p99=0.5)
    duplicates: Share = 0.0
    bad_signatures: Share = 0.0
    timeout: Span = 1.0
    backoff: Duration = 0.5
    longest: Duration = 5.0
    give_up_after: Duration = 60.0  # days in real life


class Captures(Declared):
    """The gateway captures this share of the approved payments, `after` their approval.

    `on`: when the answer came, or when the notification did.

    `of` the authorised amount in `parts` equal parts, one `after` the other; the last part is
    final and releases the rest.
    """

    after: Duration = 0.5
    share: Share = 1.0
    of: Share = 1.0
    parts: Annotated[int, Field(ge=1, le=20)] = 1
    on: Literal["answer", "notification"] = "answer"


class Cancels(Declared):
    """The merchant cancels this share of the approved payments instead of capturing them."""

    share: Share
    after: Duration = 0.5


class Refunds(Declared):
    """The merchant refunds this share of the captured payments, `of` the captured amount."""

    share: Share
    after: Duration = 1.0
    of: Share = 1.0


class PartialApprovals(Declared):
    """The issuer approves this share of payments for a part only (code 10).

    A merchant who does not accept that is declined with 51 instead.
    """

    share: Share
    of: Share = 0.5


class SoftDeclines(Declared):
    """The issuer wants the cardholder challenged for this share of payments.

    The code is the scheme's own: 65 at Mastercard, 1A elsewhere. Source: domain.md §1.2 (both
    from memory).
    """

    share: Share


class Challenge(Declared):
    """How long a cardholder takes over a challenge, and how many do not pass it.

    Real ones take ten seconds to minutes; the default is compressed like an experiment's clock.
    """

    answers_in: ServiceTime = ServiceTime.model_construct(median=0.4, p99=1.2)
    fails: Share = 0.0


class Authentications(Declared):
    """How 3-D Secure ends, as shares of payments; the rest is frictionless.

    `attempted`: the scheme answers for an issuer without authentication (transStatus A).
    `unavailable`: it could not be performed (U), a technical failure: the call's fallback says
    what then. `failed`: not authenticated (N, R): never authorised. Source: domain.md §1.2.
    """

    challenge: Share = 0.0
    attempted: Share = 0.0
    unavailable: Share = 0.0
    failed: Share = 0.0

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        if self.challenge + self.attempted + self.unavailable + self.failed > 1 + 1e-9:
            raise ValueError("the outcomes are more than 100% together; lower one")
        return self
