"""Faults: one vocabulary, whether they act on the hop or in the link."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from harness.model.quantity import ByteCount, ByteRate, Duration, Share
from harness.model.schema import Declared

Stream = Literal["upstream", "downstream"]


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


class HttpError(FaultKind):
    """The link answers an HTTP error instead of working, or after it: then the work is done."""

    status: Annotated[int, Field(ge=400, le=599)] = 503
    after_work: bool = False


class Decline(FaultKind):
    """The link declines with a response code instead of working."""

    code: str = "91"


class SlowAnswer(FaultKind):
    """The link works, and answers so much later."""

    delay: Duration
    jitter: Duration = 0.0


class LostAnswer(FaultKind):
    """The link does the work and commits it; its answer never leaves."""


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
    "lost_answer": LostAnswer,
}


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
    lost_answer: LostAnswer | None = None

    def chosen(self) -> list[str]:
        """Names of the kinds that are given."""
        return [name for name in (*HOP_KINDS, *LINK_KINDS) if getattr(self, name) is not None]


class Flapping(Declared):
    """The fault comes and goes: on for `duty` of every period."""

    period: Duration
    duty: Share = 0.5
    fault: Kinds


class Fault(Kinds):
    """One thing injected: kind, target, start, duration. `at` counts from the end of `before`."""

    id: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$")] = ""
    at: Duration
    lasts: Annotated[Duration, Field(alias="for")]
    target: Target
    flapping: Flapping | None = None

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
        return self.flapping.fault if self.flapping is not None else self
