"""Traffic, failures and latency of every hop over the whole run, warm-up excluded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from harness.analysis.aggregates import Total
from harness.analysis.histogram import Histogram
from harness.analysis.measured import FEW_PAYMENTS, Break, HopMeasure, millis
from harness.payments.outcome import HopResult

Hop = tuple[str, str, str, int]
"""Caller, operation, callee, route."""


def hop_measures(
    totals: Iterable[Total], over_hops: Mapping[frozenset[Hop], int], broken: Iterable[Break]
) -> list[HopMeasure]:
    """`totals` of executions; `over_hops`: how many payments went over each set of hops."""
    executions: dict[Hop, int] = defaultdict(int)
    latencies: dict[Hop, Histogram] = defaultdict(Histogram)
    failed: dict[Hop, int] = defaultdict(int)
    kept_back: dict[Hop, int] = defaultdict(int)
    sent: dict[tuple[str, str], int] = defaultdict(int)  # by caller and operation: the call
    for total in totals:
        is_warm_up, caller, operation, callee, route, result = total.alike
        if is_warm_up:
            continue
        hop = (caller, operation, callee, route)
        executions[hop] += total.n
        failed[hop] += 0 if HopResult(result).worked else total.n
        if result != HopResult.NOT_TRIED:  # what was not sent took no time and amplifies nothing
            latencies[hop].merge(total.latencies_ns)
            sent[caller, operation] += total.n
        else:
            kept_back[hop] += total.n
    over: dict[Hop, int] = defaultdict(int)
    needed: dict[tuple[str, str], int] = defaultdict(int)
    for hops, n in over_hops.items():
        for hop in hops:
            over[hop] += n
        for call in {hop[:2] for hop in hops}:
            needed[call] += n
    broke: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in broken:
        broke[one.caller, one.operation, one.callee] += one.payments
    measures = []
    for hop, n in sorted(executions.items()):
        p50, p95, p99 = millis(latencies[hop], 0.5, 0.95, 0.99)
        payments_needed = needed[hop[:2]]
        measures.append(
            HopMeasure(
                *hop, n, over[hop], failed[hop], broke[hop[:3]], p50, p95, p99,
                sent[hop[:2]] / payments_needed if payments_needed >= FEW_PAYMENTS else None,
                kept_back[hop],
            )
        )  # fmt: skip
    return measures
