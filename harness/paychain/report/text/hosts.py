"""Other machines, one line each: what ran there, and how the clocks were aligned."""

from __future__ import annotations

from paychain.analysis.store.facts import HostFacts
from paychain.declaration.quantity import count
from paychain.report.result import Result
from paychain.report.text.workers import signed


def host_lines(result: Result) -> list[tuple[str, str]]:
    """Name and line of every other machine; empty when the whole run was on one."""
    return [(host.name, _line(host)) for host in result.hosts]


def _line(host: HostFacts) -> str:
    parts = [f"{host.address} ran {', '.join(host.links)}"]
    if host.hops:
        parts.append(f"its fault engine carried {count(len(host.hops), 'hop')} into them")
    clock = f"clock {signed(host.clock_offset_ms)} ± {host.clock_uncertainty_ms:,.2f} ms"
    if host.clock_drift_ms is not None:
        clock += f", drift {signed(host.clock_drift_ms)} ms"
    return "; ".join([*parts, clock])
