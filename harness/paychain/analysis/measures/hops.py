"""Traffic, failures and latency of every hop over the whole run, warm-up excluded."""

from __future__ import annotations

from collections import defaultdict

from paychain.analysis.measures.breaks import breaks
from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import MIN_PAYMENTS, HopMeasure, millis
from paychain.analysis.store.queries import late_warm_up_hops, payments_by_hop
from paychain.payments.journal import HopRecord
from paychain.payments.outcome import HopResult

Hop = tuple[str, str, str, int]
"""Caller, operation, callee, route."""
Call = tuple[str, str]
"""Caller and operation: all routes of one declared call."""


@measure("hops")
def hops(run: MeasuredRun) -> list[HopMeasure]:
    """One measure per hop, in the order of caller, operation, callee and route."""
    executions: dict[Hop, int] = defaultdict(int)
    latencies: dict[Hop, Histogram] = defaultdict(Histogram)
    failed: dict[Hop, int] = defaultdict(int)
    short_circuited: dict[Hop, int] = defaultdict(int)
    sent: dict[Call, int] = defaultdict(int)
    for total in run.store.totals(HopRecord):
        is_warm_up, caller, operation, callee, route, result = total.alike
        if is_warm_up:
            continue
        hop = (caller, operation, callee, route)
        executions[hop] += total.n
        failed[hop] += 0 if HopResult(result).worked else total.n
        # A request that a policy did not send took no time and amplifies nothing: counting it would
        # make an open breaker look fast and busy.
        if result == HopResult.NOT_TRIED:
            short_circuited[hop] += total.n
        else:
            latencies[hop].merge(total.latencies_ns)
            sent[caller, operation] += total.n
    # The totals are kept by time; a capture of a warm-up payment may come at any time.
    for late in late_warm_up_hops(run.store, int(run.times.before_start_s * 1e9)):
        hop = (late.caller, late.operation, late.callee, late.route)
        executions[hop] -= 1
        failed[hop] -= not HopResult(late.result).worked
        if late.result == HopResult.NOT_TRIED:
            short_circuited[hop] -= 1
        else:
            latencies[hop].remove(late.took_ns)
            sent[late.caller, late.operation] -= 1
    payments: dict[Hop, int] = defaultdict(int)
    needed: dict[Call, int] = defaultdict(int)
    for taken, n in payments_by_hop(run.store).items():
        for hop in taken:
            payments[hop] += n
        # A payment needs a call once, over however many routes it went.
        for call in {hop[:2] for hop in taken}:
            needed[call] += n
    broke: dict[tuple[str, str, str], int] = defaultdict(int)
    for point in run[breaks]:
        broke[point.caller, point.operation, point.callee] += point.payments
    measures = []
    for hop, n in sorted(executions.items()):
        if not n:  # all of them were of warm-up payments
            continue
        caller, operation, callee, route = hop
        p50, p95, p99 = millis(latencies[hop], 0.5, 0.95, 0.99)
        needed_by = needed[caller, operation]
        is_measurable = needed_by >= MIN_PAYMENTS
        assert short_circuited[hop] <= failed[hop] <= n  # what was not sent did not work either
        measures.append(
            HopMeasure(
                caller=caller,
                operation=operation,
                callee=callee,
                route=route,
                executions=n,
                payments=payments[hop],
                failed=failed[hop],
                broke=broke[caller, operation, callee],
                p50_ms=p50,
                p95_ms=p95,
                p99_ms=p99,
                amplification=sent[caller, operation] / needed_by if is_measurable else None,
                short_circuited=short_circuited[hop],
            )
        )
    return measures
