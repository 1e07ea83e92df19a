"""Rows of the page's tables that are derived from result.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paychain.analysis.measures.measures import FaultRun, Second
from paychain.report.drawings.scale import bucket_width
from paychain.report.html.panels import start_of
from paychain.report.result import Result
from paychain.report.text.wording import moment

MAX_ROWS = 120  # of the numbers behind the timeline: more would make the page of a day too large


@dataclass(frozen=True, kw_only=True)
class SecondsRow:
    """A few consecutive seconds of the run: sums of counts, extremes of measures."""

    label: str
    offered: int
    success: float | None  # of all payments in the row
    worst: float | None  # of any single second
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    fallbacks: int


@dataclass(frozen=True, kw_only=True)
class FaultRow:
    """A fault as planned and as observed, as text; times on the page's axis."""

    id: str
    text: str
    planned: str
    took_effect: str
    healed: str
    hits: str
    back: str  # from its heal until back to normal
    errors: str


def seconds_rows(result: Result) -> tuple[int, list[SecondsRow]]:
    """Seconds per row, and the rows: at most MAX_ROWS."""
    width = bucket_width(len(result.seconds), MAX_ROWS)
    return width, [
        _seconds_row(result.seconds[start : start + width])
        for start in range(0, len(result.seconds), width)
    ]


def _seconds_row(seconds: Sequence[Second]) -> SecondsRow:
    first, last = seconds[0].at_s, seconds[-1].at_s
    offered = sum(second.offered for second in seconds)
    shares = [second.succeeded / second.offered for second in seconds if second.offered]
    return SecondsRow(
        label=f"{first}" if first == last else f"{first} to {last}",
        offered=offered,
        success=sum(second.succeeded for second in seconds) / offered if offered else None,
        worst=min(shares, default=None),
        p50_ms=_max([second.p50_ms for second in seconds]),
        p95_ms=_max([second.p95_ms for second in seconds]),
        p99_ms=_max([second.p99_ms for second in seconds]),
        fallbacks=sum(sum(second.fallbacks.values()) for second in seconds),
    )


def fault_rows(result: Result) -> list[FaultRow]:
    """One row for each declared fault."""
    start_s = start_of(result)
    return [_fault_row(fault, start_s) for fault in result.faults]


def _fault_row(fault: FaultRun, start_s: float) -> FaultRow:
    duration_s = fault.planned_heal_s - fault.planned_s
    applied, healed, hits = "never", "not healed", "not reported by the engine"
    if fault.applied_s is not None:
        late_ms = (fault.applied_s - fault.planned_s) * 1000
        applied = f"{fault.applied_s - start_s:.1f} s ({late_ms:.0f} ms late)"
    if fault.healed_s is not None:
        healed = f"{fault.healed_s - start_s:.1f} s"
    if fault.hits is not None:
        hits = f"{fault.hits:,} {fault.hits_unit}"
    return FaultRow(
        id=fault.id,
        text=fault.text,
        planned=f"{fault.planned_s - start_s:.1f} s, for {duration_s:g} s",
        took_effect=applied,
        healed=healed,
        hits=hits,
        back=moment(fault, "recovery_s"),
        errors="; ".join(fault.errors),
    )


def _max(values: list[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
