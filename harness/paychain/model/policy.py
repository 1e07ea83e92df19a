"""What a call does when it fails, as declared: its policy."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from paychain.declaration.quantity import Duration, Rate, Share, Span
from paychain.declaration.schema import Declared
from paychain.model.fallbacks import Fallback
from paychain.model.fallbacks.step import Failover
from paychain.model.operations import REVERSED
from paychain.model.pick import Pick
from paychain.model.routing import Preference
from paychain.model.trace import Trace

Failure = Literal["refused", "reset", "timeout", "http_error", "rejected", "malformed", "technical"]
Unknown = Literal["reverse", "query", "resend", "give_up"]


class Budget(Declared):
    """Retries may be at most this share of the calls; up to `burst` unspent ones accumulate."""

    share: Share
    burst: Annotated[int, Field(ge=1, le=10_000)] = 20


class Retry(Declared):
    """Try the same target again. `attempts` counts all tries, the first included.

    The pause is drawn between nothing and the backoff (`full`), between half of it and all of it
    (`half`), or is all of it (`none`). `codes` are response codes that are tried again as well.
    `http_error` in `on` is any error status; `rejected` only one that proves that nothing was done.
    A callee that asks for a pause (`Retry-After`) is not tried earlier; where the pause is longer
    than the time left, or than 60 s, it is not tried again. With `respects_retry_after: false` the
    caller ignores it, as naive clients do.
    """

    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    backoff: Duration = 0.1
    max_backoff: Duration = 2.0
    jitter: Literal["full", "half", "none"] = "full"
    on: list[Failure] = ["refused", "reset", "http_error", "technical"]
    codes: list[str] = []
    budget: Budget | None = None
    respects_retry_after: Annotated[
        bool, Field(description="Never try again before the callee's Retry-After is over.")
    ] = True

    @model_validator(mode="after")
    def _retries_something(self) -> Self:
        if not self.on and not self.codes:
            raise ValueError("nothing is retried; write such as on: [refused], or remove retry:")
        return self


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
    and the loser is reversed; of a `forward`, only with `on_unknown: reverse`.
    """

    after: Duration
    to: str | None = None


class Query(Declared):
    """How the caller queries an unknown outcome.

    The first try comes `first_after` the time for the answer (`timeout` of the call) is over, also
    where the outcome became unknown sooner; without it, as soon as the outcome is unknown. Each
    other one comes a `pause` after the answer before. With `within` the caller keeps asking for so
    long; otherwise it makes `attempts`. "Not found" is final only as the last answer, as the
    request may still be on its way; where the payment goes to another link next, also once the
    call's `timeout` has passed a second time. From a clearing, which rejects what it did not know
    then, it is final at once.
    Few tries with pauses: many status checks are a storm (docs/domain.md §1.8, UPI).
    """

    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    pause: Duration = 0.25
    first_after: Annotated[
        Duration, Field(description="How long the caller waits before it asks for the first time.")
    ] = 0.0
    within: Annotated[
        Span | None,
        Field(
            description="How long the caller keeps asking; without `attempts` nothing else limits "
            "the number of tries."
        ),
    ] = None
    timeout: Span | None = None  # None: the call's own
    breaker: Breaker | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.within is not None and self.within < self.first_after:
            raise ValueError("the first query would come after within; lengthen within")
        if self.within is not None and self.most_tries is None and self.pause <= 0:
            raise ValueError("repeated queries need a pause; write one such as 500ms")
        return self

    @property
    def most_tries(self) -> int | None:
        """The declared number of tries; None: as many as fit in `within`."""
        if self.within is not None and "attempts" not in self.model_fields_set:
            return None
        return self.attempts

    @property
    def shortest_s(self) -> float:
        """Seconds until the last try begins when each fails at once; infinite: `within` says."""
        if self.most_tries is None:
            return float("inf")
        return self.first_after + (self.most_tries - 1) * self.pause

    def longest_s(self, call_timeout_s: float) -> float:
        """Seconds until the caller gives up when no try is answered."""
        each_s = self.timeout or call_timeout_s
        tries_s = float("inf")
        if self.most_tries is not None:
            tries_s = self.first_after + self.most_tries * (each_s + self.pause) - self.pause
        # The last try may begin just before the time is over.
        return tries_s if self.within is None else min(tries_s, self.within + each_s)


