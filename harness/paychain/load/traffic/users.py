"""The closed model: each user pays, waits for the answer, thinks, and pays again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from paychain.load.traffic.plan import LoadPlan
from paychain.payments.chance import draw, log_normal


def turns(plan: LoadPlan, user: int) -> Iterator[tuple[int, float]]:
    """One user's payments: the number of each, and how long the user thinks before it, in seconds.

    Users begin spread evenly at random over the first think time, not all in one moment.
    """
    yield user, draw(plan.seed, "begin", user) * plan.think_median_s
    for turn in count(1):
        number = turn * plan.users + user
        uniform = draw(plan.seed, "think", number)
        yield number, log_normal(uniform, plan.think_median_s, plan.think_p99_s)
