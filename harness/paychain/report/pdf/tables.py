"""The tables of the compliance document that come from the run: rows of cells as text."""

from __future__ import annotations

from paychain.payments.money import written
from paychain.payments.outcome import failure_name
from paychain.report.result import Result
from paychain.report.text.used_fallbacks import used_fallbacks
from paychain.report.text.wording import millis, moment, share, spaced

MAX_ROWS = 40  # of a table: the document is for reading, run.db holds everything
MAX_PER_RULE = 10  # payments of a broken money rule
_TOLERANCES = {True: "✓ held", False: "✕ breached", None: "– not judged"}
_RULES = {True: "✓ held", False: "✕ broken", None: "– not judged"}

Rows = list[list[str]]


def tables(result: Result) -> dict[str, Rows]:
    """Every table by its name in report.typ."""
    return {
        "links": _links(result),
        "faults": _faults(result),
        "tolerances": _tolerances(result),
        "phases": _phases(result),
        "breaks": _breaks(result),
        "fallbacks": _fallbacks(result),
        "money": _money(result),
        "findings_of_money": _money_findings(result),
        "review": [[finding.place, finding.what, finding.hint] for finding in result.review],
    }


def _links(result: Result) -> Rows:
    return [
        [
            link.name,
            link.role,
            ", ".join(link.depends_on) or "–",
            ", ".join(result.chain.providers.get(name, "–") for name in link.depends_on) or "–",
        ]
        for link in result.chain.links
    ]


def _faults(result: Result) -> Rows:
    start_s = min((phase.start_s for phase in result.phases), default=0.0)
    return [
        [
            fault.id,
            fault.text,
            "never" if fault.applied_s is None else f"{fault.applied_s - start_s:.1f} s",
            "never" if fault.healed_s is None else f"{fault.healed_s - start_s:.1f} s",
            "unknown" if fault.hits is None else f"{fault.hits} {fault.hits_unit}",
        ]
        for fault in result.faults
    ]


def _tolerances(result: Result) -> Rows:
    return [
        [
            tolerance.id,
            tolerance.required,
            tolerance.observed_text,
            tolerance.margin_text or "–",
            _TOLERANCES[tolerance.passed],
        ]
        for tolerance in result.tolerances
    ]


def _phases(result: Result) -> Rows:
    return [
        [
            phase.name,
            f"{phase.offered:,}",
            f"{phase.approved:,}",
            f"{phase.declined:,}",
            f"{phase.technical:,}",
            f"{phase.unknown:,}",
            share(phase.technical_success),
            millis(phase.p99_ms),
        ]
        for phase in result.phases
    ]


def _breaks(result: Result) -> Rows:
    currency = result.chain.currency
    return [
        [
            f"{group.caller} → {group.callee} ({group.operation})",
            failure_name(group.failure, group.code),
            ", ".join(group.faults) or "no fault",
            f"{group.payments:,}",
            written(group.amount, currency),
        ]
        for group in result.breaks[:MAX_ROWS]
    ]


def _fallbacks(result: Result) -> Rows:
    return [
        [
            fallback.call,
            f"{spaced(fallback.kind)} {fallback.to}",
            f"{fallback.activations:,}",
            share(fallback.success),
            moment(fallback, "detection_s"),
            moment(fallback, "failover_s"),
            moment(fallback, "failback_s"),
        ]
        for fallback in used_fallbacks(result)
    ]


def _money(result: Result) -> Rows:
    currency = result.chain.currency
    return [
        [rule.title, f"{rule.findings:,}", written(rule.amount, currency), _RULES[rule.passed]]
        for rule in result.money.rules
    ]


def _money_findings(result: Result) -> Rows:
    return [
        [finding.payment, finding.text, "; ".join(finding.references) or "none"]
        for rule in result.money.rules
        for finding in rule.payments[:MAX_PER_RULE]
    ][:MAX_ROWS]
