"""What a payment's calls and decisions show beside its movements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from paychain.payments.journal import (
    DELIVERED_AS,
    Decision,
    DecisionKind,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Verb,
)
from paychain.payments.outcome import HopResult, Outcome, Proof
from paychain.payments.retry_limits import Presentation
from paychain.payments.rules.authorisation import Authorisation
from paychain.payments.rules.position import REPEAT

MOVES = ("authorise", "transfer")
# How the detail of a refused duplicate ends whose original is somebody else's.
OF_ANOTHER_ORDER = ", of another order"
_REVERSAL_ENDS = (DecisionKind.REVERSAL_ACKNOWLEDGED, DecisionKind.REVERSAL_ABANDONED)


def approved_by(entry: Authorisation, calls: Sequence[HopRecord]) -> Iterator[HopRecord]:
    """The calls by which an authorisation came to be known as approved, from its decider up.

    `calls`: the payment's authorisations, however they were answered. Numbers of attempts alone do
    not tell authorisations apart: a gateway's hedge and a processor's failover are both a second
    attempt.
    """
    approvals = [hop for hop in calls if hop.result is HopResult.APPROVED]
    of_decider = [hop for hop in approvals if hop.callee == entry.decided_by]
    climbing = [hop for hop in of_decider if hop.attempt == entry.attempt]
    decider = entry.positions.get(entry.decided_by)
    # A link that approved alone did so under a later number than it was asked under.
    if not climbing and decider is not None and (decider.stood_in or decider.is_stored):
        earlier = [hop for hop in of_decider if hop.attempt < entry.attempt]
        climbing = [max(earlier, key=lambda hop: hop.attempt)] if earlier else []
    # Two links may have asked it under one number for authorisations of their own: whoever booked
    # this one asked for it, even without an answer, and has then found out by a query.
    asked_by_bookers = [
        hop
        for hop in calls
        if hop.callee == entry.decided_by
        and hop.attempt == entry.attempt
        and hop.caller in entry.positions
    ]
    by_bookers = [hop for hop in climbing if hop.caller in entry.positions]
    climbing = by_bookers or asked_by_bookers[-1:] or climbing
    while climbing:
        hop = climbing.pop()
        yield hop
        # A link may have asked under a later number than it was asked under, never an earlier one.
        above = [
            asked for asked in calls if asked.callee == hop.caller and asked.attempt <= hop.attempt
        ]
        # Who booked it without an answer has found out otherwise, by a query or from a refused
        # repeat: then an approval of another link is one of another authorisation.
        known = [asked for asked in above if asked.caller in entry.positions]
        above = known or [
            asked for asked in _by_its_caller(hop, above) if asked.result is HopResult.APPROVED
        ]
        if above:
            climbing.append(
                max(above, key=lambda asked: (asked.result is HopResult.APPROVED, asked.attempt))
            )


def _by_its_caller(hop: HopRecord, above: list[HopRecord]) -> list[HopRecord]:
    """The calls that a hop was made for, every try of them; all where no record says which."""
    own = [asked for asked in above if hop.parent and asked.span == hop.parent]
    if not own:
        return above
    caller, attempt = own[0].caller, own[0].attempt
    return [asked for asked in above if (asked.caller, asked.attempt) == (caller, attempt)]


def knows_original(
    customer: PaymentRecord, decisions: Sequence[Decision], codes: Collection[str]
) -> bool:
    """Whether the customer was declined as a repeat of what was approved for the same order.

    Such a refusal names the original with the amount that it holds. `codes`: by which the chain
    refuses repeats; whoever was shown another one does not know that there was an original.
    """
    is_refused = customer.outcome is Outcome.DECLINED and customer.code in codes
    return is_refused and any(
        decision.kind is DecisionKind.DUPLICATE_REFUSED
        and decision.link == customer.decided_by
        and decision.amount_minor > 0
        and not decision.detail.endswith(OF_ANOTHER_ORDER)
        for decision in decisions
    )


def presentations(
    customer: PaymentRecord, hops: Sequence[HopRecord], presented_to: frozenset[str]
) -> list[tuple[Presentation, bool]]:
    """Every time the card was presented to its scheme, in order, and whether it was declined.

    `presented_to` are the links that count as the scheme. A call that was never sent is none.
    """
    found = [
        (
            Presentation(hop.code, hop.ended_ns, customer.merchant, customer.amount_minor),
            hop.result in (HopResult.DECLINED, HopResult.TECHNICAL),
        )
        for hop in hops
        if hop.operation == "authorise"
        and hop.callee in presented_to
        and hop.result.proves is not Proof.NOT_EXECUTED
    ]
    return sorted(found, key=lambda entry: entry[0].at_ns) if len(found) > 1 else found


def unresolved(hops: Sequence[HopRecord], decisions: Sequence[Decision]) -> Iterator[str]:
    """Authorisations whose outcome a caller neither learnt nor undid, each in words.

    Source: docs/domain.md §1.4.
    """
    unknown = [hop for hop in hops if hop.operation == "authorise" and hop.result.leaves_unknown]
    if not unknown:
        return
    reversals = {
        (decision.link, decision.target, decision.attempt, decision.kind)
        for decision in decisions
        if decision.kind in _REVERSAL_ENDS
    }
    by_webhook = {
        (decision.link, decision.attempt)
        for decision in decisions
        if decision.kind is DecisionKind.WEBHOOK_ACCEPTED
    }
    # There are four ways to resolve an unknown outcome.
    for hop in unknown:
        # 1. The caller's own reversal was acknowledged.
        own = (hop.caller, hop.callee, hop.attempt, DecisionKind.REVERSAL_ACKNOWLEDGED)
        if own in reversals:
            continue
        # 2. A webhook brought the outcome.
        if (hop.caller, hop.attempt) in by_webhook:
            continue
        # 3. A link further up reversed the whole attempt, and no reversal of it was abandoned.
        ends = {kind for _, _, attempt, kind in reversals if attempt == hop.attempt}
        if ends == {DecisionKind.REVERSAL_ACKNOWLEDGED}:
            continue
        # 4. A query or a repeat of the same attempt was answered later.
        if any(_answers(other, hop) for other in hops):
            continue
        yield f"{hop.caller} → {hop.callee}, attempt {hop.attempt} ({hop.result})"


def _answers(other: HopRecord, unknown: HopRecord) -> bool:
    """Whether a hop brought a later, final answer to the same attempt from the same link."""
    return (
        other.operation in ("authorise", "query")
        and (other.caller, other.callee, other.attempt)
        == (unknown.caller, unknown.callee, unknown.attempt)
        and other.started_ns >= unknown.started_ns
        and other.result.worked
    )


def unauthenticated(hops: Sequence[HopRecord]) -> Iterator[str]:
    """Authorisations that a caller sent although its last authentication had failed, in words.

    Source: docs/domain.md §1.2.
    """
    checks = [hop for hop in hops if hop.operation == "authenticate"]
    if not any(hop.result is HopResult.DECLINED for hop in checks):
        return
    for sent in hops:
        if sent.operation != "authorise" or sent.result is HopResult.NOT_TRIED:
            continue
        # A later authentication may have passed (a challenge after a soft decline): the last
        # answer before the authorisation decides.
        before = [
            check
            for check in checks
            if check.caller == sent.caller and check.ended_ns <= sent.started_ns
        ]
        last = max(before, key=lambda check: check.ended_ns, default=None)
        if last is not None and last.result is HopResult.DECLINED:
            yield f"{sent.caller} → {sent.callee}, attempt {sent.attempt}"


def opened(
    hops: Sequence[HopRecord],
    decisions: Sequence[Decision],
    closed: Mapping[str, Mapping[str, str]],
) -> Iterator[str]:
    """Authorisations and transfers that a link sent without a call that must fail closed, in words.

    `closed`: by link, the names of those calls, with what each gives. The last answer to the call
    before the money moves decides, or that the link went on without one.
    """
    for sent in hops:
        if sent.operation not in MOVES or sent.result is HopResult.NOT_TRIED:
            continue
        for name, gives in closed.get(sent.caller, {}).items():
            passed_ns = max(
                (
                    hop.ended_ns
                    for hop in hops
                    if (hop.caller, hop.operation) == (sent.caller, name)
                    and hop.result is HopResult.APPROVED
                    and hop.ended_ns <= sent.started_ns
                ),
                default=-1,
            )
            went_on_ns = max(
                (
                    decision.at_ns
                    for decision in decisions
                    if (decision.link, decision.operation) == (sent.caller, name)
                    and decision.kind is DecisionKind.SKIP
                    and decision.at_ns <= sent.started_ns
                ),
                default=-1,
            )
            if passed_ns < 0 or went_on_ns > passed_ns:
                yield f"{sent.caller} → {sent.callee}, attempt {sent.attempt}, without {gives}"


def renamed(
    decisions: Sequence[Decision], movements: Sequence[Movement]
) -> dict[tuple[str, str], str]:
    """What was stored under one reference and delivered under another: see `Renamed`.

    The link that stored it, and those in front of it, have booked it under the first. A target that
    had to reverse earlier deliveries authorised it under a reference of its own. Where what it made
    of the last delivery was undone, and what it made of an earlier one was not, that one counts.
    """
    # By link and stored reference. Their attempts do not tell them apart: a relay books what it
    # stored as the attempt that it was asked for, and delivers it as a later one of its own.
    delivered = {
        (decision.link, before.partition(" ")[2]): after
        for decision in decisions
        if decision.kind is DecisionKind.QUEUE_DELIVERED
        for before, is_other, after in (decision.detail.partition(DELIVERED_AS),)
        if is_other
    }
    if not delivered:
        return {}
    stands_as = {
        (movement.reference, movement.link): _stands_as(
            movement, _settled_as(reference, delivered), movements
        )
        for movement in movements
        if movement.kind is MovementKind.STORED
        and (reference := delivered.get((movement.link, movement.reference)))
    }
    return {stored: name for stored, name in stands_as.items() if name != stored[0]}


def _stands_as(stored: Movement, settled_as: str, movements: Sequence[Movement]) -> str:
    """Under which reference links behind the store have it: mostly as it was delivered.

    An earlier delivery, whose answer was lost, may have authorised it, under its own reference or
    as a repeat. Where a webhook tells a gateway of the last one under a name that it does not know,
    the gateway reverses that.
    """
    behind = [move for move in movements if move.decided_by != stored.link]
    captured = {move.reference for move in behind if move.kind.verb is Verb.MOVE}
    for name in dict.fromkeys(move.reference for move in behind):
        is_earlier = name == stored.reference or name.startswith(f"{stored.reference}{REPEAT}")
        if name == settled_as or not is_earlier or not _is_left(name, behind):
            continue
        # What the merchant captured says which of two it has, however much another one holds.
        is_captured = name in captured and settled_as not in captured
        if is_captured or not _is_left(settled_as, behind):
            return name
    return settled_as


def _is_left(reference: str, movements: Iterable[Movement]) -> bool:
    """Whether any link has approved it and not undone it; an end of its hold undoes nothing."""
    left: Counter[str] = Counter()
    for move in movements:
        if move.reference != reference:
            continue
        if move.kind.verb is Verb.HOLD:
            left[move.link] += move.amount_minor
        elif move.kind is MovementKind.VOIDED:
            left[move.link] -= move.amount_minor
    return any(amount_minor > 0 for amount_minor in left.values())


def _settled_as(reference: str, delivered: Mapping[tuple[str, str], str]) -> str:
    """Under which reference it is in the end: whoever it was delivered to may store it as well."""
    known = {reference}
    while True:
        after = {later for (_, stored), later in delivered.items() if stored == reference} - known
        if len(after) != 1:
            return reference
        (reference,) = after
        known.add(reference)
