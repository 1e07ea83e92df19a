"""Repeatable chance: draws are keyed by what they decide, so order and timing do not matter."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from math import exp, log
from statistics import NormalDist

_NORMAL = NormalDist()
_P99 = _NORMAL.inv_cdf(0.99)
_RANGE = float(1 << 64)


def draw(seed: int, *key: str | int) -> float:
    """A number in [0, 1) that depends only on the seed and the key."""
    text = "\x1f".join((str(seed), *map(str, key)))
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _RANGE


def draws(seed: int, *key: str | int) -> Callable[[str], float]:
    """`draw` of this seed and key with one more word, for many words: the same, and faster."""
    # Every draw hashes the same beginning, so that is hashed once.
    beginning = blake2b("\x1f".join((str(seed), *map(str, key), "")).encode(), digest_size=8)

    def drawn(word: str) -> float:
        state = beginning.copy()
        state.update(word.encode())
        return int.from_bytes(state.digest(), "big") / _RANGE

    return drawn


def log_normal(uniform: float, median: float, p99: float) -> float:
    """The value at `uniform` of the log-normal distribution with this median and 99th percentile.

    `uniform` is in [0, 1); the value has the unit of `median` and `p99`. It is capped at the 99.9th
    percentile: a longer tail is a fault to declare, not to hide in a baseline.
    """
    if p99 <= median:
        return median
    sigma = log(p99 / median) / _P99
    return median * exp(sigma * _NORMAL.inv_cdf(min(max(uniform, 1e-9), 0.999)))
