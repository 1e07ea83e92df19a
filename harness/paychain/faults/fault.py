"""One fault of an experiment: one vocabulary, whether it acts on a hop or in a link."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PrivateAttr

from paychain.declaration.quantity import Duration, Span
from paychain.declaration.text import KeyPath
from paychain.faults.chosen import Kinds
from paychain.faults.kind import FaultKind, LinkFaultKind, SharedFaultKind
from paychain.faults.shapes import SHAPES, CacheExpiry, Flapping, Ramp, Relapse, Shape
from paychain.faults.target import Target

MAX_TARGETS = 100  # as many as a chain has links
MAX_TIMES = 100  # windows of one recurring fault


class Fault(Kinds):
    """One thing injected: kind, target, start, duration. `at` counts from the end of `before`.

    It has a `target`, or several `targets` that it is injected into together. With `every` and
    `times` it comes back: each time it is a fault of its own, with a number behind its id.
    `may_miss`: the run can pass although the fault affects no traffic, such as the outage of a
    standby that is not needed. Without it, a fault that affects nothing leaves the run
    inconclusive.
    """

    id: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$")] = ""
    at: Duration
    lasts: Annotated[Duration, Field(alias="for")]
    target: Target | None = None
    targets: Annotated[
        list[Target],
        Field(max_length=MAX_TARGETS, description="Several targets, instead of `target`."),
    ] = []
    every: Annotated[
        Span | None, Field(description="Time from one start to the next, for a recurring fault.")
    ] = None
    times: Annotated[
        int | None,
        Field(ge=2, le=MAX_TIMES, description="Total number of occurrences with `every`."),
    ] = None
    may_miss: bool = False
    flapping: Flapping | None = None
    ramp: Ramp | None = None
    relapse: Relapse | None = None
    cache_expiry: CacheExpiry | None = None
    _number: int = PrivateAttr(default=0)

    @property
    def every_target(self) -> tuple[Target, ...]:
        """What it applies to, however it is written."""
        alone = () if self.target is None else (self.target,)
        return (*alone, *self.targets)

    @property
    def ends(self) -> float:
        """When it is over for the last time, in seconds since the start of the timeline."""
        again = (self.every or 0.0) * ((self.times or 1) - 1)
        return self.at + again + self.lasts

    def occurrences(self) -> list[Fault]:
        """Each time that it comes, as a fault of its own; itself when it comes once."""
        if self.every is None or self.times is None:
            return [self]
        return [
            self.model_copy(
                update={
                    "id": f"{self.id}-{number + 1}",
                    "at": self.at + number * self.every,
                    "every": None,
                    "times": None,
                }
            )
            for number in range(self.times)
        ]

    @property
    def where(self) -> str:
        """Its targets in words: `link processor-a and role issuer`."""
        return " and ".join(str(target) for target in self.every_target)

    @property
    def number(self) -> int:
        """Its place among the declared faults, from 0; all of its occurrences have the same."""
        return self._number

    def as_number(self, number: int) -> Fault:
        """The fault that stands at this place of its file, with an id: `down-1`."""
        assert number >= 0
        named = self.model_copy(update={"id": self.id or f"{self.kind}-{number + 1}"})
        named._number = number
        return named

    def shapes(self) -> list[str]:
        """Names of the shapes that are given: at most one in a checked file."""
        return [name for name in SHAPES if getattr(self, name) is not None]

    @property
    def shape(self) -> Shape | None:
        """How it varies over time, None if it is simply on."""
        given: list[Shape] = [getattr(self, name) for name in self.shapes()]
        return given[0] if given else None

    def windows(self) -> list[tuple[float, float, Fault]]:
        """When it is on, in seconds since the start of the timeline, and what it is like then."""
        if self.shape is None:
            return [(self.at, self.at + self.lasts, self)]
        return [
            (self.at + start, self.at + end, self if strength == 1 else self._weaker(strength))
            for start, end, strength in self.shape.windows(self.lasts)
        ]

    def _weaker(self, strength: float) -> Fault:
        assert isinstance(self.parameters, SharedFaultKind), f"{self.kind} has no share"
        share = self.parameters.share * strength
        parameters = self.parameters.model_copy(update={"share": share})
        kinds = self._inner.model_copy(update={self.kind: parameters})
        (name,) = self.shapes()
        shape = getattr(self, name).model_copy(update={"fault": kinds})
        return self.model_copy(update={name: shape})

    @property
    def kind(self) -> str:
        """Name of the fault's kind, the one inside a shape included."""
        return self._inner.chosen[0]

    @property
    def parameters(self) -> FaultKind:
        """The kind's parameters: a Down, Latency, HttpError, …"""
        return self._inner.parameters_of(self.kind)

    @property
    def kind_path(self) -> KeyPath:
        """Where the kind stands within the fault: `("ramp", "fault", "down")`."""
        inside = [key for shape in self.shapes() for key in (shape, "fault")]
        return (*inside, self.kind)

    @property
    def acts_in_link(self) -> bool:
        """In the link (mock behaviour), not on the hop (fault engine)."""
        return isinstance(self.parameters, LinkFaultKind)

    @property
    def _inner(self) -> Kinds:
        return self.shape.fault if self.shape is not None else self
