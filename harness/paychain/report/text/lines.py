"""Breaks, fallbacks and money in lines of plain text, for the terminal and for summary.md.

A line is indented by two spaces for each level below the first.
"""

from __future__ import annotations

from paychain.analysis.judge import not_final
from paychain.analysis.measures.measures import FallbackMeasure, MoneyFinding, MoneyRule
from paychain.analysis.reasons import broken_by
from paychain.declaration.quantity import count
from paychain.payments.journal import DecisionKind
from paychain.payments.money import written
from paychain.payments.outcome import failure_name
from paychain.payments.rules import OF_UNKNOWN
from paychain.report.result import Result
from paychain.report.text.used_fallbacks import used_fallbacks
from paychain.report.text.wording import (
    back_to_normal,
    fallback_name,
    moment,
    share,
)

MAX_BREAKS = 5
MAX_FINDINGS = 2  # of each broken money rule


def break_lines(result: Result) -> list[str]:
    """`customer → edge (pay): 312 payments, 12,240.10 EUR (HTTP 500; during edge-5xx)`."""
    lines = []
    for group in result.breaks[:MAX_BREAKS]:
        during = f"; during {', '.join(group.faults)}" if group.faults else ""
        lines.append(
            f"{group.caller} → {group.callee or '?'} ({group.operation}): "
            f"{count(group.payments, 'payment')}, {written(group.amount, result.chain.currency)} "
            f"({failure_name(group.failure, group.code)}{during})"
        )
    rest = result.breaks[MAX_BREAKS:]
    if rest:
        payments = count(sum(group.payments for group in rest), "payment")
        lines.append(f"and {payments} in {len(rest)} other ways")
    return lines


def fallback_lines(result: Result) -> list[str]:
    """A line for each fallback that was used and each risk, then recovery and reversals."""
    lines = list(map(_fallback, used_fallbacks(result)))
    for risk in result.risks:
        amount = written(risk.amount, result.chain.currency)
        lines.append(f"{count(risk.payments, 'payment')} {risk.text} at {risk.call}, {amount}")
    recovery = result.recovery
    if result.faults:
        lines.append(f"back to normal after the last heal: {back_to_normal(recovery)}")
    if recovery.reversals_sent:
        lines.append(
            f"{count(recovery.reversals_sent, 'reversal')} sent, "
            f"{recovery.reversals_acknowledged:,} acknowledged"
        )
    return lines


def _vendor_names(finding: MoneyFinding) -> str:
    """` (stripe: pi_3Fx…, adyen: NC6H…)`; "" where no provider has a name for it."""
    names = [
        text.partition(" (")[2].partition(")")[0] for text in finding.references if " (" in text
    ]
    return f" ({', '.join(names)})" if names else ""


def money_lines(result: Result) -> list[str]:
    """Broken rules with their first payments, then the number of rules that held."""
    lines = []
    broken = [rule for rule in result.money.rules if rule.findings]
    for rule in broken:
        amount = f", {written(rule.amount, result.chain.currency)}" if rule.amount else ""
        lines.append(f"✕ {rule.title}: {broken_by(rule)}{amount}")
        lines += [
            f"  {finding.payment}: {finding.text}{_vendor_names(finding)}"
            for finding in rule.payments[:MAX_FINDINGS]
        ]
        # Of money that is held twice or for nobody it is the reason, and says what to change.
        if rule.unknown and rule.rule in OF_UNKNOWN:
            lines.append(f"  outcome not learnt by the caller: {_unknown_calls(rule)}")
    held = sum(rule.passed is True for rule in result.money.rules)
    lines.append(f"✓ {count(held, 'other money rule' if broken else 'money rule')} held")
    unjudged = sum(rule.passed is None for rule in result.money.rules)
    if unjudged:
        lines.append(f"– {count(unjudged, 'money rule')} not judged: {not_final(result.money)}")
    return lines


def _unknown_calls(rule: MoneyRule) -> str:
    """`shop → stripe (HTTP 503) in 12 payments, customer → shop (timeout) in 3 payments`."""
    return ", ".join(
        f"{unknown.caller} → {unknown.callee} ({failure_name(unknown.result, unknown.code)}) in "
        f"{count(unknown.payments, 'payment')}"
        for unknown in rule.unknown[:MAX_FINDINGS]
    )


def _fallback(fallback: FallbackMeasure) -> str:
    name = fallback_name(fallback)
    line = f"{fallback.call} {name}: {count(fallback.activations, 'use')}"
    if fallback.success is not None:
        line += f", {share(fallback.success)} succeeded"
    # To the primary again, or to one of many that are all alike: there is no route to fail over to
    # or back from.
    if fallback.kind not in (DecisionKind.RETRY, DecisionKind.RE_PICKED):
        line += (
            f"; first served: {moment(fallback, 'detection_s')}, back within tolerance: "
            f"{moment(fallback, 'failover_s')}, fail-back: {moment(fallback, 'failback_s')}"
        )
    return line
