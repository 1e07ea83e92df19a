"""A run as it would be at best if the machine had never stalled.

Every payment that a stall affected succeeded at once, and no payment waited for a stall:

    payment    |---- 400 ms ----------|    approved      300 ms at best
    stall            |=100 ms=|
    payment       |--x timeout             failed        approved after 0 ms at best

A limit that is broken even so is broken by the chain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from paychain.analysis.measures.hops import hops
from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.measures import HopMeasure
from paychain.analysis.measures.payments import measured, payments
from paychain.analysis.measures.recovery import success
from paychain.analysis.measures.stalls import StallEffects
from paychain.analysis.measures.success_series import CELL_NS, SuccessSeries
from paychain.analysis.store.queries import Cell, calls_of
from paychain.payments.journal import PaymentRecord
from paychain.payments.outcome import Outcome


def at_best(run: MeasuredRun, found: StallEffects) -> MeasuredRun:
    """The same run, in which nothing that stalls affected counts against the chain."""

    def paid() -> Iterator[PaymentRecord]:
        return (without_stalls(payment, found) for payment in run.store.rows(PaymentRecord))

    best = run.with_values({success: SuccessSeries(_cells(paid()), run.times.load_end_s)})
    return best.with_values({payments: measured(best, paid), hops: list(_hops(run, found))})


def without_stalls(payment: PaymentRecord, stalled: StallEffects) -> PaymentRecord:
    """A payment as it was at best."""
    if payment.payment in stalled.payments:
        if payment.technical:
            payment = msgspec.structs.replace(payment, technical=False, outcome=Outcome.APPROVED)
        return msgspec.structs.replace(
            payment, started_ns=payment.intended_ns, ended_ns=payment.intended_ns
        )
    lost_ns = stalled.lost_ns(payment.intended_ns, payment.ended_ns)
    if not lost_ns:
        return payment
    late_ns = stalled.lost_ns(payment.intended_ns, payment.started_ns)
    return msgspec.structs.replace(
        payment, started_ns=payment.started_ns - late_ns, ended_ns=payment.ended_ns - lost_ns
    )


def _cells(paid: Iterable[PaymentRecord]) -> Iterator[Cell]:
    offered: Counter[int] = Counter()
    succeeded: Counter[int] = Counter()
    for payment in paid:
        cell = payment.intended_ns // CELL_NS
        offered[cell] += 1
        succeeded[cell] += not payment.technical
    for cell, number in offered.items():
        yield cell, number, succeeded[cell]


def _hops(run: MeasuredRun, stalled: StallEffects) -> Iterator[HopMeasure]:
    """The hops, with the amplification of the payments that no stall affected."""
    sent: Counter[tuple[str, str]] = Counter()
    needed: Counter[tuple[str, str]] = Counter()
    for payment in stalled.payments:
        for call, number in calls_of(run.store, payment):
            sent[call] += number
            needed[call] += 1
    for hop in run[hops]:
        call = (hop.caller, hop.operation)
        if hop.amplification is None or not needed[call]:
            yield hop
            continue
        # Of a call: its executions sent, over all routes, and the payments that needed it.
        rows = [other for other in run[hops] if (other.caller, other.operation) == call]
        all_sent = sum(other.sent for other in rows)
        all_needed = round(all_sent / hop.amplification) if hop.amplification else 0
        left = all_needed - needed[call]
        best = (all_sent - sent[call]) / left if left > 0 else 1.0
        yield msgspec.structs.replace(hop, amplification=min(best, hop.amplification))
