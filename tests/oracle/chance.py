"""Where the choices of a generated chain come from: a numbered seed, or Hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Chance(Protocol):
    """A source of whole numbers; every other draw is made of them. Lower ones are simpler."""

    def integer(self, most: int) -> int:
        """A number from 0 to `most`, both included."""


class Seeded:
    """The same number draws the same pair, on every machine."""

    def __init__(self, number: int) -> None:
        self._random = Random(number)  # seeded, and nothing secret

    def integer(self, most: int) -> int:
        """A number from 0 to `most`, both included."""
        return self._random.randint(0, most)


class Drawn:
    """Hypothesis decides, so that it can shrink what it finds."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, most: int) -> int:
        """A number from 0 to `most`, both included."""
        return self._draw(st.integers(0, most))


def choose(chance: Chance, options: Sequence[T]) -> T:
    """One of the options; the first is the simplest."""
    return options[chance.integer(len(options) - 1)]


def happens(chance: Chance, percent: int) -> bool:
    """True in so many of a hundred draws; false is simpler."""
    return chance.integer(99) >= 100 - percent


def some(chance: Chance, least: int, most: int) -> int:
    """How many, from `least` to `most`."""
    return least + chance.integer(most - least)
