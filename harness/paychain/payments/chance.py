"""Repeatable chance: draws are keyed by what they decide, so order and timing do not matter."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from math import exp, log
from statistics import NormalDist

SEPARATOR = "\x1f"  # between the words of a key
_NORMAL = NormalDist()
_P99 = _NORMAL.inv_cdf(0.99)
_RANGE = float(1 << 64)
_LEAST, _MOST = 1e-9, 0.999  # where the inverse of a distribution is asked for


def draw(seed: int, *key: str | int) -> float:
    """A number in [0, 1) that depends only on the seed and the key."""
    text = SEPARATOR.join((str(seed), *map(str, key)))
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _RANGE


def draws(seed: int, *key: str | int) -> Callable[[str], float]:
    """`draw` of this seed and key with one more word, for many words: the same, and faster.

    Several words are one in which SEPARATOR stands between them.
    """
    # Every draw hashes the same beginning, so that is hashed once.
    beginning = blake2b(SEPARATOR.join((str(seed), *map(str, key), "")).encode(), digest_size=8)

    def drawn(word: str) -> float:
        state = beginning.copy()
        state.update(word.encode())
        return int.from_bytes(state.digest(), "big") / _RANGE

    return drawn


class LogNormal:
    """The log-normal distribution with this median and 99th percentile.

    It is capped at the 99.9th percentile: a longer tail is a fault to declare, not to hide in a
    baseline. Where the 99th percentile is not above the median, there is nothing but the median.
    """

    __slots__ = ("_sigma", "is_constant", "median")

    def __init__(self, median: float, p99: float) -> None:
        self.median = median
        self.is_constant = p99 <= median
        self._sigma = 0.0 if self.is_constant else log(p99 / median) / _P99

    def at(self, uniform: float) -> float:
        """The value at a number in [0, 1), in the unit of the median."""
        if self.is_constant:
            return self.median
        if uniform < _LEAST:
            uniform = _LEAST
        elif uniform > _MOST:
            uniform = _MOST
        return self.median * exp(self._sigma * _NORMAL.inv_cdf(uniform))


def log_normal(uniform: float, median: float, p99: float) -> float:
    """The value at `uniform` of the log-normal distribution with this median and 99th percentile.

    `uniform` is in [0, 1); the value has the unit of `median` and `p99`.
    """
    return LogNormal(median, p99).at(uniform)
