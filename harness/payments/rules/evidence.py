"""What a payment's calls and decisions say beside its movements: the rules' other evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.payments.journal import Decision, DecisionKind, HopRecord, PaymentRecord
from harness.payments.outcome import HopResult
from harness.payments.retry_limits import Presentation

_FOLLOW_UP_ENDS = (DecisionKind.FOLLOW_UP_ACKNOWLEDGED, DecisionKind.FOLLOW_UP_REFUSED)


def presentations(
    customer: PaymentRecord, hops: Sequence[HopRecord], presented_to: frozenset[str]
) -> list[tuple[Presentation, bool]]:
    """Every time the card was presented to its scheme, in order, and whether it was declined."""
    found = [
        (
            Presentation(hop.code, hop.ended_ns, customer.merchant, customer.amount_minor),
            hop.result in (HopResult.DECLINED, HopResult.TECHNICAL),
        )
        for hop in hops
        if hop.operation == "authorise"
        and hop.callee in presented_to
        and hop.result is not HopResult.NOT_TRIED
        and hop.result is not HopResult.REFUSED
    ]
    return sorted(found, key=lambda one: one[0].at_ns) if len(found) > 1 else found


def unresolved(hops: Sequence[HopRecord], decisions: Sequence[Decision]) -> Iterator[str]:
    """Authorisations whose outcome a caller never learnt nor undid.

    Cleared up by a later answer to the same attempt (a query, a repeat, a notification), by the
    caller's own reversal, or by one from further up, which undoes the whole attempt.
    """
    unknown = [hop for hop in hops if hop.operation == "authorise" and hop.result.leaves_unknown]
    if not unknown:
        return
    ends = {
        (one.link, one.target, one.attempt, one.kind)
        for one in decisions
        if one.kind in (DecisionKind.REVERSAL_ACKNOWLEDGED, DecisionKind.REVERSAL_ABANDONED)
    }
    notified = {(one.link, one.attempt) for one in decisions if one.kind is DecisionKind.NOTIFIED}
    for hop in unknown:
        reversed_here = (hop.caller, hop.callee, hop.attempt, DecisionKind.REVERSAL_ACKNOWLEDGED)
        of_attempt = {kind for _, _, attempt, kind in ends if attempt == hop.attempt}
        if reversed_here in ends or (hop.caller, hop.attempt) in notified:
            continue
        if of_attempt == {DecisionKind.REVERSAL_ACKNOWLEDGED}:
            continue
        if any(_answers(other, hop) for other in hops):
            continue
        yield f"{hop.caller} → {hop.callee}, attempt {hop.attempt} ({hop.result})"


def _answers(other: HopRecord, unknown: HopRecord) -> bool:
    """A later, final answer to the same attempt from the same link."""
    return (
        other.operation in ("authorise", "query")
        and (other.caller, other.callee, other.attempt)
        == (unknown.caller, unknown.callee, unknown.attempt)
        and other.started_ns >= unknown.started_ns
        and other.result.worked
    )


def unauthenticated(hops: Sequence[HopRecord]) -> Iterator[str]:
    """Authorisations that a caller sent although its last authentication had failed."""
    checks = [hop for hop in hops if hop.operation == "authenticate"]
    if not any(hop.result is HopResult.DECLINED for hop in checks):
        return
    for sent in hops:
        if sent.operation != "authorise" or sent.result is HopResult.NOT_TRIED:
            continue
        before = [
            hop for hop in checks if hop.caller == sent.caller and hop.ended_ns <= sent.started_ns
        ]
        last = max(before, key=lambda hop: hop.ended_ns, default=None)
        if last is not None and last.result is HopResult.DECLINED:
            yield f"{sent.caller} → {sent.callee}, attempt {sent.attempt}"


def unsettled(decisions: Sequence[Decision]) -> Iterator[str]:
    """Captures, refunds and advices that were sent, and neither acknowledged nor refused."""
    sent: dict[tuple[str, str, str], str] = {}
    for one in decisions:
        key = (one.link, one.operation, one.detail.partition(" after ")[0])
        if one.kind is DecisionKind.FOLLOW_UP_SENT and one.operation != "notify":
            sent[key] = f"{one.operation} of {one.detail} to {one.target}"
        elif one.kind in _FOLLOW_UP_ENDS:
            sent.pop(key, None)
    yield from sent.values()
