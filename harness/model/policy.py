"""What a call does when it goes badly, as declared."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.model.fallback import FailoverTo, Fallback, Split
from harness.model.quantity import Duration, Rate, Share, Span
from harness.model.schema import Declared

Failure = Literal["refused", "reset", "timeout", "http_error", "malformed", "technical"]
Unknown = Literal["reverse", "query", "resend", "give_up"]


class Budget(Declared):
    """Retries may be at most this share of the calls; up to `saved` unspent ones are kept."""

    share: Share
    saved: Annotated[int, Field(ge=1, le=10_000)] = 20


class Retry(Declared):
    """Try the same target again. `attempts` counts all tries, the first included.

    The pause is drawn between nothing and the back-off (`full`), between half of it and all of it
    (`half`), or is all of it (`none`). `codes` are response codes that are tried again as well.
    """

    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    backoff: Duration = 0.1
    longest: Duration = 2.0
    jitter: Literal["full", "half", "none"] = "full"
    on: list[Failure] = ["refused", "reset", "http_error", "technical"]
    codes: list[str] = []
    budget: Budget | None = None


class Breaker(Declared):
    """Stop calling a target that fails technically or is slow; probe it after a while.

    It opens at the first of: `consecutive` failures, `failure_rate` of the window's calls,
    `slow_rate` of them that took `slow_after` or longer.
    """

    failure_rate: Share = 0.5
    consecutive: Annotated[int, Field(ge=1, le=100_000)] | None = None
    slow_after: Duration | None = None
    slow_rate: Share = 0.5
    window: Duration = 10.0
    minimum_calls: Annotated[int, Field(ge=1, le=100_000)] = 20
    open_for: Duration = 5.0
    probes: Annotated[int, Field(ge=1, le=1_000)] = 3


class Bulkhead(Declared):
    """At most `size` calls at a time and `queue` waiting, for each target or target and scheme."""

    size: Annotated[int, Field(ge=1, le=10_000)]
    queue: Annotated[int, Field(ge=0, le=100_000)] = 0
    wait: Duration = 1.0
    per: Literal["target", "scheme"] = "target"


class Hedge(Declared):
    """Send a second request when the first has no answer after a while; the first answer wins.

    Without `to` it is a repeat with the same key; with it, an attempt of its own at another link,
    and the loser is reversed.
    """

    after: Duration
    to: str | None = None


class Query(Declared):
    """How an unknown outcome is asked for; more tries are a storm (domain.md §1.8, UPI)."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    pause: Duration = 0.25
    timeout: Span | None = None  # the call's own without it
    breaker: Breaker | None = None


class Reversal(Declared):
    """How an unknown outcome is reversed, apart from the call's retry and breaker.

    Repeated until acknowledged, at most `repeats` a second in all to one target, or until
    `give_up_after`. `shares_breaker` puts reversals behind the breaker of the calls they undo:
    it is wrong, and declarable because it is common.
    """

    timeout: Span = 2.0
    backoff: Duration = 0.25
    longest: Duration = 2.0  # so that a healed link hears of its reversals soon
    give_up_after: Duration = 60.0
    repeats: Rate = 50.0
    breaker: Breaker | None = None
    shares_breaker: bool = False

    @model_validator(mode="after")
    def _one_breaker(self) -> Self:
        if self.shares_breaker and self.breaker is not None:
            raise ValueError("a reversal has two breakers; keep breaker or shares_breaker")
        return self


class Call(Declared):
    """A declared edge from one link to another for an operation, with its policy.

    `passes_deadline`: the callee is told how much time is left, the chain's setting without it;
    with less than `needs` left the call is not sent.
    """

    to: str
    timeout: Span = 10.0
    passes_deadline: bool | None = None
    needs: Duration = 0.001
    retry: Retry | None = None
    breaker: Breaker | None = None
    bulkhead: Bulkhead | None = None
    hedge: Hedge | None = None
    on_unknown: Unknown = "give_up"
    query: Query = Query()
    reversal: Reversal = Reversal()
    fallback: list[Fallback] = []

    @property
    def routes(self) -> list[str]:
        """The declared target, then those of the failover steps in order."""
        found = [self.to]
        for step in self.fallback:
            if isinstance(step, FailoverTo):
                found.append(step.to)
            elif isinstance(step, Split):
                found += step.split
        return found

    @property
    def targets(self) -> list[str]:
        """Every link the call may reach: its routes, then the hedge's own link."""
        routes = self.routes
        if self.hedge is not None and self.hedge.to is not None and self.hedge.to not in routes:
            return [*routes, self.hedge.to]
        return routes

    @property
    def attempts(self) -> int:
        """Tries at one target."""
        return self.retry.attempts if self.retry is not None else 1

    @property
    def most_sends(self) -> int:
        """The largest number of requests one execution sends; stored ones are sent later."""
        routes = 1 + sum(isinstance(step, FailoverTo | Split) for step in self.fallback)
        resends = int(self.on_unknown == "resend")
        hedged = 0
        if self.hedge is not None:
            # At another link, or beside a retry under a new key, it may stay unknown by itself.
            may_be_resent = self.hedge.to is not None or self.attempts > 1
            hedged = 1 + resends * may_be_resent
        return routes * (self.attempts + resends) + hedged
