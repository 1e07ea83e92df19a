"""Exploration within an ordinary pytest: whole, or schedule by schedule with `@given`."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from harness.explore import schedules
from harness.explore.found import found_lines, searched_line
from harness.explore.judged import Broken
from harness.explore.schedules import Schedule
from harness.explore.search import Order, Searched, broken_by_schedule, search
from harness.model.chain import Chain
from harness.model.loading import load_chain


def explore_chain(
    spec: str, *, schedules: int = 200, rules: Sequence[str] = (), seed: int = 1,
    payments: int = 20,
) -> Searched:  # fmt: skip
    """Search so many fault schedules of a chain by name or path.

    Raises AssertionError with the smallest outage of each money rule that broke, and UserError for
    a rule that there is not.
    """
    __tracebackhide__ = True  # what was found is to be read, not this function
    chain = load_chain(spec).model
    order = Order(chain, seed=seed, budget_s=float("inf"), most=schedules, rules=tuple(rules),
                  payments=payments)  # fmt: skip
    searched = search(order, lambda _: None)
    told = [line for one in searched.found.values() for line in found_lines(one)]
    if searched.was_interrupted:
        raise KeyboardInterrupt
    if searched.found:
        raise AssertionError("\n".join([*told, searched_line(searched)]))
    return searched


def fault_schedules(spec: str | Chain, *, kinds: Sequence[str] = ()) -> st.SearchStrategy[Schedule]:
    """A strategy of fault schedules for a chain, by name, path or as it is."""
    chain = load_chain(spec).model if isinstance(spec, str) else spec
    return schedules.fault_schedules(chain, kinds=kinds)


def broken_by(spec: str | Chain, schedule: Schedule, *, seed: int = 1) -> list[Broken]:
    """What one schedule breaks: every money rule, after all is drained."""
    chain = load_chain(spec).model if isinstance(spec, str) else spec
    return broken_by_schedule(Order(chain, seed=seed), schedule)
