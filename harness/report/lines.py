"""Breaks, fallbacks and money in lines of plain text, for the terminal and for summary.md."""

from __future__ import annotations

from harness.analysis.measured import FallbackMeasure
from harness.payments.money import written
from harness.report.result import Result
from harness.report.wording import NOT_FINAL, count, moment, share

LISTED = 5


def break_lines(result: Result) -> list[str]:
    """`customer → edge: 312 payments, 12,240.10 EUR (http error 500; during edge-5xx)`."""
    lines = []
    for one in result.breaks[:LISTED]:
        why = f"{one.failure} {one.code}".strip().replace("_", " ")
        during = f"; during {', '.join(one.faults)}" if one.faults else ""
        amount = written(one.amount, result.chain.currency)
        lines.append(
            f"{one.caller} → {one.callee or '?'} ({one.operation}): "
            f"{count(one.payments, 'payment')}, {amount} ({why}{during})"
        )
    left = result.breaks[LISTED:]
    if left:
        payments = count(sum(one.payments for one in left), "payment")
        lines.append(f"and {payments} in {len(left)} other ways")
    return lines


def fallback_lines(result: Result) -> list[str]:
    """A line per fallback that was used, per risk, and one for recovery after faults."""
    lines = [_fallback(one) for one in result.fallbacks if one.activations]
    for risk in result.risks:
        amount = written(risk.amount, result.chain.currency)
        lines.append(f"{count(risk.payments, 'payment')} {risk.text} at {risk.call}, {amount}")
    if result.faults:
        back = moment(result.recovery, "recovery_s")
        lines.append(f"back to normal after the last heal: {back}")
    recovery = result.recovery
    if recovery.reversals_sent:
        lines.append(
            f"{count(recovery.reversals_sent, 'reversal')} sent, "
            f"{recovery.reversals_acknowledged:,} acknowledged"
        )
    return lines


def money_lines(result: Result) -> list[str]:
    """Broken rules with their first payments, then how many were kept."""
    lines = []
    broken = [rule for rule in result.money.rules if rule.findings]
    for rule in broken:
        amount = written(rule.amount, result.chain.currency)
        lines.append(f"✕ {rule.title}: {count(rule.findings, 'payment')}, {amount}")
        lines += [f"  {one.payment}: {one.text}" for one in rule.payments[:2]]
    kept = sum(rule.passed is True for rule in result.money.rules)
    others = "other " if broken else ""
    lines.append(f"✓ {count(kept, f'{others}money rule')} kept")
    open_ = sum(rule.passed is None for rule in result.money.rules)
    if open_:
        lines.append(f"– {count(open_, 'money rule')} not judged: {NOT_FINAL}")
    return lines


def _fallback(one: FallbackMeasure) -> str:
    to = f" to {one.to}" if one.to else ""
    line = f"{one.call} {one.kind.replace('_', ' ')}{to}: used {count(one.activations, 'time')}"
    line += f", {share(one.success)} succeeded" if one.success is not None else ""
    if one.kind != "retry":
        line += (
            f"; first served {moment(one, 'detection_s')}, back at the tolerance "
            f"{moment(one, 'failover_s')}, fail-back {moment(one, 'failback_s')}"
        )
    return line
