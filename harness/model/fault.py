"""Faults: one vocabulary, whether they act on the hop or in the link."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp
from typing import Annotated, Any, Literal

from pydantic import Field

from harness.model.cards import Cards
from harness.model.quantity import ByteCount, ByteRate, Duration, Share
from harness.model.schema import Declared

Stream = Literal["upstream", "downstream"]
EVERY_LINK = "*"  # target of a standard fault: the matrix puts each link's name in


class FaultKind(Declared):
    """What is injected, with its magnitude.

    `share` is of connections on a hop, of requests in a link.
    """

    share: Share = 1.0


class Down(FaultKind):
    """The callee is gone: new connections are refused, live ones close.

    With a share, that part of the connections is reset before anything gets through.
    """


class Refuse(FaultKind):
    """New connections are refused; live ones go on (embedded engine only)."""


class Blackhole(FaultKind):
    """Connections stand, nothing gets through and nothing comes back.

    `new`: only those that are made now; live ones go on (embedded engine only).
    """

    connections: Literal["all", "new"] = "all"


class Latency(FaultKind):
    """Every chunk of bytes is late."""

    delay: Duration
    jitter: Duration = 0.0
    stream: Stream = "downstream"


class Bandwidth(FaultKind):
    """The hop carries only so many bytes a second."""

    rate: ByteRate
    stream: Stream = "downstream"


class SlowClose(FaultKind):
    """Closing a connection takes this long."""

    delay: Duration


class Reset(FaultKind):
    """The connection is reset when data arrives, after a delay."""

    after: Duration = 0.0


class Slice(FaultKind):
    """Bytes arrive in small pieces."""

    size: ByteCount
    delay: Duration = 0.0


class CutAfter(FaultKind):
    """The connection closes after so many bytes of an answer."""

    after: ByteCount


class Struck(Cards):
    """The payments a fault in a link strikes: of these cards, and of these merchants."""

    merchants: list[str] = []

    def strikes(self, number: str, scheme: str, merchant: str) -> bool:
        """Whether a payment is one of them."""
        return self.has(number, scheme) and (not self.merchants or merchant in self.merchants)


class LinkFaultKind(FaultKind):
    """What a link does wrong; `only` these payments, all without it."""

    only: Struck | None = None


class HttpError(LinkFaultKind):
    """The link answers an HTTP error instead of working, or after it: then the work is done."""

    status: Annotated[int, Field(ge=400, le=599)] = 503
    after_work: bool = False


class Decline(LinkFaultKind):
    """The link declines with a response code instead of working."""

    code: str = "91"


class SlowAnswer(LinkFaultKind):
    """The link works, and answers so much later."""

    delay: Duration
    jitter: Duration = 0.0


class LateAnswer(LinkFaultKind):
    """The link begins its work so much later: a reversal may overtake the request."""

    delay: Duration
    jitter: Duration = 0.0


class LostAnswer(LinkFaultKind):
    """The link does the work and commits it; its answer never leaves."""


class DuplicateAnswer(LinkFaultKind):
    """The link does the work once and sends its answer several times over."""

    copies: Annotated[int, Field(ge=2, le=10)] = 2


class WrongAnswer(LinkFaultKind):
    """The link does the work, and its answer says something else of it.

    `another_payment`: the answer names an authorisation that is not the one asked for.
    """

    says: Literal["approved", "declined", "another_amount", "another_payment"] = "declined"
    code: str = "05"  # of `declined`


class StaleAnswer(LinkFaultKind):
    """The link does not work: it answers what it answered the last time it did."""


class Malformed(LinkFaultKind):
    """The link does the work; what it sends is not an answer."""


class StuckPending(LinkFaultKind):
    """The link accepts and says pending; it works on the backlog when the fault is over."""


class Gray(LinkFaultKind):
    """Traffic fails while the link's health check says that all is well."""

    status: Annotated[int, Field(ge=500, le=599)] = 500


