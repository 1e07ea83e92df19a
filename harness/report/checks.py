"""The checks of a run, as every CI output counts them: tolerances, money rules, conclusiveness."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.analysis.measured import MoneyRule, ToleranceResult, Verdict
from harness.payments.money import written
from harness.report.result import Result
from harness.report.wording import NOT_FINAL, count, required, tolerance_name

FIRST = 3  # offending payments that are named
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Check:
    """One thing that is judged. `name` is stable: no measured number is in it."""

    name: str
    title: str
    passed: bool | None  # None: could not be judged
    said: str  # "required ≥ 95 %, observed 71.3 %"
    evidence: str = ""  # first offending payments
    place: str = ""  # file:line:column of the limit
    is_about_harness: bool = False  # it says nothing of the chain


def checks(result: Result) -> list[Check]:
    """Every check: failed ones are for whoever renders them to sort."""
    return [
        *_of_stop(result),
        *(_of_tolerance(one, result) for one in result.tolerances),
        *(_of_rule(one, result.chain.currency) for one in result.money.rules),
        Check(
            "run_is_conclusive", "Run is conclusive", result.verdict is not Verdict.INCONCLUSIVE,
            "; ".join(result.reasons) if result.verdict is Verdict.INCONCLUSIVE else "",
            is_about_harness=True,
        ),
    ]  # fmt: skip


def _of_stop(result: Result) -> list[Check]:
    """Whether it ran to its end, where its experiment says when to stop."""
    if not result.experiment.stop_when:
        return []
    name, title, stopped = "not_stopped", "Not stopped early", result.stopped
    if stopped is None:
        return [Check(name, title, True, "no condition of stop_when was met")]
    return [Check(name, title, False, stopped.sentence, place=stopped.place, is_about_harness=True)]


def plain(text: str) -> str:
    """Foreign text without control characters, which XML and terminals cannot take."""
    return _CONTROL.sub("", text)


def _of_tolerance(one: ToleranceResult, result: Result) -> Check:
    said = f"required {required(one.required)}, observed {one.observed_text}"
    if one.margin_text:
        said += f" ({one.margin_text})"
    evidence = ""
    if one.passed is False and one.measure == "technical_success" and result.breaks:
        first = result.breaks[0]
        where = f"{first.caller} → {first.callee}: {first.failure} {first.code}".strip()
        evidence = f"{count(first.payments, 'payment')} broke at {where}, first {first.examples[0]}"
    return Check(one.id, tolerance_name(one), one.passed, said, evidence, one.place)


def _of_rule(rule: MoneyRule, currency: str) -> Check:
    if not rule.is_judged:
        return Check(rule.rule, rule.title, None, f"not judged: {NOT_FINAL}")
    if not rule.findings:
        return Check(rule.rule, rule.title, True, "no payment broke it")
    evidence = "\n".join(
        f"{one.payment}: {one.text}" + (f"; {'; '.join(one.references)}" if one.references else "")
        for one in rule.payments[:FIRST]
    )
    said = f"broken by {count(rule.findings, 'payment')}, {written(rule.amount, currency)}"
    return Check(rule.rule, rule.title, False, said, evidence)
