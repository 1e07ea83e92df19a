"""When payments arrive and what they are: a seeded schedule, the same for every run of a seed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import msgspec
from faker import Faker

from harness.load.plan import LoadPlan
from harness.load.schedule import moments
from harness.payments.cards import TEST_CARDS, Card
from harness.payments.chance import draw, log_normal

MERCHANTS = 20
SEEDS_KEPT = 8  # a search makes one seed's schedule again and again


class Arrival(msgspec.Struct, frozen=True):
    """One payment to be made. `at_s` counts from the start of the load."""

    number: int
    at_s: float
    payment: str
    amount_minor: int
    card: Card
    merchant: str
    warm_up: bool


class Purchases:
    """What is paid, to whom and with which card: drawn for each number, whenever it arrives."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._merchants = _merchants(plan.seed)

    def arrival(self, number: int, at_s: float) -> Arrival:
        """A payment that arrives so long after the start of the load."""
        plan = self._plan
        amount = log_normal(
            draw(plan.seed, "amount", number), plan.amount_median, plan.amount_median * 8
        )
        return Arrival(
            number,
            at_s,
            f"p{number:07d}",
            round(min(max(amount, plan.amount_least), plan.amount_most)),
            TEST_CARDS[int(draw(plan.seed, "card", number) * len(TEST_CARDS))],
            self._merchants[int(draw(plan.seed, "merchant", number) * len(self._merchants))],
            at_s < plan.warm_up_s,
        )


def arrivals(plan: LoadPlan) -> Iterator[Arrival]:
    """Every arrival of the plan's share in order: the n-th belongs to share n modulo `shares`."""
    purchases = Purchases(plan)
    for number, at_s in islice(enumerate(moments(plan)), plan.share, None, plan.shares):
        yield purchases.arrival(number, at_s)


@lru_cache(maxsize=SEEDS_KEPT)
def _merchants(seed: int) -> tuple[str, ...]:
    fake = Faker("en_GB")
    fake.seed_instance(seed)
    return tuple(fake.company() for _ in range(MERCHANTS))
