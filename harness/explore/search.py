"""Search fault schedules for broken rules, and make each the smallest that still breaks its rule.

Reads top to bottom: rounds of Hypothesis until the budget is spent, each for the rules that are
still whole; then faults that are not needed go, and each limit is found by halving.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from harness.analysis.reconcile import Parties
from harness.analysis.store import Story
from harness.explore.judged import CONCLUSIVE, SUCCESS, WORKS_AGAIN, Broken, Records, broken
from harness.explore.minimise import Limits, limits, simpler, sturdier, without_needless
from harness.explore.schedules import (
    Schedule,
    experiment_of,
    fault_schedules,
    schedules_of,
    strikes_of,
)
from harness.model.chain import Chain
from harness.model.tolerance import Limit
from harness.payments.errors import UserError, meant
from harness.payments.journal import FaultSwitch
from harness.payments.rules import RULES
from harness.simulation.guard import guards_kept
from harness.simulation.simulate import FAILURES, memory_kept
from harness.simulation.world import Played, interleaved, play

ROUND = 150  # schedules between two looks at the clock
INTERLEAVINGS = 1 << 16
FEWER = 150  # schedules tried for one fault fewer
ORDERS = 20  # of events, tried for a schedule without a fault that may not be needed
SMALLER_S = 30.0  # what is found in the budget's last moment may be made smaller for so long
PHASES = (Phase.reuse, Phase.generate, Phase.shrink)


@dataclass(frozen=True)
class Order:
    """What is searched. `budget_s` or `most`: seconds or schedules, whichever comes first.

    Raises UserError for a rule or a kind of fault that there is not, and for no budget: a search
    that cannot find anything would look like a chain that is sound.
    """

    chain: Chain
    seed: int = 1  # of the payments, and of the search unless it has one of its own
    seed_of_search: int = 0
    budget_s: float = 20.0
    most: int | None = None
    payments: int = 20
    rate: int = 10
    rules: Sequence[str] = ()  # only these, if given
    kinds: Sequence[str] = ()
    success: Limit | None = None
    works_again_s: float | None = None  # after the last heal; not judged without it
    interleavings: bool = False
    database: Path | None = None

    def __post_init__(self) -> None:
        known = [*RULES, CONCLUSIVE]
        known += [SUCCESS] * (self.success is not None)
        known += [WORKS_AGAIN] * (self.works_again_s is not None)
        for name in self.rules:
            if name not in known:
                raise UserError(f"no rule '{name}' to break", mend=meant(name, known))
        strikes_of(self.chain, self.kinds)
        lasts_s = self.payments / self.rate
        is_judged = not self.rules or WORKS_AGAIN in self.rules
        if is_judged and self.works_again_s is not None and self.works_again_s >= lasts_s:
            raise UserError(
                f"nobody pays {self.works_again_s:g} s after the last heal: "
                f"the load lasts {lasts_s:g} s",
                mend="ask for less, or for more payments",
            )
        if self.budget_s <= 0 or (self.most is not None and self.most < 1):
            raise UserError("nothing would be searched", mend="give a budget above 0")


@dataclass(frozen=True)
class Found:
    """The smallest schedule that was found to break a rule. `interleaving` 0: in order."""

    rule: str
    title: str
    schedule: Schedule
    interleaving: int
    broken: Broken
    limits: tuple[Limits, ...]
    at_schedule: int  # how many had been tried when it was first broken
    sturdy: Schedule = ()  # with room, for real runs; empty when that was not looked for
    story: Story | None = None  # of the first payment that shows it
    switches: tuple[FaultSwitch, ...] = ()  # of the faults in that story


@dataclass
class Searched:
    """What a search did. Kept as it goes on, so that Ctrl-C loses nothing."""

    found: dict[str, Found] = field(default_factory=dict)
    schedules: int = 0
    virtual_s: float = 0.0
    took_s: float = 0.0
    was_interrupted: bool = False
    best: str = ""  # the smallest of what is being made smaller

    @property
    def rate(self) -> float:
        """Schedules a minute."""
        return 60 * self.schedules / self.took_s if self.took_s else 0.0


Told = Callable[[Searched], None]
Candidate = tuple[Schedule, int, Broken]  # with its interleaving, and the rule that it breaks


class Spent(KeyboardInterrupt):
    """The budget is spent in the middle of a round. Hypothesis lets it pass as it does Ctrl-C."""


class _Late(KeyboardInterrupt):
    """The budget was spent long ago, and what was found is still being made smaller."""


class _Breaks(AssertionError):
    """A schedule broke a rule: what Hypothesis makes smaller."""


def search(order: Order, told: Told, clock: Callable[[], float] = time.perf_counter) -> Searched:
    """Search until the budget is spent, or Ctrl-C; each broken rule with its smallest outage."""
    searched = Searched()
    begun_s = clock()
    trial = Trial(order, searched, lambda: clock() - begun_s, told)
    try:
        with guards_kept(), memory_kept():
            for number in _rounds(order, searched):
                seed_ = order.seed + order.seed_of_search + number
                candidate = _round(order, trial, seed_)
                if candidate is not None:
                    make_smaller(trial, candidate, seed_)
    except KeyboardInterrupt as end:
        searched.was_interrupted = not isinstance(end, _Late)
        if trial.smallest is not None:
            trial.told = lambda _: None  # one more schedule, which nobody is told of
            trial.until_s = float("inf")
            trial.note(trial.smallest)
    searched.took_s = clock() - begun_s
    return searched


def _rounds(order: Order, searched: Searched) -> Iterator[int]:
    """Numbers of rounds while the budget lasts and a rule is left to break."""
    number = 0
    while searched.took_s < order.budget_s:
        if order.most is not None and searched.schedules >= order.most:
            return
        if order.rules and not set(order.rules) - searched.found.keys():
            return
        yield number
        number += 1


class Trial:
    """Plays schedules, counts them, and remembers the smallest that broke what is looked for."""

    def __init__(
        self, order: Order, searched: Searched, passed_s: Callable[[], float], told: Told
    ) -> None:
        self.order = order
        self.searched = searched
        self.smallest: Candidate | None = None
        self.first_at = 0
        self._played = Played()  # the last schedule
        self._parties = Parties.of(order.chain)
        self._passed_s = passed_s
        self.told = told
        self.until_s = order.budget_s + SMALLER_S

    def breaks(self, schedule: Schedule, interleaving: int) -> list[Broken]:
        """What a schedule breaks, of the rules that are looked for."""
        order = self.order
        experiment = experiment_of(schedule, payments=order.payments, rate=order.rate)
        played = Played()
        seen: list[Broken] = []
        try:
            play(order.chain, experiment, order.seed, played=played, **interleaved(interleaving))
        except FAILURES as error:
            name = type(error).__name__
            seen.append(Broken(CONCLUSIVE, "Every run ends", "", f"{name}: {error}", 0, 0))
        self._count(played)
        if played.problems:
            text = "; ".join(played.problems)
            seen.append(Broken(CONCLUSIVE, "Every run ends", "", text, 0, 0))
        seen += broken(played.records, self._parties, order.success, order.works_again_s)
        wanted = set(order.rules)
        self._played = played
        return [
            one for one in seen
            if (not wanted or one.rule in wanted) and one.rule not in self.searched.found
        ]  # fmt: skip

    def note(
        self, candidate: Candidate, measured: Sequence[Limits] = (), sturdy: Schedule = ()
    ) -> None:
        """Write down what was found, with the story of a payment that shows it."""
        schedule, interleaving, seen = candidate
        last = self.is_broken(seen.rule, schedule, interleaving) or seen
        kept = Records(self._played.records)
        story = next((one for one in kept.stories() if one.payment == last.payment), None)
        self.searched.found[seen.rule] = Found(
            seen.rule, seen.title, schedule, interleaving, last, tuple(measured), self.first_at,
            sturdy, story, tuple(kept.rows(FaultSwitch)),
        )  # fmt: skip
        self.smallest = None
        self.searched.best = ""

    def hold(self, candidate: Candidate) -> None:
        """The smallest so far of what is being made smaller: what Ctrl-C keeps."""
        self.smallest = candidate
        self.searched.best = f"{candidate[2].title}: {told_short(candidate[0])}"

    def is_broken(self, rule: str, schedule: Schedule, interleaving: int) -> Broken | None:
        """How a schedule breaks one rule, None when it does not."""
        return next((one for one in self.breaks(schedule, interleaving) if one.rule == rule), None)

    def _count(self, played: Played) -> None:
        searched = self.searched
        searched.schedules += 1
        searched.virtual_s += played.ended_s
        searched.took_s = self._passed_s()
        self.told(searched)
        if searched.took_s > self.until_s:
            raise _Late


def broken_by_schedule(order: Order, schedule: Schedule, interleaving: int = 0) -> list[Broken]:
    """What one schedule breaks."""
    return Trial(order, Searched(), lambda: 0.0, lambda _: None).breaks(schedule, interleaving)


def _round(order: Order, trial: Trial, seed_: int) -> Candidate | None:
    """Some schedules; the smallest that breaks a rule, as Hypothesis shrank it."""
    interleavings = st.integers(0, INTERLEAVINGS - 1) if order.interleavings else st.just(0)
    schedules = fault_schedules(order.chain, kinds=order.kinds)
    most = _share(order, trial.searched)
    return _smallest(trial, st.tuples(schedules, interleavings), seed_, most, rule="")


def _smallest(
    trial: Trial, plays: st.SearchStrategy[tuple[Schedule, int]], seed_: int, most: int, rule: str
) -> Candidate | None:
    """The smallest of so many plays that breaks one rule; any rule without its name."""
    order = trial.order
    wanted = [rule] if rule else []  # being made smaller: another one must not take over

    @settings(
        max_examples=most, deadline=None,
        database=None if rule else _database(order, trial.searched.found),
        phases=PHASES, suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @seed(seed_)  # below the settings: it forgets the database of those that it is put upon
    @given(plays)
    def every_rule_is_kept(played: tuple[Schedule, int]) -> None:
        if not wanted and trial.searched.took_s >= order.budget_s:
            raise Spent
        seen = trial.breaks(*played)
        if wanted:
            seen = [one for one in seen if one.rule == wanted[0]]
        if seen:
            if not wanted:
                wanted.append(seen[0].rule)
                trial.first_at = trial.searched.schedules
            trial.hold((*played, seen[0]))
            raise _Breaks(seen[0].rule)

    trial.smallest = None
    try:
        every_rule_is_kept()
    except _Breaks:
        return trial.smallest
    except Spent:
        return None
    return None


def _share(order: Order, searched: Searched) -> int:
    if order.most is None:
        return ROUND
    return max(1, min(ROUND, order.most - searched.schedules))


def _database(order: Order, found: Iterable[str]) -> ExampleDatabase | None:
    """What broke something when the same was looked for, to be tried first.

    A folder for each question, and for what was found of it before: Hypothesis deletes examples
    that break nothing, and those of another question seldom do.
    """
    if order.database is None:
        return None
    asked = (
        order.chain.chain, order.payments, order.rate, sorted(order.rules), sorted(order.kinds),
        order.interleavings, sorted(found), order.success and order.success.text,
        order.works_again_s,
    )  # fmt: skip
    name = blake2b(repr(asked).encode(), digest_size=8).hexdigest()
    return DirectoryBasedExampleDatabase(order.database / name)


def make_smaller(trial: Trial, candidate: Candidate, seed_: int) -> None:
    """Fewer faults, simpler ones, and the limits of each; then note it down."""
    schedule, interleaving, seen = candidate

    def still(other: Schedule) -> bool:
        return trial.is_broken(seen.rule, other, interleaving) is not None

    def still_in_some_order(other: Schedule) -> bool:
        nonlocal interleaving  # without a fault everything happens at another time
        others = range(ORDERS) if trial.order.interleavings else ()
        for number in dict.fromkeys((interleaving, *others)):
            if trial.is_broken(seen.rule, other, number) is not None:
                interleaving = number
                return True
        return False

    def hold(better: Schedule) -> Schedule:
        trial.hold((better, interleaving, seen))
        return better

    schedule = hold(without_needless(schedule, still_in_some_order))
    while len(schedule) > 1:
        fewer = _with_fewer(trial, (schedule, interleaving, seen), seed_)
        if fewer is None:
            break
        schedule = hold(without_needless(fewer, still_in_some_order))
    hold(schedule)
    schedule = hold(simpler(schedule, strikes_of(trial.order.chain, trial.order.kinds), still))
    measured = tuple(limits(schedule, still))
    trial.note((schedule, interleaving, seen), measured, sturdier(schedule, still))


def _with_fewer(trial: Trial, candidate: Candidate, seed_: int) -> Schedule | None:
    """One fault fewer at the same places: two that add up may be one that lasts longer."""
    schedule, interleaving, seen = candidate
    places = {one.strike.target for one in schedule}
    known = strikes_of(trial.order.chain, trial.order.kinds)
    strikes = [one for one in known if one.target in places]
    plays = st.tuples(schedules_of(strikes, most=len(schedule) - 1), st.just(interleaving))
    found = _smallest(trial, plays, seed_, FEWER, seen.rule)
    return found[0] if found is not None else None


def told_short(schedule: Schedule) -> str:
    """`lost_answer on link processor-a at 0 ms for 50 ms, …`."""
    return ", ".join(map(str, schedule)) or "no fault at all"
