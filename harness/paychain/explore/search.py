"""Search fault schedules for broken rules, and minimise each to the smallest that breaks its rule.

    what broke a rule in a search before (Hypothesis keeps it)
        │
    single faults in order (planned.py) ⇄ rounds of Hypothesis ──> a schedule that breaks a rule
        │                                     └──> minimise ──> record the outage; the rule is not
        └── until the budget is spent or every rule is found                    searched again

Reads top to bottom. How a candidate gets smaller, and why that ends, is in minimise.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from unittest import SkipTest

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from paychain.environment.in_loop.application import prepare
from paychain.explore.draws import draws_by_seed_alone
from paychain.explore.minimise import (
    add_margin,
    find_limits,
    remove_unneeded_faults,
    simplify_kinds,
    size,
)
from paychain.explore.planned import turns, with_less_magnitude
from paychain.explore.result import OnProgress, SearchResult
from paychain.explore.schedules import (
    MAX_FAULTS,
    Schedule,
    schedules_of,
)
from paychain.explore.spec import SearchSpec
from paychain.explore.starts import with_best_starts
from paychain.explore.trial import BudgetSpent, Candidate, MinimiseTimeSpent, Trial
from paychain.explore.windows import join_faults, remove_unneeded_windows
from paychain.model.review.providers import links_of
from paychain.simulation.guard import guards_installed
from paychain.simulation.simulate import frozen_memory

ROUND_SCHEDULES = 150  # between two looks at the clock
INTERLEAVINGS = 1 << 16  # orders of events that a search can draw
FEWER_SCHEDULES = 150  # tried for one fault fewer
ORDERS_TRIED = 20  # of events, for a schedule without a fault that may not be needed
PHASES = (Phase.reuse, Phase.generate, Phase.shrink)
REMEMBERED = (Phase.reuse, Phase.shrink)  # only what broke a rule before


class _Breaks(AssertionError):
    """A schedule broke a rule: the failure that Hypothesis shrinks."""


def search(
    spec: SearchSpec,
    on_progress: OnProgress,
    clock: Callable[[], float] = time.perf_counter,
) -> SearchResult:
    """Search until the budget is spent, or Ctrl-C; return each broken rule's smallest outage.

    `on_progress` is called after each schedule. `clock` gives seconds. Raises UserError when an own
    service's application cannot be started; what is refused to it later is in the result.
    """
    result = SearchResult()
    begun_s = clock()
    end: KeyboardInterrupt | None = None
    trial = Trial(spec, result, lambda: clock() - begun_s, on_progress)
    try:
        if spec.chain.own_services():
            prepare(spec.chain, spec.home)
        with guards_installed(), frozen_memory(), draws_by_seed_alone():
            planned = _planned(spec)
            while spec.database is not None and _has_more(spec, result):
                if not _round(spec, trial, spec.seed, REMEMBERED):
                    break
            for number in _rounds(spec, result):
                # Rounds of one search, and jobs of one command (SEEDS_APART), never share a seed.
                seed_ = spec.seed + spec.seed_of_search + number
                for schedule in next(planned, ()):
                    _try(spec, trial, schedule, seed_)
                if _has_more(spec, result):
                    _round(spec, trial, seed_, PHASES)
    except KeyboardInterrupt as error:
        end = error
    if end is not None:
        # Ctrl-C, or no time left to minimise: what was found so far is recorded as it is, which
        # runs one more schedule that must be neither reported nor interrupted. Not while the
        # interrupt is handled: it would be the context of every error of that schedule, and the
        # wire would take it for the cause of one.
        result.was_interrupted = not isinstance(end, MinimiseTimeSpent)
        if trial.smallest is not None and not result.refused:
            trial.on_progress = lambda _: None
            trial.until_s = float("inf")
            trial.record(trial.smallest)
    result.took_s = clock() - begun_s
    return result


def _rounds(spec: SearchSpec, result: SearchResult) -> Iterator[int]:
    """Numbers of rounds while the budget lasts and a rule is left to break."""
    number = 0
    while _has_more(spec, result):
        yield number
        number += 1


def _has_more(spec: SearchSpec, result: SearchResult) -> bool:
    is_all_found = bool(spec.rules) and not set(spec.rules) - result.found.keys()
    return not is_all_found and not _is_spent(spec, result)


def _is_spent(spec: SearchSpec, result: SearchResult) -> bool:
    if spec.max_schedules is not None and result.schedules >= spec.max_schedules:
        return True
    return result.took_s >= spec.budget_s


def _planned(spec: SearchSpec) -> Iterator[Iterable[Schedule]]:
    """What is tried in order. Of several jobs the first one does, and the others draw at once."""
    if spec.seed_of_search:
        return iter(())
    return turns(spec.chain, spec.choices(), spec.paying_ms, spec.provider_choices())


def _try(spec: SearchSpec, trial: Trial, schedule: Schedule, seed_: int) -> None:
    """Run one schedule, and minimise it for each rule that it breaks."""
    while _has_more(spec, trial.result):
        seen = trial.breaks(schedule, 0)
        if not seen:
            return
        trial.first_at = trial.result.schedules
        broken = seen[0]
        trial.keep(Candidate(schedule, 0, broken))
        smaller = (
            less
            for less in with_less_magnitude(schedule)
            if trial.breach_of(broken.rule, less, 0) is not None
        )
        minimise(trial, Candidate(next(smaller, schedule), 0, broken), seed_)


def _round(spec: SearchSpec, trial: Trial, seed_: int, phases: Sequence[Phase]) -> bool:
    """Run some schedules, and minimise the one found by Hypothesis that breaks a rule.

    Returns whether one does.
    """
    interleavings = st.integers(0, INTERLEAVINGS - 1) if spec.interleavings else st.just(0)
    schedules = schedules_of(spec.choices(), max_faults=MAX_FAULTS)
    # Always as many: what Hypothesis draws depends on how many examples it may draw.
    cases = st.tuples(schedules, interleavings)
    candidate = _find(trial, cases, seed_, ROUND_SCHEDULES, rule="", phases=phases)
    if candidate is not None:
        minimise(trial, candidate, seed_)
    return candidate is not None


def _find(
    trial: Trial,
    cases: st.SearchStrategy[tuple[Schedule, int]],
    seed_: int,
    max_examples: int,
    rule: str,
    phases: Sequence[Phase] = PHASES,
) -> Candidate | None:
    """The smallest case that breaks a rule; any rule if its name is empty.

    The first rule that breaks is the one that is shrunk: another must not replace it half way.
    """
    spec = trial.spec
    wanted = [rule] if rule else []

    @settings(
        max_examples=max_examples,
        deadline=None,
        database=None if rule else _database(spec, trial.result.found),
        phases=phases,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @seed(seed_)  # below the settings, which would otherwise drop the database
    @given(cases)
    def no_rule_breaks(case: tuple[Schedule, int]) -> None:
        # A round that found nothing yet ends with the budget; one that shrinks has MINIMISE_S more.
        if not wanted and _is_spent(spec, trial.result):
            raise BudgetSpent
        seen = trial.breaks(*case)
        if wanted:
            seen = [breach for breach in seen if breach.rule == wanted[0]]
        if seen:
            if not wanted:
                wanted.append(seen[0].rule)
                trial.first_at = trial.result.schedules
            trial.keep(Candidate(*case, seen[0]))
            raise _Breaks(seen[0].rule)

    trial.smallest = None
    try:
        no_rule_breaks()
    except _Breaks:
        return trial.smallest
    except (BudgetSpent, SkipTest):  # SkipTest: nothing is remembered
        return None
    return None


def _database(spec: SearchSpec, found: Iterable[str]) -> ExampleDatabase | None:
    """The examples that broke something in an equal search before, to be tried first.

    Each question, and what was found of it before, has a folder of its own: Hypothesis deletes
    examples that break nothing, and those of another question seldom do.
    """
    if spec.database is None:
        return None
    question = (
        spec.chain.chain,
        spec.payments,
        spec.rate,
        sorted(spec.rules),
        sorted(spec.kinds),
        *([spec.replayed_on.chain] if spec.replayed_on is not None else []),
        spec.interleavings,
        sorted(found),
        spec.success and spec.success.text,
        spec.works_again_s,
    )
    name = blake2b(repr(question).encode(), digest_size=8).hexdigest()
    return DirectoryBasedExampleDatabase(spec.database / name)


def minimise(trial: Trial, candidate: Candidate, seed_: int) -> None:
    """Look for fewer faults, simpler ones and the limits of each; then record the outage.

    `seed_`: of what the search draws.
    """
    rule = candidate.broken.rule
    schedule, interleaving = candidate.schedule, candidate.interleaving

    @cache
    def breaks(other: Schedule, number: int) -> bool:
        return trial.breach_of(rule, other, number) is not None

    def still_breaks(other: Schedule) -> bool:
        return breaks(other, interleaving)

    def still_breaks_in_some_order(other: Schedule) -> bool:
        # Without a fault everything happens at another time: a race may need another order.
        nonlocal interleaving
        others = range(ORDERS_TRIED) if trial.spec.interleavings else ()
        for number in dict.fromkeys((interleaving, *others)):
            if breaks(other, number):
                interleaving = number
                return True
        return False

    def keep(smaller: Schedule) -> Schedule:
        assert smaller == schedule or size(smaller) < size(schedule)
        trial.keep(Candidate(smaller, interleaving, candidate.broken))
        return smaller

    schedule = keep(remove_unneeded_faults(schedule, still_breaks_in_some_order))
    while len(schedule) > 1:
        fewer = _with_fewer_faults(
            trial, Candidate(schedule, interleaving, candidate.broken), seed_
        )
        if fewer is None:
            break
        schedule = keep(remove_unneeded_faults(fewer, still_breaks_in_some_order))
    keep(schedule)  # `_with_fewer_faults` may have kept another, or none
    schedule = keep(remove_unneeded_windows(schedule, still_breaks))
    choices = [*trial.spec.choices(), *trial.spec.provider_choices()]
    schedule = keep(simplify_kinds(schedule, choices, still_breaks))
    schedule = keep(with_best_starts(schedule, trial.starts_of(rule, interleaving), still_breaks))
    schedule = keep(join_faults(schedule, still_breaks))
    limits = tuple(find_limits(schedule, still_breaks, trial.spec.paying_ms))
    with_margin = add_margin(schedule, still_breaks)
    trial.record(Candidate(schedule, interleaving, candidate.broken), limits, with_margin)


def _with_fewer_faults(trial: Trial, candidate: Candidate, seed_: int) -> Schedule | None:
    """A schedule with one fault fewer on the same targets, or on all links of their provider.

    Two delays may be one longer delay, and two links may fail because their provider does.
    """
    targets = {fault.choice.target for fault in candidate.schedule}
    links = {name for where, name in targets if where == "link"}
    choices = [choice for choice in trial.spec.choices() if choice.target in targets]
    choices += [
        choice
        for choice in trial.spec.provider_choices()
        if choice.target in targets or len(links & links_of(trial.spec.chain, choice.target[1])) > 1
    ]
    schedules = schedules_of(choices, max_faults=len(candidate.schedule) - 1)
    cases = st.tuples(schedules, st.just(candidate.interleaving))
    found = _find(trial, cases, seed_, FEWER_SCHEDULES, candidate.broken.rule)
    return found.schedule if found is not None else None
