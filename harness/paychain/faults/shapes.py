"""How a fault comes and goes, or grows, inside its time."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp
from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Duration, Share
from paychain.declaration.schema import Declared
from paychain.faults.chosen import Kinds

Window = tuple[float, float, float]  # from, until (seconds since the fault began), strength


class Shape(Declared):
    """How a fault comes and goes, or grows, inside its time."""

    fault: Kinds

    def windows(self, lasts: float) -> Iterator[Window]:
        """When a fault that lasts so many seconds is on, and at which part of its share."""
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
        """In a few words, for the report."""
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
        """In a few words, for the report."""
        return f"growing in {self.steps} steps"


class Relapse(Shape):
    """The fault is on for `on`, healed for `healthy`, and back until its end."""

    on: Duration
    healthy: Duration

    def windows(self, lasts: float) -> Iterator[Window]:
        """Before and after the repair that did not hold."""
        yield 0.0, min(self.on, lasts), 1.0
        if self.on + self.healthy < lasts:
            yield self.on + self.healthy, lasts, 1.0

    def __str__(self) -> str:
        """In a few words, for the report."""
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
        """In a few words, for the report."""
        return f"as caches of {self.ttl:g} s expire"


SHAPES = ("flapping", "ramp", "relapse", "cache_expiry")
