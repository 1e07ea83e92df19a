"""Rows of the page's tables that are not in result.json as they stand."""

from __future__ import annotations

from dataclasses import dataclass

from harness.analysis.measured import FallbackMeasure
from harness.report.panels import start_of
from harness.report.result import Result
from harness.report.scale import bucket_width
from harness.report.wording import moment

MOST_ROWS = 120  # of the numbers behind the timeline


@dataclass(frozen=True)
class FallbackRow:
    """A fallback that is declared, with its measure when it was used."""

    call: str
    kind: str
    to: str
    used: FallbackMeasure | None


@dataclass(frozen=True)
class SecondsRow:
    """Some seconds of the run: sums of counts, extremes of measures."""

    label: str
    offered: int
    success: float | None  # of all payments in the row
    worst: float | None  # of any one second
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    fallbacks: int


@dataclass(frozen=True)
class FaultRow:
    """A fault against its plan, on the page's clock."""

    id: str
    text: str
    planned: str
    took_effect: str
    healed: str
    hits: str
    back: str  # to normal, after its own heal
    errors: str


def fallback_rows(result: Result) -> list[FallbackRow]:
    """What was used, then what is declared and was not."""
    used = {(one.call, one.kind, one.to): one for one in result.fallbacks if one.activations}
    declared = [(one.call, one.kind, one.to) for one in result.chain.fallbacks]
    return [
        *(FallbackRow(*key, one) for key, one in used.items()),
        *(FallbackRow(*key, None) for key in declared if key not in used),
    ]


def seconds_rows(result: Result) -> tuple[int, list[SecondsRow]]:
    """Seconds per row, and the rows: at most MOST_ROWS."""
    wide = bucket_width(len(result.seconds), MOST_ROWS)
    rows = []
    for start in range(0, len(result.seconds), wide):
        some = result.seconds[start : start + wide]
        offered = sum(one.offered for one in some)
        shares = [one.succeeded / one.offered for one in some if one.offered]
        rows.append(
            SecondsRow(
                f"{some[0].at_s}" if wide == 1 else f"{some[0].at_s} to {some[-1].at_s}", offered,
                sum(one.succeeded for one in some) / offered if offered else None,
                min(shares, default=None),
                _most([one.p50_ms for one in some]), _most([one.p95_ms for one in some]),
                _most([one.p99_ms for one in some]),
                sum(sum(one.fallbacks.values()) for one in some),
            )
        )  # fmt: skip
    return wide, rows


def fault_rows(result: Result) -> list[FaultRow]:
    """Planned against proved, for each fault."""
    start_s = start_of(result)
    rows = []
    for one in result.faults:
        lasts = one.planned_heal_s - one.planned_s
        planned = f"{one.planned_s - start_s:.1f} s, for {lasts:g} s"
        applied, healed = "never", "not healed"
        if one.applied_s is not None:
            late_ms = (one.applied_s - one.planned_s) * 1000
            applied = f"{one.applied_s - start_s:.1f} s ({late_ms:.0f} ms late)"
        if one.healed_s is not None:
            healed = f"{one.healed_s - start_s:.1f} s"
        hits = "the engine cannot say"
        if one.hits is not None:
            hits = f"{one.hits:,} {one.hits_unit}"
        back = moment(one, "recovery_s")
        rows.append(
            FaultRow(one.id, one.text, planned, applied, healed, hits, back, "; ".join(one.errors))
        )
    return rows


def _most(values: list[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
