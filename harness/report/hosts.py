"""Another machine in a line: what ran there, and how its clock was aligned."""

from __future__ import annotations

from harness.report.result import HostFacts, Result
from harness.report.wording import count
from harness.report.workers import signed


def host_lines(result: Result) -> list[tuple[str, str]]:
    """Name and line of every machine beside the run's own; none when all ran there."""
    return [(one.name, _line(one)) for one in result.hosts]


def _line(one: HostFacts) -> str:
    parts = [f"{one.address} ran {', '.join(one.links)}"]
    if one.hops:
        parts.append(f"a fault engine there on the {count(len(one.hops), 'hop')} into them")
    parts.append(f"clock {signed(one.clock_offset_ms)} ± {one.clock_within_ms:,.2f} ms")
    if one.clock_drift_ms is not None:
        parts.append(f"{signed(one.clock_drift_ms)} ms more at the end")
    return "; ".join(parts)
