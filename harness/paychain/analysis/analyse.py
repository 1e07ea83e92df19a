"""From run.db to a verdict: measure a run, then judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from paychain.analysis.injection import injection_problems
from paychain.analysis.judge import (
    excused,
    harness_problems,
    is_late,
    late_load,
    notes,
    unanswered,
    untried,
    verdict,
)
from paychain.analysis.limits import JudgedMeasures, tolerances
from paychain.analysis.measures.aftermath import disturbed
from paychain.analysis.measures.at_best import at_best
from paychain.analysis.measures.breaks import breaks
from paychain.analysis.measures.fallbacks import fallbacks, primaries
from paychain.analysis.measures.files import files, to_search
from paychain.analysis.measures.hidden import hidden_faults
from paychain.analysis.measures.hops import executions, hops
from paychain.analysis.measures.measure import Measure, MeasuredRun
from paychain.analysis.measures.measures import FaultRun, MoneyMeasure, ToleranceResult, Verdict
from paychain.analysis.measures.money import money
from paychain.analysis.measures.own_services import (
    own_services,
    unattributed_money,
    unattributed_problems,
)
from paychain.analysis.measures.payments import payments, phases
from paychain.analysis.measures.punctuality import Punctuality
from paychain.analysis.measures.recovery import faults, recovery
from paychain.analysis.measures.registry import MEASURES
from paychain.analysis.measures.scripts import scripts, unmet_notes, unmet_steps
from paychain.analysis.measures.stalls import busy, overslept_s, stalled, stalls
from paychain.analysis.measures.timeline import latencies, seconds
from paychain.analysis.parts import judged_in_parts
from paychain.analysis.store.facts import NOT_UNDERSTOOD, RunFacts
from paychain.analysis.store.queries import calls_with
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fallbacks.queue import Queue
from paychain.payments.journal import DecisionKind

# What needs no pass over all payments: measured meanwhile.
WITHOUT_PASS: tuple[Measure[Any], ...] = (
    files,
    phases,
    recovery,
    breaks,
    seconds,
    latencies,
    executions,
    primaries,
)


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Everything that was measured and judged of a run."""

    verdict: Verdict
    reasons: list[str]  # plain sentences, worst first
    tolerances: list[ToleranceResult]
    offered: int  # as the load process reports; what was recorded, when it could not report
    punctuality: Punctuality
    measured: Mapping[str, Any]  # what each of MEASURES found, by its name
    given_up: frozenset[str]  # the calls whose queues gave up what they had stored


def analyse(store: RunStore, chain: Chain, experiment: Experiment, facts: RunFacts) -> Analysis:
    """Measure and judge a run whose records are all in the store."""
    run = MeasuredRun(store, chain, experiment, facts)
    run[to_search]
    with judged_in_parts(run):
        for measure in WITHOUT_PASS:
            run[measure]
    measured = {measure.name: run[measure] for measure in MEASURES}
    _, punctuality = run[payments]
    books = run[money]
    judged = tolerances(experiment, _observed(run, books))
    offered = facts.offered if facts.offered is not None else punctuality.recorded
    if facts.misfit:
        # What else there is follows from it: it is the one thing to put right.
        judged, problems, further = [_not_understood(limit) for limit in judged], facts.problems, []
    else:
        further = [*notes(run[faults]), *unmet_notes(run[scripts])]
        problems = _problems(facts, offered, punctuality, run[faults])
        problems += injection_problems(store, experiment, facts.times)
        problems += unattributed_problems(run[own_services])
        problems += unattributed_money(run[own_services], books)
    questions = [*untried(run[faults]), *hidden_faults(run), *unmet_steps(run[scripts])]
    questions += unanswered(run[phases])
    # A chain that passes did so under worse conditions than declared, and money has to be right
    # however slow the machine is. Only another broken limit may be the busy machine's.
    late = is_late(punctuality)
    if run[stalls] and (late or any(limit.passed is False for limit in judged)):
        spared = at_best(run, run[disturbed])
        # Payments that only a stall made late are no other load: what is broken without what the
        # stall affected is broken, and only a pass depends on it.
        sentence = late_load(_due(facts, offered), punctuality, facts.times) if late else ""
        if sentence in problems and not is_late(at_best(run, run[stalled])[payments][1]):
            problems = [problem for problem in problems if problem != sentence]
            questions = [sentence, *questions]
        best = tolerances(experiment, _observed(spared, books, run[disturbed].total_s))
        excusing = excused(judged, best)
        if excusing != judged:
            judged = excusing
            questions = [*busy(run[stalls], facts.times.load_start_s), *questions]
    result, reasons = verdict(
        judged,
        books,
        problems,
        chain.currency,
        facts.stopped,
        open_questions=questions,
        failures=[line for service in facts.services for line in service.sentences],
    )
    return Analysis(
        verdict=result,
        reasons=[*reasons, *further],
        tolerances=judged,
        offered=offered,
        punctuality=punctuality,
        measured=measured,
        given_up=_given_up(store, chain),
    )


def _given_up(store: RunStore, chain: Chain) -> frozenset[str]:
    calls = (call for link in chain.links for call in chain.calls_of(link).values())
    if not any(isinstance(step, Queue) for call in calls for step in call.fallback):
        return frozenset()
    return frozenset(map(".".join, calls_with(store, [DecisionKind.QUEUE_EXPIRED])))


def _not_understood(limit: ToleranceResult) -> ToleranceResult:
    return msgspec.structs.replace(
        limit, observed=None, observed_text=NOT_UNDERSTOOD, margin_text="", passed=None
    )


def _observed(run: MeasuredRun, books: MoneyMeasure, spared_s: float = 0.0) -> JudgedMeasures:
    """What the tolerances are judged by. `spared_s`: by how much times are shorter at best."""
    drained_s, end_s = run.facts.drained_s, run.times.load_end_s
    return JudgedMeasures(
        phases={phase.kind: phase for phase in run[phases] if phase.kind != "fault"},
        recovery=run[recovery],
        fallbacks=run[fallbacks],
        hops=run[hops],
        money=books,
        waited_s=drained_s - end_s - spared_s - overslept_s(run) if drained_s is not None else None,
        spared_s=spared_s,
    )


def _problems(
    facts: RunFacts, offered: int, punctuality: Punctuality, faults: Sequence[FaultRun]
) -> list[str]:
    """What makes the run inconclusive, each problem once."""
    found = harness_problems(_due(facts, offered), punctuality, faults, facts.times)
    return list(dict.fromkeys([*facts.problems, *found]))


def _due(facts: RunFacts, offered: int) -> int:
    """How many payments were to be offered."""
    # The rest of a plan was not to be offered any more after a stop, or to a service that ended.
    if facts.stopped is not None or any(service.failures for service in facts.services):
        return offered
    return offered if facts.planned is None else facts.planned
