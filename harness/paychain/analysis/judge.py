"""From measures to a verdict: tolerances and money rules, in plain sentences.

limits.tolerances()  each declared limit against its measure   → passed, failed, unjudged
excused()            limits that only the stalls of the machine broke → unjudged
doubts.problems()    was it the experiment that was declared?
doubts.questions()   faults that affected nothing, a chain that did nothing with any payment
verdict()            problems → inconclusive · broken → fail · unjudged → inconclusive · pass
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from paychain.analysis.limits import COUNTS, NOT_FINAL
from paychain.analysis.measures.measures import (
    MoneyMeasure,
    Stopped,
    ToleranceResult,
    Verdict,
)
from paychain.analysis.measures.phases import tolerance_name
from paychain.analysis.reasons import breach, broken_by
from paychain.declaration.quantity import count
from paychain.payments.money import written


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