class Crash(Declared):
    """The link's process dies, and comes back when the fault is over.

    Its connections, the answers it was working on and its reversals under way are lost. Its books
    it has on disk, with what it had sent on; with `forgets` they are lost too, and its keys.

    A link with `isolate: true` has a process of its own, which a real run kills (SIGKILL) and
    starts anew on the same port. It keeps nothing on disk, so it needs `forgets`; what it had not
    flushed of its journal, at most 0.1 s, is missing from the run's records as well.
    """

    forgets: bool = False


HOP_KINDS: dict[str, type[Declared]] = {
    "down": Down,
    "refuse": Refuse,
    "blackhole": Blackhole,
    "latency": Latency,
    "bandwidth": Bandwidth,
    "slow_close": SlowClose,
    "reset": Reset,
    "slice": Slice,
    "cut_after": CutAfter,
}
LINK_KINDS: dict[str, type[Declared]] = {
    "http_error": HttpError,
    "decline": Decline,
    "slow_answer": SlowAnswer,
    "late_answer": LateAnswer,
    "lost_answer": LostAnswer,
    "duplicate_answer": DuplicateAnswer,
    "wrong_answer": WrongAnswer,
    "stale_answer": StaleAnswer,
    "malformed": Malformed,
    "stuck_pending": StuckPending,
    "gray": Gray,
    "crash": Crash,
}
# Kinds that speak of payments: a link that only forwards bytes cannot do them.
PAYMENT_KINDS = ("decline", "wrong_answer", "stale_answer", "stuck_pending")
WHOLE_LINK_KINDS = ("crash", "gray")  # a link is ill or dead for all its callers


class Target(Declared):
    """What a fault strikes: exactly one of these."""

    link: str | None = None
    call: str | None = None  # gateway.authorise
    hop: str | None = None  # gateway -> processor-a
    provider: str | None = None

    def __str__(self) -> str:
        """As the file says it: `link processor-a`."""
        return next(f"{key} {value}" for key, value in self if value is not None)


class Kinds(Declared):
    """Exactly one fault kind with its parameters."""

    down: Down | None = None
    refuse: Refuse | None = None
    blackhole: Blackhole | None = None
    latency: Latency | None = None
    bandwidth: Bandwidth | None = None
    slow_close: SlowClose | None = None
    reset: Reset | None = None
    slice: Slice | None = None
    cut_after: CutAfter | None = None
    http_error: HttpError | None = None
    decline: Decline | None = None
    slow_answer: SlowAnswer | None = None
    late_answer: LateAnswer | None = None
    lost_answer: LostAnswer | None = None
    duplicate_answer: DuplicateAnswer | None = None
    wrong_answer: WrongAnswer | None = None
    stale_answer: StaleAnswer | None = None
    malformed: Malformed | None = None
    stuck_pending: StuckPending | None = None
    gray: Gray | None = None
    crash: Crash | None = None

    def chosen(self) -> list[str]:
        """Names of the kinds that are given."""
        return [name for name in (*HOP_KINDS, *LINK_KINDS) if getattr(self, name) is not None]


Window = tuple[float, float, float]  # from, until (seconds since the fault began), strength


class Shape(Declared):
    """How a fault comes and goes, or grows, inside its time."""

    fault: Kinds

    def windows(self, lasts: float) -> Iterator[Window]:
        """When it is on, and at which part of its share."""
        raise NotImplementedError  # each shape has its own

    def __str__(self) -> str:
        """In a few words."""
        raise NotImplementedError  # each shape has its own


class Flapping(Shape):
    """The fault comes and goes: on for `duty` of every period."""

    period: Annotated[Duration, Field(gt=0)]
    duty: Share = 0.5

    def windows(self, lasts: float) -> Iterator[Window]:
        """On at the beginning of every period."""
        start = 0.0
        while start < lasts:
            yield start, min(start + self.period * self.duty, lasts), 1.0
            start += self.period

    def __str__(self) -> str:
        """As the report says it."""
        return f"on and off every {self.period:g} s"


