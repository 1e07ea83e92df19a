"""What a call does when it goes badly, as declared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.model.quantity import Amount, Duration, Share
from harness.model.schema import Declared

Failure = Literal["refused", "reset", "timeout", "http_error", "malformed", "technical"]


class Retry(Declared):
    """Try the same target again. `attempts` counts all tries, the first included."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    backoff: Duration = 0.1
    on: list[Failure] = ["refused", "reset", "http_error", "technical"]


class Breaker(Declared):
    """Stop calling a target that fails technically; probe it after a while."""

    failure_rate: Share = 0.5
    window: Duration = 10.0
    minimum_calls: Annotated[int, Field(ge=1, le=100_000)] = 20
    open_for: Duration = 5.0
    probes: Annotated[int, Field(ge=1, le=1_000)] = 3


class Limit(Declared):
    """Use a fallback only up to an amount in the chain's currency."""

    up_to: Amount


class FailoverTo(Declared):
    """Send the same operation to another link."""

    to: str


class Skip(Declared):
    """Go on without the call's answer."""

    skip: Limit


class Exempt(Declared):
    """Go on without authentication and say so (an exemption, a regulatory risk)."""

    exempt: Limit


class DeclineWith(Declared):
    """Answer with a response code instead."""

    decline: str


Fallback = FailoverTo | Skip | Exempt | DeclineWith


class Reversal(Declared):
    """How an unknown outcome is reversed, apart from the call's retry and breaker."""

    timeout: Duration = 2.0
    backoff: Duration = 0.25
    give_up_after: Duration = 60.0


class Call(Declared):
    """A declared edge from one link to another for an operation, with its policy."""

    to: str
    timeout: Duration = 10.0
    retry: Retry | None = None
    breaker: Breaker | None = None
    on_unknown: Literal["reverse", "query", "resend", "give_up"] = "give_up"
    reversal: Reversal = Reversal()
    fallback: list[Fallback] = []

    @property
    def targets(self) -> list[str]:
        """Every link the call may reach: the declared one, then the failover targets in order."""
        return [self.to, *(step.to for step in self.fallback if isinstance(step, FailoverTo))]
