"""From run.db to a verdict: measure a run, then judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from paychain.analysis import doubts
from paychain.analysis.judge import excused, verdict
from paychain.analysis.limits import JudgedMeasures, tolerances
from paychain.analysis.measures.aftermath import disturbed
from paychain.analysis.measures.at_best import at_best
from paychain.analysis.measures.breaks import breaks
from paychain.analysis.measures.fallbacks import fallbacks, primaries
from paychain.analysis.measures.files import files, to_search
from paychain.analysis.measures.given_up import given_up
from paychain.analysis.measures.hops import executions, hops
from paychain.analysis.measures.measure import Measure, MeasuredRun
from paychain.analysis.measures.measures import MoneyMeasure, ToleranceResult, Verdict
from paychain.analysis.measures.money import money
from paychain.analysis.measures.payments import offered, payments, phases
from paychain.analysis.measures.punctuality import Punctuality
from paychain.analysis.measures.recovery import recovery
from paychain.analysis.measures.registry import MEASURES
from paychain.analysis.measures.stalls import overslept_s, stalled, stalls
from paychain.analysis.measures.timeline import latencies, seconds
from paychain.analysis.parts import judged_in_parts
from paychain.analysis.store.facts import NOT_UNDERSTOOD, RunFacts
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment

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
    judged = _understood(run) if not facts.misfit else _not_understood(run)
    result, reasons = verdict(
        judged.tolerances,
        run[money],
        judged.problems,
        chain.currency,
        facts.stopped,
        open_questions=judged.questions,
        failures=[line for service in facts.services for line in service.sentences],
    )
    return Analysis(
        verdict=result,
        reasons=[*reasons, *judged.notes],
        tolerances=judged.tolerances,
        offered=run[offered],
        punctuality=run[payments][1],
        measured=measured,
        given_up=run[given_up],
    )


class _Judged(NamedTuple):
    """What a verdict is reached by, with what readers must know besides."""

    tolerances: list[ToleranceResult]
    problems: list[str]
    questions: list[str]
    notes: list[str]


def _not_understood(run: MeasuredRun) -> _Judged:
    """Of a run whose answers nobody understood.

    What else there is follows from that: it is the one thing to put right.
    """
    limits = [
        msgspec.structs.replace(
            limit, observed=None, observed_text=NOT_UNDERSTOOD, margin_text="", passed=None
        )
        for limit in tolerances(run.experiment, _observed(run, run[money]))
    ]
    return _Judged(limits, run.facts.problems, doubts.questions(run), [])


def _understood(run: MeasuredRun) -> _Judged:
    limits = tolerances(run.experiment, _observed(run, run[money]))
    problems, questions = doubts.problems(run), doubts.questions(run)
    # A chain that passes did so under worse conditions than declared, and money has to be right
    # however slow the machine is. Only another broken limit may be the busy machine's.
    late = list(doubts.late_load(run))
    if run[stalls] and (late or any(limit.passed is False for limit in limits)):
        spared = at_best(run, run[disturbed])
        # Payments that only a stall made late are no other load: what is broken without what the
        # stall affected is broken, and only a pass depends on it.
        if late and not at_best(run, run[stalled])[payments][1].is_late:
            problems = [problem for problem in problems if problem not in late]
            questions = [*late, *questions]
        at_most_s = run[disturbed].total_s
        best = tolerances(run.experiment, _observed(spared, run[money], at_most_s))
        excusing = excused(limits, best)
        if excusing != limits:
            limits, questions = excusing, [*doubts.stalled_host(run), *questions]
    return _Judged(limits, problems, questions, doubts.notes(run))


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
