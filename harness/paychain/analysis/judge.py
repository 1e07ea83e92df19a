"""From measures to a verdict: tolerances and money rules, in plain sentences.

limits.tolerances()  each declared limit against its measure   → passed, failed, unjudged
excused()            limits that only the stalls of the machine broke → unjudged
harness_problems()   was it the experiment that was declared?
untried()            faults that affected nothing
unanswered()         a chain that did nothing with any payment
verdict()            problems → inconclusive · broken → fail · unjudged → inconclusive · pass
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from paychain.analysis.limits import COUNTS, NOT_FINAL
from paychain.analysis.measures.measures import (
    FaultRun,
    MoneyMeasure,
    Phase,
    Stopped,
    ToleranceResult,
    Verdict,
)
from paychain.analysis.measures.phases import tolerance_name
from paychain.analysis.measures.punctuality import Punctuality
from paychain.analysis.reasons import breach, broken_by
from paychain.declaration.quantity import count
from paychain.model.experiment import Times
from paychain.payments.money import written

_FREE_OF_FAULTS = ("before", "between")  # phases: in recovery a fault may still have effects
LAG_LIMIT_MS = 250.0  # with later arrivals (p99) the load is not the declared one


def not_final(money: MoneyMeasure) -> str:
    """Why rules, or those about what is left in the end, are not judged."""
    if money.unjudged:
        return money.unjudged
    if not money.undecided:
        return NOT_FINAL
    return f"{count(money.undecided, 'payment')} still in progress when the drain ended"


def excused(
    observed: Sequence[ToleranceResult], at_best: Sequence[ToleranceResult]
) -> list[ToleranceResult]:
    """The results, in which limits that only stalls of the machine broke are not judged.

    `at_best`: the same limits, judged as if every call that a stall affected had worked at once.
    What is broken even then is the chain's doing.
    """
    assert [result.id for result in observed] == [result.id for result in at_best]
    judged = []
    for result, best in zip(observed, at_best, strict=True):
        if result.passed is False and best.passed is not False:
            words = f"{result.observed_text}, {best.observed_text} without what stalls affected"
            # Nothing is short of a limit that is not judged.
            judged.append(
                msgspec.structs.replace(result, passed=None, observed_text=words, margin_text="")
            )
        else:
            judged.append(result)
    return judged


def harness_problems(
    planned: int, punctuality: Punctuality, faults: Sequence[FaultRun], times: Times
) -> Iterator[str]:
    """Why a run is not the experiment that was declared, in sentences: it is inconclusive then.

    `planned`: payments to offer, of a stopped run until it was stopped. `faults`: as declared.
    """
    if is_late(punctuality):
        yield late_load(planned, punctuality, times)
    if planned != punctuality.recorded:
        yield f"{planned} payments planned, {punctuality.recorded} recorded"
    # A load that ended early did not get to its later faults.
    yield from (
        f"fault {fault.id} never took effect"
        for fault in faults
        if fault.applied_s is None and fault.planned_s < times.load_end_s
    )


def is_late(punctuality: Punctuality) -> bool:
    """Whether the load was not offered when it was declared."""
    return punctuality.p99_ms is not None and punctuality.p99_ms > LAG_LIMIT_MS


def late_load(planned: int, punctuality: Punctuality, times: Times) -> str:
    """By how much a late load of `planned` payments was late, in a sentence."""
    lasts_s = times.load_end_s - times.load_start_s
    return (
        f"the load fell behind its schedule by {punctuality.p99_ms:.0f} ms (p99, limit "
        f"{LAG_LIMIT_MS:.0f} ms): {punctuality.rate_reached:.1f} payments/s reached, "
        f"{planned / lasts_s:.1f} planned"
    )


def untried(faults: Sequence[FaultRun]) -> Iterator[str]:
    """Faults that affected nothing although the experiment does not expect that, in sentences."""
    for fault in faults:
        if fault.was_missed and not fault.may_miss:
            yield (
                f"fault {fault.id} affected no traffic: its effect on the chain was not exercised "
                "(may_miss: true on the fault accepts that)"
            )


def unanswered(phases: Sequence[Phase]) -> Iterator[str]:
    """That nobody was told anything about a payment, though not because of the faults: a sentence.

    Where nothing happens no money goes wrong. That says nothing about the chain.
    """
    paid = {phase.kind: phase for phase in phases if phase.kind != "fault"}
    whole = paid["all"]
    free_of_faults = sum(paid[kind].offered for kind in _FREE_OF_FAULTS if kind in paid)
    if free_of_faults and not whole.approved + whole.declined:
        yield (
            f"none of {count(whole.offered, 'payment')} was approved or declined for business "
            f"reasons, not even among the {free_of_faults} that no fault affected: the run says "
            "nothing about the chain"
        )


def notes(faults: Sequence[FaultRun]) -> list[str]:
    """What a reader must know although it does not decide the verdict."""
    return [
        f"fault {fault.id} affected no traffic (may_miss)"
        for fault in faults
        if fault.was_missed and fault.may_miss
    ]


def verdict(
    results: Sequence[ToleranceResult],
    money: MoneyMeasure,
    problems: Sequence[str],
    currency: str,
    stopped: Stopped | None = None,
    open_questions: Sequence[str] = (),
    failures: Sequence[str] = (),
) -> tuple[Verdict, list[str]]:
    """The verdict and its reasons, worst first. `problems` are the harness' own.

    `failures` are those of own services: one that ends by itself fails the run.

    A run that was stopped never passes: it fails by what it broke until then; otherwise it is
    inconclusive, since what it would have broken later is unknown. `open_questions`, such as faults
    that affected nothing, forbid a pass as well.
    """
    why = [stopped.sentence] if stopped is not None else []
    undecided = []
    if money.undecided:
        payments = count(money.undecided, "payment")
        undecided.append(
            f"{payments} not decided: still in progress when the drain ended (settles_within)"
        )
    broken = [
        f"{rule.title.lower()}: broken by {broken_by(rule)}, {written(rule.amount, currency)}"
        for rule in money.rules
        if rule.findings
    ]
    failed = [
        breach(result)
        for result in results
        if result.passed is False and result.measure not in COUNTS
    ]
    unjudged = [
        f"{tolerance_name(result)} could not be judged: {result.observed_text}"
        for result in results
        if result.passed is None
    ]
    # The order is the law: the chain is never blamed for the harness, money and tolerances that
    # are broken stay broken whatever else could not be judged.
    if problems:
        return Verdict.INCONCLUSIVE, [*problems, *failures, *why, *broken, *failed]
    left_open = [*open_questions, *undecided, *unjudged]
    if failures or broken or failed:
        return Verdict.FAIL, [*failures, *why, *broken, *failed, *left_open]
    if why or left_open:
        return Verdict.INCONCLUSIVE, [*why, *left_open]
    return Verdict.PASS, []
