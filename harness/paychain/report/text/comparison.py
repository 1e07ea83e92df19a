"""A comparison with baselines, for the terminal and for the page."""

from __future__ import annotations

from dataclasses import dataclass

from paychain.analysis.comparison import Compared, Comparison, Finding
from paychain.declaration.quantity import count

_WORST_FIRST: tuple[Finding, ...] = (
    "regression",
    "improvement",
    "not judged",
    "same",
    "too short",
)
_STYLES: dict[Finding, tuple[str, str]] = {
    "regression": ("✕", "bad-cell"),
    "improvement": ("✓", "good"),
    "not judged": ("–", "none"),
    "same": ("=", "none"),
    "too short": ("–", "none"),
}


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row of the page's table, as text; `style` is the class of its first cell."""

    mark: str
    style: str
    finding: Finding
    scope: str
    measure: str
    baseline: str
    candidate: str
    difference: str


def comparison_rows(comparison: Comparison) -> list[TableRow]:
    """Verdict, tolerances and money rules that differ, then every measure; regressions first."""
    rows = [
        _row(
            item.finding,
            scope="verdict" if item.id == "verdict" else "tolerance",
            measure=item.name if not item.required else f"{item.name} {item.required}",
            baseline=item.baseline,
            candidate=item.candidate,
        )
        for item in comparison.tolerances
        if item.finding in ("regression", "improvement")
    ]
    rows += [
        _row(
            rule.finding,
            scope="money",
            measure=rule.title.lower(),
            baseline=count(rule.baseline, "payment"),
            candidate=count(rule.candidate, "payment"),
            difference=f"{rule.candidate - rule.baseline:+d}".replace("-", "−"),
        )
        for rule in comparison.rules
        if rule.differs
    ]
    rows += [
        _row(
            measure.finding,
            scope=measure.scope,
            measure=measure.measure,
            baseline=_value(measure, measure.baseline),
            candidate=_value(measure, measure.candidate),
            difference=_difference(measure),
        )
        for measure in comparison.measures
        if measure.baseline is not None or measure.candidate is not None
    ]
    return sorted(rows, key=lambda row: _WORST_FIRST.index(row.finding))


def comparison_lines(comparison: Comparison) -> list[str]:
    """What became worse, what became better, and how much was too short to judge."""
    findings = [measure.finding for measure in comparison.measures]
    lines = [f"compared with {comparison.baseline}"]
    lines += [f"  ✕ worse   {text}" for text in comparison.regressions]
    lines += [f"  ✓ better  {text}" for text in comparison.improvements]
    lines += [
        f"  – {measure.text}: not judged, because more payments failed"
        for measure in comparison.measures
        if measure.finding == "not judged" and measure.difference is not None
    ]
    lines += [
        f"  – {rule.text}: not judged, because a run ended before it could be"
        for rule in comparison.rules
        if rule.differs and not rule.is_judged
    ]
    lines += [
        f"  = {rule.text}: within chance variation between runs"
        for rule in comparison.rules
        if rule.differs and rule.is_chance
    ]
    lines.append(
        f"  {count(findings.count('same'), 'measure')} unchanged (within chance and margin)"
    )
    if too_short := findings.count("too short"):
        lines.append(
            f"  {count(too_short, 'measure')} with too few payments to tell: they do not differ by "
            "20 points or twice the latency; smaller differences need a longer run or more runs"
        )
    lines += [f"  note: {note}" for note in comparison.notes]
    return lines


def _row(
    finding: Finding,
    *,
    scope: str,
    measure: str,
    baseline: str,
    candidate: str,
    difference: str = "",
) -> TableRow:
    mark, style = _STYLES[finding]
    return TableRow(
        mark=mark,
        style=style,
        finding=finding,
        scope=scope,
        measure=measure,
        baseline=baseline,
        candidate=candidate,
        difference=difference,
    )


def _is_time(measure: Compared) -> bool:
    return measure.measure in ("p50", "p99")


def _value(measure: Compared, value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,.0f} ms" if _is_time(measure) else f"{100 * value:.2f} %"


def _difference(measure: Compared) -> str:
    if measure.difference is None or measure.low is None or measure.high is None:
        return "–"
    unit = "%" if _is_time(measure) else "points"
    low, high = 100 * measure.low, 100 * measure.high
    text = f"{100 * measure.difference:+.1f} {unit} ({low:+.1f} to {high:+.1f})"
    return text.replace("-", "−")
