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


class _Executions:
    """What was executed, by hop: counts that are added from totals, or taken off one by one."""

    def __init__(self) -> None:
        self.all: dict[Hop, int] = defaultdict(int)
        self.failed: dict[Hop, int] = defaultdict(int)
        self.short_circuited: dict[Hop, int] = defaultdict(int)
        self.latencies: dict[Hop, Histogram] = defaultdict(Histogram)
        self.sent: dict[Call, int] = defaultdict(int)

    def count(self, hop: Hop, result: str, times: int) -> bool:
        """Count `times` executions with this result; whether they were sent.

        A request that a policy did not send took no time and amplifies nothing: counting it would
        make an open breaker look fast and busy.
        """
        self.all[hop] += times
        self.failed[hop] += 0 if HopResult(result).worked else times
        if result == HopResult.NOT_TRIED:
            self.short_circuited[hop] += times
            return False
        self.sent[hop[:2]] += times
        return True


@measure("executions of hops")
def executions(run: MeasuredRun) -> _Executions:
    """Everything after the warm-up."""
    found = _Executions()
    for total in run.store.totals(HopRecord):
        is_warm_up, caller, operation, callee, route, result = total.alike
        hop = (caller, operation, callee, route)
        if not is_warm_up and found.count(hop, result, total.n):
            found.latencies[hop].merge(total.latencies_ns)
    # The totals are kept by time; a capture of a warm-up payment may come at any time.
    for late in late_warm_up_hops(run.store, int(run.times.before_start_s * 1e9)):
        hop = (late.caller, late.operation, late.callee, late.route)
        if found.count(hop, late.result, -1):
            found.latencies[hop].remove(late.took_ns)
    return found


@measure("hops")
def hops(run: MeasuredRun) -> list[HopMeasure]:
    """One measure per hop, in the order of caller, operation, callee and route."""
    executed = run[executions]
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
    for hop, n in sorted(executed.all.items()):
        if not n:  # all of them were of warm-up payments
            continue
        caller, operation, callee, route = hop
        p50, p95, p99 = millis(executed.latencies[hop], 0.5, 0.95, 0.99)
        needed_by = needed[caller, operation]
        is_measurable = needed_by >= MIN_PAYMENTS
        failed, short_circuited = executed.failed[hop], executed.short_circuited[hop]
        assert short_circuited <= failed <= n  # what was not sent did not work either
        measures.append(
            HopMeasure(
                caller=caller,
                operation=operation,
                callee=callee,
                route=route,
                executions=n,
                payments=payments[hop],
                failed=failed,
                broke=broke[caller, operation, callee],
                p50_ms=p50,
                p95_ms=p95,
                p99_ms=p99,
                amplification=executed.sent[caller, operation] / needed_by
                if is_measurable
                else None,
                short_circuited=short_circuited,
            )
        )
    return measures
