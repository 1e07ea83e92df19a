"""What customers of a load buy and when, drawn once for many runs of the same load."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from paychain.load.traffic.arrivals import Arrival, Purchases, arrivals
from paychain.load.traffic.plan import LoadPlan

MAX_KEPT = 8  # a search runs one load many times


def schedule_of(plan: LoadPlan) -> tuple[Arrival, ...]:
    """Every arrival of a load whose customers do not wait for each other's answers."""
    return _schedule(_without_templates(plan))


def purchases_of(plan: LoadPlan) -> Purchases:
    """What its customers buy."""
    return _purchases(_without_templates(plan))


def draw_ahead(plan: LoadPlan) -> None:
    """Draw the load of a plan now: a fork of this process has it then, and need not draw it."""
    purchases_of(plan)
    if not plan.users:
        schedule_of(plan)


def _without_templates(plan: LoadPlan) -> LoadPlan:
    """The same as a key of a cache: what customers buy does not depend on how they pay."""
    entries = tuple(msgspec.structs.replace(entry, pays=None) for entry in plan.entries)
    return msgspec.structs.replace(plan, entries=entries)


@lru_cache(maxsize=MAX_KEPT)
def _schedule(plan: LoadPlan) -> tuple[Arrival, ...]:
    return tuple(arrivals(plan))


@lru_cache(maxsize=MAX_KEPT)
def _purchases(plan: LoadPlan) -> Purchases:
    return Purchases(plan)
