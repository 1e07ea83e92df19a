"""When payments arrive: a rate over time, turned into moments."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import log, sqrt

from harness.load.plan import LoadPlan
from harness.payments.chance import draw


def moments(plan: LoadPlan) -> Iterator[float]:
    """Every arrival in ascending order, in seconds since the start of the load.

    The n-th arrives when n payments were due by the declared rate; at random, when the sum of n
    unit-exponential draws was (a Poisson process whose rate changes).
    """
    if plan.times:
        yield from (at for at in plan.times if at < plan.lasts_s)
        return
    due = 0.0
    number = 0
    if plan.is_random:
        due = _gap(plan.seed, number)
    passed = 0.0  # payments due before the present straight line
    for (start_s, rate), (end_s, next_rate) in zip(plan.corners, plan.corners[1:], strict=False):
        length_s = end_s - start_s
        inside = (rate + next_rate) / 2 * length_s
        while due < passed + inside - 1e-9:
            yield start_s + _until(due - passed, rate, (next_rate - rate) / length_s)
            number += 1
            due = due + _gap(plan.seed, number) if plan.is_random else float(number)
        passed += inside


def _until(payments: float, rate: float, slope: float) -> float:
    """Seconds until so many payments are due, at a rate that changes by `slope` a second."""
    if payments <= 0:
        return 0.0
    if abs(slope) < 1e-12:
        return payments / rate
    return 2 * payments / (rate + sqrt(max(0.0, rate * rate + 2 * slope * payments)))


def _gap(seed: int, number: int) -> float:
    return -log(1.0 - draw(seed, "gap", number))


def count(plan: LoadPlan) -> int | None:
    """How many payments the plan's share offers; None where users set the pace."""
    if plan.users:
        return None
    return sum(1 for _ in islice(moments(plan), plan.share, None, plan.shares))
