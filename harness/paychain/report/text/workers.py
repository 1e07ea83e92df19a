"""Load workers, one line each: share, lag, and how the clocks were aligned."""

from __future__ import annotations

from paychain.analysis.store.facts import WorkerFacts
from paychain.report.result import Result


def worker_lines(result: Result) -> list[tuple[str, str]]:
    """Name and line of every worker; empty when one process made every payment."""
    return [(worker.name, _line(worker)) for worker in result.load.workers]


def _line(worker: WorkerFacts) -> str:
    parts = [f"lost ({worker.lost})"] if worker.lost else []
    parts.append(f"{worker.recorded:,} of {worker.planned:,} payments recorded")
    if worker.lag_p99_ms is not None:
        parts.append(f"{worker.lag_p99_ms:,.1f} ms late (p99)")
    if worker.clock_offset_ms is not None and worker.clock_uncertainty_ms is not None:
        offset = signed(worker.clock_offset_ms)
        parts.append(f"clock {offset} ± {worker.clock_uncertainty_ms:,.2f} ms")
    # A drift inside the uncertainty of its measurement may be none.
    if abs(worker.clock_drift_ms or 0.0) > (worker.clock_drift_uncertainty_ms or 0.0):
        parts.append(f"drift {signed(worker.clock_drift_ms or 0.0)} ms")
    return ", ".join(parts)


def signed(value_ms: float) -> str:
    """A clock difference with its sign; the minus is as wide as the plus."""
    return f"{value_ms:+,.2f}".replace("-", "−")
