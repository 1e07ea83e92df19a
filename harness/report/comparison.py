"""A comparison with a baseline, for the terminal and for the page."""

from __future__ import annotations

from dataclasses import dataclass

from harness.analysis.compare import Compared, Comparison, Finding

_ORDER: tuple[Finding, ...] = ("regression", "improvement", "same", "too short")
_STYLES: dict[Finding, tuple[str, str]] = {
    "regression": ("✕", "bad-cell"), "improvement": ("✓", "good"), "same": ("=", "none"),
    "too short": ("–", "none"),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the page's table."""

    mark: str
    style: str
    finding: str
    scope: str
    measure: str
    baseline: str
    candidate: str
    difference: str


def comparison_rows(found: Comparison) -> list[Row]:
    """Money rules that differ, then every measure, what became worse first."""
    rows = [
        Row(*_STYLES["regression" if rule.is_regression else "improvement"],
            "regression" if rule.is_regression else "improvement", "money", rule.title.lower(),
            f"{rule.baseline} payments", f"{rule.candidate} payments",
            f"{rule.candidate - rule.baseline:+d}")
        for rule in found.rules
        if rule.candidate != rule.baseline
    ]  # fmt: skip
    for one in sorted(found.measures, key=lambda one: _ORDER.index(one.finding)):
        if one.baseline is not None and one.candidate is not None:
            rows.append(
                Row(*_STYLES[one.finding], one.finding, one.scope, one.measure,
                    _value(one, one.baseline), _value(one, one.candidate), _difference(one))
            )  # fmt: skip
    return rows


def _is_time(one: Compared) -> bool:
    return one.measure in ("p50", "p99")


def _value(one: Compared, value: float) -> str:
    return f"{value:,.0f} ms" if _is_time(one) else f"{100 * value:.2f} %"


def _difference(one: Compared) -> str:
    if one.difference is None or one.low is None or one.high is None:
        return "–"
    unit = "%" if _is_time(one) else "points"
    low, high = 100 * one.low, 100 * one.high
    return f"{100 * one.difference:+.1f} {unit} ({low:+.1f} to {high:+.1f})".replace("-", "−")


def comparison_lines(found: Comparison) -> list[str]:
    """What became worse, what became better, and what was too short to say."""
    lines = [f"beside {found.baseline}"]
    lines += [f"  note: {note}" for note in found.notes]
    worse = found.regressions
    better = [one.text for one in found.measures if one.finding == "improvement"]
    short = sum(one.finding == "too short" for one in found.measures)
    lines += [f"  ✕ worse   {text}" for text in worse]
    lines += [f"  ✓ better  {text}" for text in better]
    same = sum(one.finding == "same" for one in found.measures)
    lines.append(f"  {same} measures the same within chance and margin")
    if short:
        lines.append(f"  {short} too short to judge: run longer, or more often")
    return lines
