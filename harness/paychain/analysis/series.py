"""A run second by second, as counts that a comparison can test."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from paychain.analysis.measures.histogram import Histogram, middle
from paychain.analysis.measures.measures import Phase
from paychain.analysis.significance import SecondShare
from paychain.analysis.store.store import RunStore
from paychain.payments.journal import HopRecord, PaymentRecord
from paychain.payments.outcome import HopResult

SHARES = {"p50": 0.5, "p99": 0.99}
_WORKED = (HopResult.APPROVED.value, HopResult.DECLINED.value)


@dataclass
class SecondCounts:
    """One second's payments, or executions of one hop. `latencies`: of those that succeeded."""

    total: int = 0
    succeeded: int = 0  # finally answered
    approved: int = 0
    latencies: Histogram = field(default_factory=Histogram)
    stratum: int = 0  # the stretch between two phase boundaries that it lies in

    def add(self, payments: int, latencies: Histogram, *, succeeded: bool, approved: bool) -> None:
        """Count some payments that ended alike."""
        self.total += payments
        if succeeded:
            self.succeeded += payments
            self.approved += payments if approved else 0
            self.latencies.merge(latencies)


@dataclass(frozen=True)
class SecondSeries:
    """The seconds of one phase or hop in one run, without gaps."""

    seconds: Sequence[SecondCounts]

    def cells(self, measure: str, threshold: int = 0) -> list[SecondShare]:
        """What of each second counts as bad: a failure, a decline, or an answer that took longer.

        A latency's threshold is a bucket of the histogram. A failure counts as slower than every
        answer, so that neither refusing payments nor saving them changes what is fast.
        """
        match measure:
            case "technical success" | "failed":
                return [
                    SecondShare(s.total - s.succeeded, s.total, s.stratum) for s in self.seconds
                ]
            case "approval rate":
                return [
                    SecondShare(s.succeeded - s.approved, s.succeeded, s.stratum)
                    for s in self.seconds
                ]
        return [
            SecondShare(s.total - s.succeeded + _slower(s.latencies, threshold), s.total, s.stratum)
            for s in self.seconds
        ]

    def successes(self, threshold: int) -> list[SecondShare]:
        """Which of the answers of each second took longer, among those that succeeded."""
        return [
            SecondShare(_slower(s.latencies, threshold), s.succeeded, s.stratum)
            for s in self.seconds
        ]

    def value(self, measure: str) -> float | None:
        """The measure as a reader sees it: a share of 1, or milliseconds; None without payments."""
        if measure in SHARES:
            quantile_ns = self._latencies().quantiles(SHARES[measure])[0]
            return quantile_ns / 1e6 if quantile_ns is not None else None
        cells = self.cells(measure)
        total = sum(cell.total for cell in cells)
        if not total:
            return None
        bad = sum(cell.bad for cell in cells) / total
        return bad if measure == "failed" else 1 - bad

    def quantile(self, share: float) -> float | None:
        """A latency of those that succeeded, in milliseconds."""
        quantile_ns = self._latencies().quantiles(min(max(share, 0.0), 1.0))[0]
        return quantile_ns / 1e6 if quantile_ns is not None else None

    def _latencies(self) -> Histogram:
        whole = Histogram()
        for second in self.seconds:
            whole.merge(second.latencies)
        return whole


def threshold_of(series: Sequence[SecondSeries], measure: str) -> int | None:
    """The bucket that the quantile of all runs together lies in; None without a success."""
    whole = Histogram()
    for run in series:
        for second in run.seconds:
            whole.merge(second.latencies)
    (found,) = whole.quantiles(SHARES[measure])
    return next((bucket for bucket in whole.counts if middle(bucket) == found), None)


def _slower(latencies: Histogram, threshold: int) -> int:
    return sum(count for bucket, count in latencies.counts.items() if bucket > threshold)


def phase_series(store: RunStore, phases: Sequence[Phase]) -> dict[str, SecondSeries]:
    """The payments of each phase but the warm-up, by the phase's name."""
    seconds: dict[int, SecondCounts] = defaultdict(SecondCounts)
    for total in store.totals(PaymentRecord):
        warm_up, outcome, technical = total.alike
        if not warm_up:
            seconds[total.second].add(
                total.n,
                total.latencies_ns,
                succeeded=not technical,
                approved=outcome == "approved",
            )
    start_s = store.facts().times.load_start_s
    boundaries = _boundaries(phases, start_s)
    found = {}
    for phase in phases:
        if phase.kind != "warm_up":
            first = round(phase.start_s - start_s)
            last = max(first + 1, round(phase.end_s - start_s))
            found[phase.name] = _filled(seconds, range(first, last), boundaries)
    return found


def hop_series(store: RunStore, phases: Sequence[Phase]) -> dict[str, SecondSeries]:
    """The executions of each hop over the whole run, by `caller → callee (operation)`."""
    hops: dict[str, dict[int, SecondCounts]] = defaultdict(lambda: defaultdict(SecondCounts))
    for total in store.totals(HopRecord):
        warm_up, caller, operation, callee, _, result = total.alike
        if not warm_up:
            hops[f"{caller} → {callee} ({operation})"][total.second].add(
                total.n,
                total.latencies_ns,
                succeeded=result in _WORKED,
                approved=False,
            )
    boundaries = _boundaries(phases, store.facts().times.load_start_s)
    return {
        hop: _filled(seconds, range(min(seconds), max(seconds) + 1), boundaries)
        for hop, seconds in hops.items()
    }


def _boundaries(phases: Sequence[Phase], start_s: float) -> list[int]:
    moments = {moment for phase in phases for moment in (phase.start_s, phase.end_s)}
    return sorted({round(moment - start_s) for moment in moments})


def _filled(
    seconds: Mapping[int, SecondCounts], numbers: range, boundaries: Sequence[int]
) -> SecondSeries:
    """The seconds without gaps: one without a payment is a second, too."""
    filled = []
    for number in numbers:
        known = seconds.get(number, SecondCounts())
        filled.append(
            SecondCounts(
                total=known.total,
                succeeded=known.succeeded,
                approved=known.approved,
                latencies=known.latencies,
                stratum=bisect_right(boundaries, number),
            )
        )
    return SecondSeries(filled)
