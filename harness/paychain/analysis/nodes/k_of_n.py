"""How often a call finds as many of its nodes as it needs, by formula.

Nodes are on or off independently of one another. What several of them share is a zone, whose loss
is looked at by itself, or a share `beta` of their failures (the beta-factor model).
Source: docs/distributed.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, exp
from typing import NamedTuple

from paychain.analysis.significance import incomplete_beta

_HALVINGS = 50
_SAME_STATE = 1e-3  # of a state's time: shorter spans see little else


def unavailability(n: int, k: int, q: float, *, beta: float = 0.0, gateway: float = 0.0) -> float:
    """The share of the time in which fewer than `k` of `n` alike nodes are there.

    `q`: that of one node, of which the share `beta` is common to all of them. `gateway`: that of
    what every request passes, alone.
    """
    assert 0 < k <= n
    common, own = beta * q, (1 - beta) * q
    few = sum(comb(n, i) * (1 - own) ** i * own ** (n - i) for i in range(k))
    return gateway + (1 - gateway) * (common + (1 - common) * few)


def how_many(on: Sequence[float], asked: int) -> list[list[float]]:
    """How likely it is that j of `asked` nodes, drawn at random, are on: `found[asked][j]`.

    `on`: how likely each node is on. Rows are for every number of asked nodes up to `asked`.
    """
    assert 0 <= asked <= len(on)
    # Over all subsets: the number of subsets of a size, weighted by how likely that many are on.
    weights = [[0.0] * (asked + 1) for _ in range(asked + 1)]
    weights[0][0] = 1.0
    for chance in on:
        for size in range(asked, 0, -1):
            for found in range(size, -1, -1):
                with_it = weights[size - 1][found - 1] * chance if found else 0.0
                weights[size][found] += with_it + weights[size - 1][found] * (1 - chance)
    return [
        [weight / comb(len(on), size) for weight in row[: size + 1]]
        for size, row in enumerate(weights)
    ]


def enough(on: Sequence[float], needed: int, asked: int) -> float:
    """How likely it is that `needed` of `asked` nodes, drawn at random, are on."""
    return min(1.0, sum(how_many(on, asked)[asked][needed:]))


def spread_of_states(on: Sequence[float], needed: int, asked: int) -> float:
    """How much `enough` varies with which nodes are on: the variance over their states.

    `needed`, `asked`: as for `enough`. Consecutive calls meet the same state, and so are not
    independent samples.
    """
    number, count = how_many(on, len(on))[len(on)], len(on)
    mean = square = 0.0
    for up, chance in enumerate(number):
        value = sum(
            comb(up, j) * comb(count - up, asked - j)
            for j in range(needed, asked + 1)
            if j <= up and asked - j <= count - up
        ) / comb(count, asked)
        mean += chance * value
        square += chance * value * value
    return max(0.0, square - mean * mean)


def worth(
    calls: int, expected: float, states: float, spans_s: Sequence[float], tau_s: float
) -> float:
    """How many independent calls a number of calls is worth, where nodes come and go.

    `expected`: the share that finds enough. `states`: as `spread_of_states` says. `spans_s`: the
    stretches of time that the calls are evenly spread over. `tau_s`: how long a state lasts, as the
    time constant of its autocorrelation; 0: nothing comes and goes.
    """
    whole = expected * (1 - expected)
    if calls == 0 or whole <= 0 or states <= 0:
        return float(calls)
    total_s = sum(spans_s)
    # The mean of an exponentially correlated process over each stretch, weighted by its length.
    kept = sum(_of_mean(span_s, tau_s) * (span_s / total_s) ** 2 for span_s in spans_s if span_s)
    variance = states * kept + (whole - min(states, whole)) / calls
    return min(float(calls), whole / variance)


def _of_mean(span_s: float, tau_s: float) -> float:
    """The variance of a mean over a span, of a process of variance 1."""
    if tau_s <= 0:
        return 0.0
    ratio = span_s / tau_s
    if ratio < _SAME_STATE:
        return 1 - ratio / 3
    return 2 / ratio * (1 - (1 - exp(-ratio)) / ratio)


class Interval(NamedTuple):
    """Within what a share lies."""

    low: float
    high: float


def exact(share: float, count: float, confidence: float = 0.95) -> Interval:
    """The interval of a share that was seen in `count` independent samples.

    `count` need not be a whole number; `share` and `confidence` are of 1.

    Clopper and Pearson 1934, Biometrika 26, 404: it is wide enough also where hardly any sample
    differs from the others, as it is with nodes that are nearly always enough.
    """
    assert count > 0
    tail = (1 - confidence) / 2
    seen = share * count
    low = 0.0 if share <= 0 else _root(seen, count - seen + 1, tail)
    high = 1.0 if share >= 1 else _root(seen + 1, count - seen, 1 - tail)
    return Interval(low, high)


def _root(a: float, b: float, chance: float) -> float:
    """Where the beta distribution has this chance below it."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if incomplete_beta(a, b, middle) < chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2
