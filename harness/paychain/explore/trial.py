"""Runs schedules in virtual time: what each breaks, and the record of what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from paychain.analysis.money.fingerprints import SoundPayments
from paychain.analysis.money.parties import Parties
from paychain.environment.simulated_run import SimulatedRun, interleaved, simulate_run
from paychain.explore.checks import CONCLUSIVE, RuleBreak, SimulatedRecords, broken
from paychain.explore.minimise import FaultLimits
from paychain.explore.result import OnProgress, SearchResult, SmallestOutage
from paychain.explore.schedules import Schedule, ScheduledFault, experiment_of, in_words
from paychain.explore.spec import SearchSpec
from paychain.explore.starts import starts_from
from paychain.faults.target import Target
from paychain.model.chain import Chain
from paychain.model.places import affected_links
from paychain.payments.errors import UserError
from paychain.payments.journal import FaultSwitch, PaymentRecord
from paychain.simulation.simulate import FAILURES, Cycles

MINIMISE_S = 30.0  # what is found in the budget's last moment may be minimised for so long


class BudgetSpent(KeyboardInterrupt):
    """The budget ran out in the middle of a round. Hypothesis lets it pass as it does Ctrl-C."""


class SimulationRefused(KeyboardInterrupt):
    """An own service did what virtual time has no room for: another schedule would meet it, too."""


class MinimiseTimeSpent(KeyboardInterrupt):
    """The budget ran out MINIMISE_S ago, and what was found is still being minimised."""


@dataclass(frozen=True)
class Candidate:
    """A schedule that breaks a rule, with the interleaving in which it does."""

    schedule: Schedule
    interleaving: int
    broken: RuleBreak


class Trial:
    """Runs schedules, counts them, and keeps the smallest candidate.

    `passed_s`: seconds since the search began. `on_progress` is called after each schedule; it may
    raise KeyboardInterrupt to end the search.
    """

    def __init__(
        self,
        spec: SearchSpec,
        result: SearchResult,
        passed_s: Callable[[], float],
        on_progress: OnProgress,
    ) -> None:
        self.spec = spec
        self.result = result
        self.smallest: Candidate | None = None
        self.first_at = 0  # schedules run when the candidate's rule first broke
        self.on_progress = on_progress
        self.until_s = spec.budget_s + MINIMISE_S
        self._last_run = SimulatedRun()
        self._parties = Parties.of(spec.chain)
        self._sound = SoundPayments()
        self._cycles = Cycles()
        self._passed_s = passed_s

    def breaks(self, schedule: Schedule, interleaving: int) -> list[RuleBreak]:
        """What a schedule breaks, of the rules that are looked for and not found yet."""
        spec = self.spec
        experiment = experiment_of(schedule, payments=spec.payments, rate=spec.rate)
        simulated = SimulatedRun()
        seen: list[RuleBreak] = []
        try:
            simulate_run(
                spec.chain,
                experiment,
                spec.seed,
                home=spec.home,
                into=simulated,
                **interleaved(interleaving),
            )
        except UserError as error:
            self.result.refused = str(error)
            raise SimulationRefused from None
        except FAILURES as error:
            seen.append(_does_not_end(f"{type(error).__name__}: {error}"))
        self._count(simulated)
        if simulated.problems:
            seen.append(_does_not_end("; ".join(simulated.problems)))
        self._cycles.collect()
        seen += broken(
            simulated.records, self._parties, spec.success, spec.works_again_s, self._sound
        )
        self._last_run = simulated
        wanted = set(spec.rules)
        return [
            breach
            for breach in seen
            if (not wanted or breach.rule in wanted) and breach.rule not in self.result.found
        ]

    def breach_of(self, rule: str, schedule: Schedule, interleaving: int) -> RuleBreak | None:
        """How a schedule breaks one rule, None when it does not."""
        seen = self.breaks(schedule, interleaving)
        return next((breach for breach in seen if breach.rule == rule), None)

    def starts_of(self, rule: str, interleaving: int) -> Callable[[Schedule, int], Iterator[int]]:
        """The starts worth trying for a fault of a schedule that breaks a rule."""

        def starts_ms(schedule: Schedule, place: int) -> Iterator[int]:
            seen = self.breach_of(rule, schedule, interleaving)
            return starts_from(
                self._last_run.records,
                schedule,
                place,
                payment=seen.payment if seen is not None else "",
                paying_ms=self.spec.paying_ms,
                links=_links_at(self.spec.chain, schedule[place]),
            )

        return starts_ms

    def keep(self, candidate: Candidate) -> None:
        """Keep the smallest candidate so far: what Ctrl-C leaves."""
        self.smallest = candidate
        self.result.best = f"{candidate.broken.title}: {in_words(candidate.schedule)}"

    def record(
        self, candidate: Candidate, limits: Sequence[FaultLimits] = (), with_margin: Schedule = ()
    ) -> None:
        """Record the smallest outage of a rule, with the stories of an order that shows it.

        The schedule is run again: the last one run may have been another.
        """
        rule = candidate.broken.rule
        last = self.breach_of(rule, candidate.schedule, candidate.interleaving) or candidate.broken
        records = SimulatedRecords(self._last_run.records)
        order = order_of(records, last.payment)
        self.result.found[rule] = SmallestOutage(
            rule=rule,
            title=candidate.broken.title,
            schedule=candidate.schedule,
            interleaving=candidate.interleaving,
            broken=last,
            limits=tuple(limits),
            at_schedule=self.first_at,
            with_margin=with_margin,
            stories=tuple(story for story in records.stories() if story.payment in order),
            switches=tuple(records.rows(FaultSwitch)),
        )
        self.smallest = None
        self.result.best = ""

    def _count(self, simulated: SimulatedRun) -> None:
        result = self.result
        result.schedules += 1
        result.virtual_s += simulated.ended_s
        result.took_s = self._passed_s()
        self.on_progress(result)
        if result.took_s > self.until_s:
            raise MinimiseTimeSpent


def _links_at(chain: Chain, fault: ScheduledFault) -> tuple[str, ...]:
    """The links that a fault is at; of a call, the one that makes it."""
    where, name = fault.choice.target
    if where == "call":
        return (name.partition(".")[0],)
    return affected_links(chain, Target.model_validate({where: name}))


def _does_not_end(text: str) -> RuleBreak:
    return RuleBreak(CONCLUSIVE, "Every run ends", "", text, 0, 0)


def broken_by_schedule(
    spec: SearchSpec, schedule: Schedule, interleaving: int = 0
) -> list[RuleBreak]:
    """What one schedule breaks."""
    trial = Trial(spec, SearchResult(), lambda: 0.0, lambda _: None)
    return trial.breaks(schedule, interleaving)


def order_of(records: SimulatedRecords, payment: str) -> set[str]:
    """The payments of the order that a payment is for, itself included."""
    orders = {paid.payment: paid.order for paid in records.rows(PaymentRecord) if paid.order}
    order = orders.get(payment)
    return {payment, *(other for other, theirs in orders.items() if theirs == order)}
