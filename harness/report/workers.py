"""One worker in a line: its share, how late it was, and how its clock was aligned."""

from __future__ import annotations

from harness.report.result import Result, WorkerFacts


def worker_lines(result: Result) -> list[tuple[str, str]]:
    """Name and line of every worker; none when one process made every payment."""
    return [(one.name, _line(one)) for one in result.load.workers]


def _line(one: WorkerFacts) -> str:
    parts = [f"{one.recorded:,} of {one.planned:,} payments recorded"]
    if one.lag_p99_ms is not None:
        parts.append(f"{one.lag_p99_ms:,.1f} ms late (p99)")
    if one.clock_offset_ms is not None and one.clock_within_ms is not None:
        parts.append(f"clock {signed(one.clock_offset_ms)} ± {one.clock_within_ms:,.2f} ms")
    if abs(one.clock_drift_ms or 0.0) > (one.clock_drift_within_ms or 0.0):
        parts.append(f"drift {signed(one.clock_drift_ms or 0.0)} ms")
    if one.lost:
        parts.insert(0, f"lost ({one.lost})")
    return ", ".join(parts)


def signed(value_ms: float) -> str:
    """A difference of clocks, with a minus that is as wide as a plus."""
    return f"{value_ms:+,.2f}".replace("-", "−")
