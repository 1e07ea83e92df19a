"""The stories of payments: attempts, hops, decisions and money movements on one time line.

They are told from run.db into result.json, so that every output can show them without it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from harness.analysis.store import RunStore
from harness.analysis.store import Story as Recorded
from harness.payments.journal import Decision, DecisionKind, HopRecord, PaymentRecord
from harness.payments.money import written
from harness.payments.outcome import HopResult
from harness.report.result import Moment, Result, Story

STORIES = 20  # told of one run
PER_RULE = 6
PER_BREAK = 1
MOMENTS = 80  # of one payment

_ROUTINE = (
    DecisionKind.REVERSAL_ACKNOWLEDGED, DecisionKind.QUERY, DecisionKind.FOLLOW_UP_SENT,
    DecisionKind.FOLLOW_UP_ACKNOWLEDGED, DecisionKind.NOTIFIED,
)  # fmt: skip
_FOLLOWED = {
    DecisionKind.FOLLOW_UP_SENT: "sent",
    DecisionKind.FOLLOW_UP_ACKNOWLEDGED: "acknowledged",
    DecisionKind.FOLLOW_UP_REFUSED: "refused",
    DecisionKind.FOLLOW_UP_ABANDONED: "given up",
}
_DECIDED = {
    DecisionKind.RETRY: "tried again",
    DecisionKind.FAILOVER: "failed over",
    DecisionKind.SKIP: "went on without it",
    DecisionKind.EXEMPT: "went on under an exemption",
    DecisionKind.DECLINE: "declined instead",
    DecisionKind.EXHAUSTED: "had nothing left to try",
    DecisionKind.GAVE_UP: "left the outcome unknown",
    DecisionKind.QUERY: "asked for the outcome",
    DecisionKind.RESEND: "sent it again",
    DecisionKind.REVERSAL_SENT: "sent a reversal",
    DecisionKind.REVERSAL_ACKNOWLEDGED: "reversal acknowledged",
    DecisionKind.REVERSAL_ABANDONED: "gave the reversal up",
    DecisionKind.BREAKER_REJECTED: "breaker was open, not sent",
    DecisionKind.ANSWER_UNDELIVERABLE: "answer could not be delivered",
    DecisionKind.REAUTHENTICATE: "asked for a challenge after a soft decline",
    DecisionKind.NOTIFIED: "took a notification",
    DecisionKind.NOTIFICATION_REPEATED: "knew the notification already",
    DecisionKind.NOTIFICATION_REFUSED: "refused a notification",
}


def with_stories(result: Result, store: RunStore) -> Result:
    """The result with the stories of the first payments that went wrong, told from run.db."""
    return msgspec.structs.replace(result, stories=list(stories(result, store)))


def stories(result: Result, store: RunStore) -> Iterator[Story]:
    """Payments that broke a money rule first, then an example of each break."""
    for name, (why, text) in _chosen(result).items():
        recorded = store.story(name)
        if recorded.customer is not None:
            yield _told(recorded.customer, why, text, recorded)


def tell(recorded: Recorded) -> Story | None:
    """The story of any payment of a run; None when the customer's side knows nothing of it."""
    payment = recorded.customer
    if payment is None:
        return None
    asked = written(payment.amount_minor, payment.currency)
    return _told(payment, f"{asked} at {payment.merchant}", f"told {payment.told}", recorded)


def _chosen(result: Result) -> dict[str, tuple[str, str]]:
    """Payments to tell of: each with what it is an example of."""
    found: dict[str, tuple[str, str]] = {}
    for rule in result.money.rules:
        for one in rule.payments[:PER_RULE]:
            found.setdefault(one.payment, (f"Broke the rule “{rule.title}”", one.text))
    for broken in result.breaks:
        for payment in broken.examples[:PER_BREAK]:
            where = f"{broken.caller} → {broken.callee}" if broken.callee else "no failed hop"
            found.setdefault(payment, (f"Broke at {where}", f"{broken.failure} {broken.code}"))
    return dict(list(found.items())[:STORIES])


def _told(payment: PaymentRecord, why: str, text: str, recorded: Recorded) -> Story:
    start_ns = payment.intended_ns

    def since(at_ns: int) -> float:
        return round((at_ns - start_ns) / 1e6, 1)

    moments = [
        Moment(since(hop.started_ns), "call", hop.callee, _call(hop), not hop.result.worked,
               since(hop.ended_ns))
        for hop in recorded.hops
    ]  # fmt: skip
    for move in recorded.movements:
        sign = move.kind.sign
        said = f"{move.kind.value.replace('_', ' ')} {written(move.amount_minor, move.currency)}"
        moments.append(
            Moment(since(move.at_ns), "money", move.link, f"{said}, {move.reference}", False,
                   None, sign * move.amount_minor)
        )  # fmt: skip
    moments += [
        Moment(since(one.at_ns), "decision", one.link, _decided(one), one.kind not in _ROUTINE)
        for one in recorded.decisions
    ]
    told = payment.told + (f" {payment.code}" if payment.code not in ("", "00") else "")
    moments.append(
        Moment(since(payment.ended_ns), "told", "customer", f"told: {told}", payment.technical)
    )
    moments.sort(key=lambda one: one.at_ms)
    return Story(
        payment.payment, why, text.strip(), payment.amount_minor, payment.card, told,
        moments[:MOMENTS], max(0, len(moments) - MOMENTS),
    )  # fmt: skip


def _call(hop: HopRecord) -> str:
    tries = f", try {hop.try_number}" if hop.try_number > 1 else ""
    route = f", route {hop.route + 1}" if hop.route else ""
    ended = hop.result.value.replace("_", " ")
    if hop.code and hop.result is not HopResult.APPROVED:
        ended += f" {hop.code}"
    return f"{hop.caller} → {hop.callee} {hop.operation}{route}{tries}: {ended}"


def _decided(one: Decision) -> str:
    if one.kind is DecisionKind.FAULT_HIT:
        return f"fault {one.detail} acted here"
    said = _DECIDED.get(one.kind, one.kind.value.replace("_", " "))
    if one.kind in _FOLLOWED:
        said = f"{one.operation} {_FOLLOWED[one.kind]}"
    to = f" to {one.target}" if one.kind is DecisionKind.FAILOVER else ""
    if one.target and not to:
        to = f" ({one.target})"
    return f"{said}{to}" + (f": {one.detail}" if one.detail else "")
