"""Where payments broke: the failed hop that has no failed hop below it, on the last attempt."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.analysis.fallback_kinds import GOES_ON
from harness.analysis.measured import Break, FaultRun
from harness.analysis.phases import touched
from harness.analysis.store import Story
from harness.payments.journal import ASIDE, Decision, HopRecord

EXAMPLES = 5


@dataclass
class _Broken:
    payments: int = 0
    amount_minor: int = 0
    examples: list[str] = field(default_factory=list)
    earlier: Counter[str] = field(default_factory=Counter)


def failed_ends(hops: Sequence[HopRecord], decisions: Sequence[Decision] = ()) -> list[HopRecord]:
    """The failed hops of a payment that have no failed hop below them, the last attempt last.

    What a later try or a fallback made good is not a failure of the payment.
    """
    by_span = {hop.span: hop for hop in hops}
    made_good: dict[tuple[str, str, str], int] = {}
    for hop in hops:
        if hop.result.worked:
            call = (hop.parent, hop.caller, hop.operation)
            made_good[call] = max(made_good.get(call, hop.started_ns), hop.started_ns)
    went_on = {(one.link, one.operation) for one in decisions if one.kind in GOES_ON}

    def is_absorbed(hop: HopRecord) -> bool:
        good_ns = made_good.get((hop.parent, hop.caller, hop.operation))
        is_made_good = good_ns is not None and good_ns >= hop.started_ns
        return is_made_good or (hop.caller, hop.operation) in went_on

    def above(hop: HopRecord) -> Iterable[HopRecord]:
        parent = by_span.get(hop.parent)
        for _ in hops:  # a circle of parents would be a damaged record
            if parent is None:
                return
            yield parent
            parent = by_span.get(parent.parent)

    failed = [
        hop
        for hop in hops
        if not hop.result.worked
        and hop.operation not in ASIDE
        and not is_absorbed(hop)
        and not any(is_absorbed(one) or one.result.worked for one in above(hop))
    ]
    parents = {one.span for hop in failed for one in above(hop)}
    ends = [hop for hop in failed if hop.span not in parents]
    return sorted(ends, key=lambda hop: (hop.attempt, hop.ended_ns))


def break_point(hops: Sequence[HopRecord], decisions: Sequence[Decision] = ()) -> HopRecord | None:
    """The hop a technically failed payment broke at; None when no hop of it failed."""
    ends = failed_ends(hops, decisions)
    return ends[-1] if ends else None


def breaks(broken: Iterable[Story], faults: Sequence[FaultRun]) -> list[Break]:
    """Technically failed payments by break point, failure and the faults that were on."""
    found: dict[tuple[str, str, str, str, str, tuple[str, ...]], _Broken] = defaultdict(_Broken)
    for story in broken:
        payment = story.customer
        if payment is None or payment.warm_up:
            continue
        on = tuple(one.id for one in faults if touched(one, payment.intended_ns, payment.ended_ns))
        ends = failed_ends(story.hops, story.decisions)
        if ends:
            at = ends[-1]
            key = (at.caller, at.operation, at.callee, at.result.value, at.code, on)
        else:
            key = ("customer", "pay", "", "unexplained", payment.code, on)
        one = found[key]
        one.payments += 1
        one.amount_minor += payment.amount_minor
        one.examples = sorted([*one.examples, payment.payment])[:EXAMPLES]
        one.earlier.update(
            f"{hop.caller}.{hop.operation} {hop.callee} {hop.result}" for hop in ends[:-1]
        )
    listed = [
        Break(
            *key[:5], "during" if key[5] else "outside", list(key[5]), one.payments,
            one.amount_minor, one.examples, dict(sorted(one.earlier.items())),
        )
        for key, one in found.items()
    ]  # fmt: skip
    return sorted(listed, key=lambda one: (-one.payments, one.caller, one.callee, one.failure))
