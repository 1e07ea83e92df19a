"""Where payments broke: the failed hop that has no failed hop below it, on the last attempt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.analysis.measured import Break, FaultRun, HopMeasure
from harness.analysis.timeline import quantile
from harness.payments.journal import HopRecord, PaymentRecord

EXAMPLES = 5
_REPAIRS = ("void", "query")  # cleaning up is not where a payment breaks


def break_point(hops: Sequence[HopRecord]) -> HopRecord | None:
    """The hop a technically failed payment broke at; None when no hop of it failed."""
    by_span = {hop.span: hop for hop in hops}
    failed = [hop for hop in hops if not hop.result.worked and hop.operation not in _REPAIRS]
    parents = set()
    for hop in failed:
        above = by_span.get(hop.parent)
        while above is not None:
            parents.add(above.span)
            above = by_span.get(above.parent)
    deepest = [hop for hop in failed if hop.span not in parents]
    return max(deepest, key=lambda hop: (hop.attempt, hop.ended_ns), default=None)


def breaks(
    payments: Sequence[PaymentRecord], hops: Sequence[HopRecord], faults: Sequence[FaultRun]
) -> list[Break]:
    """Technically failed payments by break point, failure and the faults that were on."""
    by_payment: dict[str, list[HopRecord]] = defaultdict(list)
    for hop in hops:
        by_payment[hop.payment].append(hop)
    found: dict[tuple[str, str, str, str, str, tuple[str, ...]], list[PaymentRecord]] = defaultdict(
        list
    )
    for payment in payments:
        if not payment.technical:
            continue
        broke_at = break_point(by_payment[payment.payment])
        at_s = payment.intended_ns / 1e9
        done_s = payment.ended_ns / 1e9
        active = tuple(
            one.id
            for one in faults
            if one.applied_s is not None
            and one.applied_s <= done_s
            and (one.healed_s is None or at_s < one.healed_s)
        )
        if broke_at is None:
            key = ("customer", "pay", "", "unexplained", payment.code, active)
        else:
            key = (
                broke_at.caller, broke_at.operation, broke_at.callee, broke_at.result,
                broke_at.code, active,
            )  # fmt: skip
        found[key].append(payment)
    listed = [
        Break(
            *key[:5], "during" if key[5] else "outside", list(key[5]), len(some),
            sum(one.amount_minor for one in some), [one.payment for one in some[:EXAMPLES]],
        )
        for key, some in found.items()
    ]  # fmt: skip
    return sorted(listed, key=lambda one: -one.payments)


def hop_measures(hops: Sequence[HopRecord], broken: Sequence[Break]) -> list[HopMeasure]:
    """Traffic and failures of every hop."""
    grouped: dict[tuple[str, str, str, int], list[HopRecord]] = defaultdict(list)
    for hop in hops:
        grouped[hop.caller, hop.operation, hop.callee, hop.route].append(hop)
    broke: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in broken:
        broke[one.caller, one.operation, one.callee] += one.payments
    measures = []
    for (caller, operation, callee, route), some in grouped.items():
        times = sorted((hop.ended_ns - hop.started_ns) / 1e6 for hop in some)
        payments = len({hop.payment for hop in some})
        measures.append(
            HopMeasure(
                caller, operation, callee, route, len(some), payments,
                sum(not hop.result.worked for hop in some), broke[caller, operation, callee],
                quantile(times, 0.5), quantile(times, 0.95), quantile(times, 0.99),
                len(some) / payments,
            )
        )  # fmt: skip
    return measures