class Reversal(Declared):
    """How an unknown outcome is reversed, apart from the call's retry and breaker.

    Repeated until acknowledged, at most `repeats` a second in all to one target, or until
    `give_up_after`. `shares_breaker` puts reversals behind the breaker of the calls they undo:
    a mistake that is common, so it can be declared and tested.
    """

    timeout: Span = 2.0
    backoff: Duration = 0.25
    max_backoff: Duration = 2.0  # a healed link gets its reversals within this time
    give_up_after: Duration = 60.0
    repeats: Rate = 50.0
    breaker: Breaker | None = None
    shares_breaker: bool = False

    @model_validator(mode="after")
    def _one_breaker(self) -> Self:
        if self.shares_breaker and self.breaker is not None:
            raise ValueError("a reversal has two breakers; remove breaker or shares_breaker")
        return self


class Tender(Declared):
    """One of the means by which a payment is paid: a gift card takes the share `of`, say.

    Without `of` it takes the rest; that one is the call's own target.
    """

    to: Annotated[str, Field(description="The link that this part is authorised at.")]
    of: Annotated[
        Share | None,
        Field(gt=0, lt=1, description="Its share of the amount; without it, the rest."),
    ] = None


class Quorum(Declared):
    """How many links have to say the same: the call's own target and those in `with` are all asked.

    An answer that fewer give is not believed, and the call fails.
    """

    others: Annotated[
        list[str],
        Field(
            alias="with",
            min_length=1,
            max_length=20,
            description="The links that are asked together with the call's own target.",
        ),
    ]
    agree: Annotated[int, Field(ge=1, le=21, description="How many of the answers have to agree.")]


class Claims(Declared):
    """What an own service is meant to do when a call fails: its code does it, nothing enforces it.

    The review reasons from what is claimed and reports nothing about what is not.
    """

    timeout: Annotated[
        Span | None, Field(description="How long it waits for an answer to one request.")
    ] = None
    retry: Annotated[
        Retry | None, Field(description="It tries the same target again after some failures.")
    ] = None
    breaker: Annotated[
        Breaker | None, Field(description="It stops calling a target that keeps failing.")
    ] = None
    on_unknown: Annotated[
        Unknown | None, Field(description="What follows a request without an answer.")
    ] = None
    query: Annotated[Query | None, Field(description="How it queries an unknown outcome.")] = None
    reversal: Annotated[
        Reversal | None, Field(description="How it reverses an unknown outcome.")
    ] = None

    @property
    def given(self) -> dict[str, object]:
        """The claimed settings, by their keys in a call."""
        return {key: getattr(self, key) for key in self.model_fields_set}


