"""Where payments broke: the failed hop that has no failed hop below it, on the last attempt.

The hops of a payment form a tree, and a failure travels up it. The lowest failed hop is where the
payment broke; the failures above only pass it on:

    customer ✕ gateway ✕ processor-a ✕ scheme          breaks at processor-a → scheme
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from paychain.analysis.measures.fallback_kinds import GOES_ON
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import Break
from paychain.analysis.measures.recovery import faults
from paychain.analysis.measures.touched import touched
from paychain.payments.journal import ASIDE, Decision, DecisionKind, HopRecord

_ABSORBED = GOES_ON | {DecisionKind.LEFT_OUT}
EXAMPLES = 5  # payment ids listed for each break
UNEXPLAINED = "unexplained"


class _Point(NamedTuple):
    """Where and how payments broke, and under which faults: the key of one line of the report."""

    caller: str
    operation: str
    callee: str
    failure: str
    code: str
    faults: tuple[str, ...]


@dataclass
class _Broken:
    """The payments that broke at one point so far."""

    payments: int = 0
    amount_minor: int = 0
    examples: list[str] = field(default_factory=list)
    earlier: Counter[str] = field(default_factory=Counter)


def failed_ends(hops: Sequence[HopRecord], decisions: Sequence[Decision] = ()) -> list[HopRecord]:
    """The failed hops of a payment that have no failed hop below them, the last attempt last.

    A hop does not count when a later try of the same call worked, or when its caller went on
    without it (skip, exemption, stand-in) or never waited for it: then it did not fail the payment.
    """
    by_span = {hop.span: hop for hop in hops}
    worked_at_ns: dict[tuple[str, str, str], int] = {}  # latest start that worked, by call
    for hop in hops:
        if hop.result.worked:
            call = (hop.parent, hop.caller, hop.operation)
            worked_at_ns[call] = max(worked_at_ns.get(call, hop.started_ns), hop.started_ns)
    went_on = {
        (decision.link, decision.operation) for decision in decisions if decision.kind in _ABSORBED
    }

    def is_absorbed(hop: HopRecord) -> bool:
        good_ns = worked_at_ns.get((hop.parent, hop.caller, hop.operation))
        has_later_success = good_ns is not None and good_ns >= hop.started_ns
        return has_later_success or (hop.caller, hop.operation) in went_on

    def above(hop: HopRecord) -> Iterator[HopRecord]:
        parent = by_span.get(hop.parent)
        # Bounded by the number of hops: a damaged record could name its own descendant as parent.
        for _ in hops:
            if parent is None:
                return
            yield parent
            parent = by_span.get(parent.parent)

    # A failure below a hop that worked, or that was itself absorbed, never reached the customer.
    failed = [
        hop
        for hop in hops
        if not hop.result.worked
        and hop.operation not in ASIDE
        and not is_absorbed(hop)
        and not any(is_absorbed(parent) or parent.result.worked for parent in above(hop))
    ]
    parents = {parent.span for hop in failed for parent in above(hop)}
    ends = [hop for hop in failed if hop.span not in parents]
    return sorted(ends, key=lambda hop: (hop.attempt, hop.ended_ns))


def break_point(hops: Sequence[HopRecord], decisions: Sequence[Decision] = ()) -> HopRecord | None:
    """The hop a technically failed payment broke at; None when no hop of it failed."""
    ends = failed_ends(hops, decisions)
    return ends[-1] if ends else None


@measure("breaks")
def breaks(run: MeasuredRun) -> list[Break]:
    """Technically failed payments by break point, failure and active faults; most payments first.

    Warm-up excluded. Amounts are minor units.
    """
    found: dict[_Point, _Broken] = defaultdict(_Broken)
    for story in run.store.broken():
        payment = story.customer
        if payment is None or payment.warm_up:
            continue
        active = tuple(
            fault.id
            for fault in run[faults]
            if touched(fault, payment.intended_ns, payment.ended_ns)
        )
        ends = failed_ends(story.hops, story.decisions)
        # Every hop worked and the customer still got no final answer: no hop is to blame.
        if ends:
            last = ends[-1]
            point = _Point(
                last.caller, last.operation, last.callee, last.result.value, last.code, active
            )
        else:
            point = _Point("customer", "pay", "", UNEXPLAINED, payment.code, active)
        tally = found[point]
        tally.payments += 1
        tally.amount_minor += payment.amount_minor
        tally.examples = sorted([*tally.examples, payment.payment])[:EXAMPLES]
        tally.earlier.update(
            f"{hop.caller}.{hop.operation} {hop.callee} {hop.result}" for hop in ends[:-1]
        )
    listed = [_listed(point, tally) for point, tally in found.items()]
    return sorted(
        listed, key=lambda entry: (-entry.payments, entry.caller, entry.callee, entry.failure)
    )


def _listed(point: _Point, tally: _Broken) -> Break:
    return Break(
        caller=point.caller,
        operation=point.operation,
        callee=point.callee,
        failure=point.failure,
        code=point.code,
        phase="during" if point.faults else "outside",
        faults=list(point.faults),
        payments=tally.payments,
        amount=tally.amount_minor,
        examples=tally.examples,
        earlier=dict(sorted(tally.earlier.items())),
    )
