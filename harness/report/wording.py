"""Numbers as people read them."""

from __future__ import annotations

from harness.analysis.measured import Verdict
from harness.report.result import Result

MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✕", Verdict.INCONCLUSIVE: "–"}
WORDS = {Verdict.PASS: "PASSED", Verdict.FAIL: "FAILED", Verdict.INCONCLUSIVE: "INCONCLUSIVE"}


def share(value: float | None) -> str:
    """`71.3 %`, or that there were too few payments."""
    return "too few payments" if value is None else f"{value * 100:.1f} %"


def seconds(value: float | None, absent: str = "never") -> str:
    """`6.2 s`, `480 ms`."""
    if value is None:
        return absent
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def millis(value: float | None, absent: str = "–") -> str:
    """`480 ms`."""
    return absent if value is None else f"{value:,.0f} ms"


def headline(result: Result) -> str:
    """The verdict as one sentence."""
    if result.verdict is Verdict.PASS:
        return "PASSED: the chain stayed within its tolerances and no money went wrong."
    return f"{WORDS[result.verdict]}: {'; '.join(result.reasons[:3])}."