class Ramp(Shape):
    """The fault's share grows in equal steps until it is whole in the last one."""

    steps: Annotated[int, Field(ge=2, le=50)] = 5

    def windows(self, lasts: float) -> Iterator[Window]:
        """Step by step."""
        each = lasts / self.steps
        for number in range(self.steps):
            yield number * each, (number + 1) * each, (number + 1) / self.steps

    def __str__(self) -> str:
        """As the report says it."""
        return f"growing in {self.steps} steps"


class Relapse(Shape):
    """The fault is on, mended after `on`, healthy for a while, and back until its end."""

    on: Duration
    healthy: Duration

    def windows(self, lasts: float) -> Iterator[Window]:
        """Before and after the mend that did not hold."""
        yield 0.0, min(self.on, lasts), 1.0
        if self.on + self.healthy < lasts:
            yield self.on + self.healthy, lasts, 1.0

    def __str__(self) -> str:
        """As the report says it."""
        return f"back after {self.healthy:g} s of health"


class CacheExpiry(Shape):
    """The fault reaches callers as their caches expire: 1 - exp(-t / ttl) of its share."""

    ttl: Annotated[Duration, Field(gt=0)]
    steps: Annotated[int, Field(ge=2, le=50)] = 10

    def windows(self, lasts: float) -> Iterator[Window]:
        """Each step at the share of its middle."""
        each = lasts / self.steps
        for number in range(self.steps):
            strength = 1 - exp(-(number + 0.5) * each / self.ttl)
            yield number * each, (number + 1) * each, strength

    def __str__(self) -> str:
        """As the report says it."""
        return f"as caches of {self.ttl:g} s expire"


SHAPES = ("flapping", "ramp", "relapse", "cache_expiry")


class Fault(Kinds):
    """One thing injected: kind, target, start, duration. `at` counts from the end of `before`."""

    id: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$")] = ""
    at: Duration
    lasts: Annotated[Duration, Field(alias="for")]
    target: Target
    flapping: Flapping | None = None
    ramp: Ramp | None = None
    relapse: Relapse | None = None
    cache_expiry: CacheExpiry | None = None

    def shapes(self) -> list[str]:
        """Names of the shapes that are given: at most one in a checked file."""
        return [name for name in SHAPES if getattr(self, name) is not None]

    @property
    def shape(self) -> Shape | None:
        """How it comes and goes, None when it is simply on."""
        given: list[Shape] = [getattr(self, name) for name in self.shapes()]
        return given[0] if given else None

    def windows(self) -> list[tuple[float, float, Fault]]:
        """When it is on, since the start of the timeline, and what it is like then."""
        if self.shape is None:
            return [(self.at, self.at + self.lasts, self)]
        return [
            (self.at + start, self.at + end, self if strength == 1 else self._weaker(strength))
            for start, end, strength in self.shape.windows(self.lasts)
        ]

    def _weaker(self, strength: float) -> Fault:
        share = self.parameters.share * strength
        parameters = self.parameters.model_copy(update={"share": share})
        kinds = self._inner.model_copy(update={self.kind: parameters})
        (name,) = self.shapes()
        shape = getattr(self, name).model_copy(update={"fault": kinds})
        return self.model_copy(update={name: shape})

    @property
    def kind(self) -> str:
        """Name of the fault's kind, the one inside a shape included."""
        return self._inner.chosen()[0]

    @property
    def parameters(self) -> Any:
        """The kind's parameters: a Down, Latency, HttpError, …"""
        return getattr(self._inner, self.kind)

    @property
    def acts_in_link(self) -> bool:
        """In the link (mock behaviour), not on the hop (fault engine)."""
        return self.kind in LINK_KINDS

    @property
    def _inner(self) -> Kinds:
        return self.shape.fault if self.shape is not None else self
