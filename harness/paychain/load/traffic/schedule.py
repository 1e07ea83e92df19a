"""When payments arrive: a rate over time, turned into moments."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import islice, pairwise
from math import log, sqrt
from typing import NamedTuple

from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.scripted import script_of, second_press
from paychain.payments.chance import draw

Corners = tuple[tuple[float, float], ...]


class ArrivalTime(NamedTuple):
    """When a payment arrives, in seconds since the start of the load, and at which entry.

    `entry` is the number of the entry in the plan; None when any of them may take it.
    """

    at_s: float
    entry: int | None


def moments(plan: LoadPlan) -> Iterator[ArrivalTime]:
    """Every arrival in ascending order."""
    own = [(number, entry.corners) for number, entry in enumerate(plan.entries) if entry.corners]
    if plan.times:
        yield from (ArrivalTime(at, None) for at in plan.times if at < plan.lasts_s)
    elif own:
        # Who arrives in the same moment at two entries comes in their order.
        yield from merge(*(_at_entry(plan, number, corners) for number, corners in own))
    else:
        yield from (ArrivalTime(at, None) for at in _due(plan, plan.corners, "gap"))


def _at_entry(plan: LoadPlan, number: int, corners: Corners) -> Iterator[ArrivalTime]:
    for at_s in _due(plan, corners, f"gap at {number}"):
        yield ArrivalTime(at_s, number)


def _due(plan: LoadPlan, corners: Corners, gaps: str) -> Iterator[float]:
    """The n-th arrives when n payments were due by the declared rate; at random, when the sum of n
    unit-exponential draws was (a Poisson process whose rate changes). `gaps`: their draws' key.
    """
    due = 0.0
    number = 0
    if plan.is_random:
        due = _gap(plan.seed, gaps, number)
    passed = 0.0  # payments due before the present straight line
    for (start_s, rate), (end_s, next_rate) in pairwise(corners):
        length_s = end_s - start_s
        inside = (rate + next_rate) / 2 * length_s
        while due < passed + inside - 1e-9:
            yield start_s + _until(due - passed, rate, (next_rate - rate) / length_s)
            number += 1
            due = due + _gap(plan.seed, gaps, number) if plan.is_random else float(number)
        passed += inside


def _until(payments: float, rate: float, slope: float) -> float:
    """Seconds until that many payments are due, at a rate that changes by `slope` per second."""
    if payments <= 0:
        return 0.0
    if abs(slope) < 1e-12:
        return payments / rate
    return 2 * payments / (rate + sqrt(max(0.0, rate * rate + 2 * slope * payments)))


def _gap(seed: int, key: str, number: int) -> float:
    return -log(1.0 - draw(seed, key, number))


def count(plan: LoadPlan) -> int | None:
    """How many payments the plan's share offers.

    None where that depends on the answers: users wait for them, and customers who get none may
    order again.
    """
    scripts = plan.failure_scripts()
    retries = [script.customer("retry") for script in scripts]
    is_retried = any(retry is not None and retry.key == "new" for retry in retries)
    is_retried |= any(script.customer("pays_again") is not None for script in scripts)
    if plan.users or not plan.retry_same_key or is_retried:
        return None
    # Whether a magic amount or card picks a payment shows only once it is drawn.
    is_pressed = any(script.customer("presses_twice") is not None for script in scripts)
    if is_pressed and any(script.is_by_purchase for script in scripts):
        return None
    orders = islice(enumerate(moments(plan)), plan.share, None, plan.shares)
    return sum(
        1 + (second_s(plan, number, at_s, script_of(plan, number)) is not None)
        for number, (at_s, _) in orders
    )


def second_s(plan: LoadPlan, number: int, at_s: float, script: str = "") -> float | None:
    """When an order that is first paid at `at_s` is paid once more; None when it is not.

    `script`: what its customer follows; a second press of it goes before the load's own.
    """
    pressed = second_press(script)
    if pressed is not None:
        pressed_s = at_s + pressed.after
        return pressed_s if pressed_s < plan.lasts_s else None
    again_s = at_s + plan.twice_gap_s
    if not plan.twice_share or again_s >= plan.lasts_s:
        return None
    return again_s if draw(plan.seed, "twice", number) < plan.twice_share else None
