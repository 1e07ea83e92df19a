"""The checks of a run, as every CI output counts them: tolerances, money rules, conclusiveness."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paychain.analysis.judge import not_final
from paychain.analysis.measures.measures import MoneyMeasure, MoneyRule, ToleranceResult, Verdict
from paychain.analysis.reasons import broken_by, required
from paychain.analysis.store.facts import ServiceFacts
from paychain.declaration.quantity import count
from paychain.payments.money import written
from paychain.payments.outcome import failure_name
from paychain.report.result import Result
from paychain.report.text.wording import (
    tolerance_title,
)

MAX_EVIDENCE = 3  # payments that are named
RUN_IS_CONCLUSIVE = "run_is_conclusive"
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """Something that is judged. `name` is stable: it holds no measured number."""

    name: str
    title: str
    passed: bool | None  # None: could not be judged
    message: str  # "required ≥ 95 %, observed 71.3 %"
    evidence: str = ""  # the first affected payments, one per line
    place: str = ""  # file:line:column of the limit
    remedies: tuple[str, ...] = ()  # what to change, each with its file and line
    is_about_harness: bool = False  # it says nothing about the chain


def checks(result: Result) -> list[Check]:
    """Every check, passed or not, in a stable order."""
    is_inconclusive = result.verdict is Verdict.INCONCLUSIVE
    return [
        *_stop_check(result),
        *(_service_check(service) for service in result.services),
        *(_tolerance_check(tolerance, result) for tolerance in result.tolerances),
        *(_rule_check(rule, result.money, result.chain.currency) for rule in result.money.rules),
        Check(
            name=RUN_IS_CONCLUSIVE,
            title="Run is conclusive",
            passed=not is_inconclusive,
            message="; ".join(result.reasons) if is_inconclusive else "",
            is_about_harness=True,
        ),
    ]


def plain(text: str) -> str:
    """Foreign text without what XML and terminals cannot take, and what turns its direction."""
    return _CONTROL.sub("", text)


def _stop_check(result: Result) -> list[Check]:
    """Whether the run reached its end; only for an experiment that declares stop_when."""
    if not result.experiment.stop_when:
        return []
    stopped = result.stopped
    return [
        Check(
            name="not_stopped",
            title="Not stopped early",
            passed=stopped is None,
            message=stopped.sentence if stopped else "no condition of stop_when was met",
            place=stopped.place if stopped else "",
            is_about_harness=stopped is not None,
        )
    ]


def _service_check(service: ServiceFacts) -> Check:
    """Whether an own service went on for the whole run, but for the crashes that were injected."""
    return Check(
        name=f"service_{service.name}",
        title=f"{service.name} kept running",
        passed=not service.failures,
        message="; ".join(service.sentences) or "it did not exit on its own",
        evidence="\n".join(line for failure in service.failures for line in failure.lines),
    )


def _tolerance_check(tolerance: ToleranceResult, result: Result) -> Check:
    message = f"required {required(tolerance.required)}, observed {tolerance.observed_text}"
    if tolerance.margin_text:
        message += f" ({tolerance.margin_text})"
    evidence = ""
    # Only success is broken by payments that broke; other limits have no payment to name.
    if tolerance.passed is False and tolerance.measure == "technical_success" and result.breaks:
        group = result.breaks[0]
        evidence = (
            f"{count(group.payments, 'payment')} broke at {group.caller} → {group.callee} "
            f"({failure_name(group.failure, group.code)}), for example {group.examples[0]}"
        )
    return Check(
        name=tolerance.id,
        title=tolerance_title(tolerance),
        passed=tolerance.passed,
        message=message,
        evidence=evidence,
        place=tolerance.place,
        remedies=tuple(str(remedy) for remedy in tolerance.remedies),
    )


def _rule_check(rule: MoneyRule, money: MoneyMeasure, currency: str) -> Check:
    message = "no payment broke it"
    if rule.findings:
        amount = f", {written(rule.amount, currency)}" if rule.amount else ""
        message = f"broken by {broken_by(rule)}{amount}"
    elif rule.passed is None:
        message = f"not judged: {not_final(money)}"
    return Check(
        name=rule.rule,
        title=rule.title,
        passed=rule.passed,
        message=message,
        evidence="\n".join(
            "; ".join([f"{finding.payment}: {finding.text}", *finding.references])
            for finding in rule.payments[:MAX_EVIDENCE]
            if not rule.passed
        ),
        remedies=tuple(str(remedy) for remedy in rule.remedies),
    )
