"""Exploration within an ordinary pytest: whole, or schedule by schedule with `@given`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from paychain.explore import schedules as search_space
from paychain.explore.checks import RuleBreak
from paychain.explore.findings import outage_lines, searched_line
from paychain.explore.result import SearchResult
from paychain.explore.schedules import Schedule
from paychain.explore.search import search
from paychain.explore.spec import SearchSpec
from paychain.explore.trial import broken_by_schedule
from paychain.model.chain import Chain
from paychain.model.loading import load_chain
from paychain.payments.errors import UserError


def explore_chain(
    chain: str | Chain,
    *,
    schedules: int = 200,
    rules: Sequence[str] = (),
    seed: int = 1,
    payments: int = 20,
) -> SearchResult:
    """Search `schedules` fault schedules of a chain, given by name, path or value.

    `rules`: ids of the money rules to search for; all without it. `payments`: in each schedule.
    Raises AssertionError with the smallest outage of each rule that broke, and UserError for a
    rule that does not exist.
    """
    __tracebackhide__ = True  # pytest shows what was found, not this function
    result = search(
        SearchSpec(
            _loaded(chain),
            home=_home(chain),
            seed=seed,
            budget_s=float("inf"),
            max_schedules=schedules,
            rules=tuple(rules),
            payments=payments,
        ),
        lambda _: None,
    )
    if result.refused:
        raise UserError(result.refused)
    # An interrupted search has shown nothing: the test must neither pass nor fail.
    if result.was_interrupted:
        raise KeyboardInterrupt
    if result.found:
        lines = [line for outage in result.found.values() for line in outage_lines(outage)]
        raise AssertionError("\n".join([*lines, searched_line(result)]))
    return result


def fault_schedules(
    chain: str | Chain, *, kinds: Sequence[str] = ()
) -> st.SearchStrategy[Schedule]:
    """A Hypothesis strategy of fault schedules for a chain, by name, path or value.

    `kinds`: the fault kinds to draw; all without it. Raises UserError for an unknown kind.
    """
    return search_space.fault_schedules(_loaded(chain), kinds=kinds)


def broken_by(chain: str | Chain, schedule: Schedule, *, seed: int = 1) -> list[RuleBreak]:
    """What one schedule breaks: every money rule, judged after the chain has drained."""
    return broken_by_schedule(SearchSpec(_loaded(chain), home=_home(chain), seed=seed), schedule)


def _home(chain: str | Chain) -> Path:
    return load_chain(chain).path.parent if isinstance(chain, str) else Path()


def _loaded(chain: str | Chain) -> Chain:
    return load_chain(chain).model if isinstance(chain, str) else chain