class Call(Declared):
    """A declared edge from one link to another for an operation, with its policy.

    `propagate_deadline`: the request says how much time is left; without it, the chain's setting
    applies. With less than `min_time_left` left the call is not sent. `shares_keys`: the gateways
    that a payment may be forwarded to share their idempotency keys, as two regions of one provider
    do. Otherwise the next gateway gets the payment as a new attempt under a key of its own.
    Of a `forward`, `on_unknown: reverse` reverses the payment at the gateway that may have taken it
    before another gateway gets it; the forwarding link recognises repeats by their key then.
    `prefer`: payments that go to another link first. `tenders`: a payment is authorised in parts,
    one after the other, the rest at the call's own target; when one fails, `compensates` reverses
    those before it.
    """

    to: str
    prefer: Annotated[list[Preference], Field(max_length=20)] = []
    timeout: Span = 10.0
    connect_timeout: Annotated[
        Span | None,
        Field(
            description="How much of the timeout may pass until there is a connection. Nothing was "
            "sent then: the call counts as refused, and is safe to try again."
        ),
    ] = None
    propagate_deadline: bool | None = None
    min_time_left: Duration = 0.001
    retry: Retry | None = None
    breaker: Breaker | None = None
    bulkhead: Bulkhead | None = None
    hedge: Hedge | None = None
    quorum: Annotated[
        Quorum | None,
        Field(description="For reads of a ledger: an answer is believed when several nodes agree."),
    ] = None
    on_unknown: Unknown = "give_up"
    query: Query = Query()
    reversal: Reversal = Reversal()
    fallback: list[Fallback] = []
    aside: Annotated[
        bool,
        Field(
            description="Not in the payment's path: the call is sent, and nobody waits for its "
            "answer."
        ),
    ] = False
    shares_keys: bool = False
    trace: Annotated[
        Trace | None,
        Field(description="For authorise: repeats are recognised by a trace number, not by a key."),
    ] = None
    tenders: Annotated[
        list[Tender],
        Field(
            max_length=10,
            description="The means by which each payment is paid, in order, the rest by `to`.",
        ),
    ] = []
    compensates: Annotated[
        bool,
        Field(
            description="Whether the tenders that were authorised are reversed when a later one "
            "fails."
        ),
    ] = False

    claims: Annotated[
        Claims | None,
        Field(description="On a call of an own service: what its code is meant to do."),
    ] = None
    _pick: Pick | None = PrivateAttr(default=None)  # of a call to the nodes of a template

    @property
    def pick(self) -> Pick | None:
        """How it chooses among many links that do the same; None: it goes to its own target."""
        if self._pick is not None or self.quorum is None:
            return self._pick
        of, agree = (self.to, *self.quorum.others), self.quorum.agree
        return Pick(of=of, ask=len(of), agree=agree, re_pick=0, timeout=self.timeout, needs=agree)

    def choose(self, pick: Pick) -> None:
        """From now on it chooses so among links that are its targets."""
        self._pick = pick

    @property
    def steps(self) -> list[Fallback]:
        """Its fallback steps, without those that only name links it chooses among."""
        among = set(self.pick.of) if self.pick is not None else set()
        return [
            step
            for step in self.fallback
            if not (isinstance(step, Failover) and among.issuperset(step.targets))
        ]

    def declares(self, key: str) -> bool:
        """Whether the file has a key, whatever the default is."""
        return key in self.model_fields_set

    def with_default(self, key: str, value: object) -> Call:
        """The same, with another default of a key that the file does not have."""
        assert not self.declares(key)
        changed = self.model_copy(update={key: value})
        changed.model_fields_set.discard(key)
        return changed

    @property
    def shared_tenders(self) -> list[tuple[str, float]]:
        """The links that take a share of a payment, with the share; the rest is left out."""
        return [(tender.to, tender.of) for tender in self.tenders if tender.of is not None]

    def of_tender(self, to: str) -> Call:
        """The call by which one tender is authorised: this one, at its own link."""
        own: dict[str, object] = {"to": to, "tenders": [], "prefer": [], "hedge": None}
        return self.model_copy(update={**own, "fallback": []})

    @property
    def routes(self) -> list[str]:
        """The declared target, then those of the failover steps in order."""
        found = [self.to]
        for step in self.fallback:
            if isinstance(step, Failover):
                found += step.targets
        return found

    @property
    def targets(self) -> list[str]:
        """Every link the call may reach: its alternatives, and those that take a tender."""
        tenders = [name for name, _ in self.shared_tenders]
        return list(dict.fromkeys([*self.alternatives, *tenders]))

    @property
    def alternatives(self) -> list[str]:
        """The links that may take the same money: routes, preferred links, the hedge's own link."""
        hedge = [self.hedge.to] if self.hedge is not None and self.hedge.to is not None else []
        asked = self.quorum.others if self.quorum is not None else []
        return list(dict.fromkeys([*self.routes, *self.preferred, *hedge, *asked]))

    def reverses(self, operation: str) -> bool:
        """Whether it reverses an unknown outcome of this operation."""
        return self.on_unknown == "reverse" and operation in REVERSED

    @property
    def preferred(self) -> list[str]:
        """The links that some payments go to first."""
        return [preference.to for preference in self.prefer]

    def is_first(self, target: str) -> bool:
        """Whether payments go to a target although no other one fails."""
        is_tender = any(target == name for name, _ in self.shared_tenders)
        return (
            target == self.to
            or is_tender
            or (self.pick is not None and target in self.pick.of)
            or any(
                preference.to == target and preference.when_failing is None
                for preference in self.prefer
            )
        )

    @property
    def attempts(self) -> int:
        """Tries at one target."""
        return self.retry.attempts if self.retry is not None else 1
