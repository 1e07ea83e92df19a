"""Timelines of payments: calls, decisions and money movements of one payment, in time order.

They are read from run.db into result.json, so that every output can show them without run.db.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from paychain.analysis.measures.measures import MoneyFinding, MoneyRule
from paychain.analysis.store.store import RecordedPayment as Recorded
from paychain.analysis.store.store import RunStore
from paychain.payments.codes import RECEIVED
from paychain.payments.journal import Decision, DecisionKind, HopRecord, Movement, PaymentRecord
from paychain.payments.money import written
from paychain.payments.outcome import HopResult, failure_name
from paychain.report.result import PaymentTimeline, Result, TimelineEvent
from paychain.report.text.wording import spaced

MAX_TIMELINES = 20  # of a run: more would only lengthen result.json; run.db has every payment
MAX_PER_RULE = 6
MAX_PER_BREAK = 1
MAX_EVENTS = 80  # of a payment: a drawing with more cannot be read

_KEY_EVENTS = ("money", "customer")
_FAILURES = frozenset(result.value for result in HopResult)
_HAS_DIGIT = re.compile(r"\d")
_ROUTINE = (
    DecisionKind.REVERSAL_ACKNOWLEDGED,
    DecisionKind.QUERY,
    DecisionKind.FOLLOW_UP_DUE,
    DecisionKind.FOLLOW_UP_SENT,
    DecisionKind.FOLLOW_UP_ACKNOWLEDGED,
    DecisionKind.WEBHOOK_ACCEPTED,
    DecisionKind.SIGNED,
    DecisionKind.QUOTED,
    DecisionKind.REPORTED,
    DecisionKind.AGREED,
    DecisionKind.CARD_GIVEN,
)
_FOLLOW_UPS = {
    DecisionKind.FOLLOW_UP_DUE: "due",
    DecisionKind.FOLLOW_UP_SENT: "sent",
    DecisionKind.FOLLOW_UP_ACKNOWLEDGED: "acknowledged",
    DecisionKind.FOLLOW_UP_REFUSED: "refused",
    DecisionKind.FOLLOW_UP_ABANDONED: "abandoned",
    DecisionKind.FOLLOW_UP_CANCELLED: "cancelled",
}
_DECISIONS = {
    DecisionKind.RETRY: "retried",
    DecisionKind.FAILOVER: "failed over",
    DecisionKind.SKIP: "continued without the call",
    DecisionKind.EXEMPT: "continued under an exemption",
    DecisionKind.LAST_KNOWN: "continued with the last known answer",
    DecisionKind.DEFAULT: "continued with its default",
    DecisionKind.LEFT_OUT: "did not wait for the answer of",
    DecisionKind.DECLINE: "declined as a fallback",
    DecisionKind.EXHAUSTED: "had no fallback left",
    DecisionKind.GAVE_UP: "left the outcome unknown",
    DecisionKind.QUERY: "queried the outcome",
    DecisionKind.RESEND: "resent the request",
    DecisionKind.REVERSAL_SENT: "sent a reversal",
    DecisionKind.REVERSAL_ACKNOWLEDGED: "reversal acknowledged",
    DecisionKind.REVERSAL_ABANDONED: "abandoned the reversal",
    DecisionKind.BREAKER_REJECTED: "breaker open, call not sent",
    DecisionKind.ANSWER_UNDELIVERABLE: "could not deliver the answer",
    DecisionKind.CARD_GIVEN: "was given the customer's card",
    DecisionKind.AUTHENTICATION_LOST: "sent it without the authentication, not valid there, to",
    DecisionKind.REAUTHENTICATE: "requested a challenge after a soft decline",
    DecisionKind.WEBHOOK_ACCEPTED: "received a webhook",
    DecisionKind.WEBHOOK_DUPLICATE: "recognised a duplicate webhook",
    DecisionKind.WEBHOOK_REJECTED: "rejected a webhook",
    DecisionKind.DUPLICATE_REFUSED: "refused as a duplicate",
    DecisionKind.BOOKED_PAID: "has the order as paid in its books",
    DecisionKind.BOOKED_UNPAID: "does not have the order as paid in its books",
    DecisionKind.KEY_REUSED: "sent the idempotency key of another payment to",
    DecisionKind.KEY_SHARED: "was sent another request under a key that it knows, by",
    DecisionKind.REPEATED_WITHOUT_KEY: "sent it again without an idempotency key to",
    DecisionKind.CAPTURED_AGAIN: "sent a further capture of the same money to",
    DecisionKind.REFUNDED_AGAIN: "refunded the same money once more at",
    DecisionKind.SIGNED: "signed a transfer for",
    DecisionKind.REPLACED: "offered a higher fee for",
    DecisionKind.RENEWED: "signed again what had expired:",
    DecisionKind.REVERTED: "put a transfer into a block as a failed one",
    DecisionKind.REVERT_UNDONE: "replaced the block of a failed transfer",
    DecisionKind.QUOTED: "sells at the price of",
    DecisionKind.REPORTED: "reports from now on",
    DecisionKind.RE_PICKED: "asked another one,",
    DecisionKind.AGREED: "had enough answers",
    DecisionKind.TOO_FEW: "had too few answers",
    DecisionKind.WEBHOOK_FORGED: "sent a webhook with a wrong signature to",
}


def with_timelines(result: Result, store: RunStore) -> Result:
    """The result with timelines of the first payments that went wrong, read from run.db."""
    return msgspec.structs.replace(result, timelines=list(timelines(result, store)))


def timelines(result: Result, store: RunStore) -> Iterator[PaymentTimeline]:
    """One payment of each kind of wrong money, then an example of each break, then further ones."""
    for payment, (why, text) in _examples(result).items():
        recorded = store.story(payment)
        if recorded.customer is not None:
            yield _timeline(recorded, recorded.customer, why, text)


def timeline_of(recorded: Recorded) -> PaymentTimeline | None:
    """The timeline of any payment; None when the customer's side has no record of it."""
    payment = recorded.customer
    if payment is None:
        return None
    amount = written(payment.amount_minor, payment.currency)
    return _timeline(
        recorded, payment, f"{amount} at {payment.merchant}", f"customer saw {payment.shown}"
    )


def _examples(result: Result) -> dict[str, tuple[str, str]]:
    """Payments to show, each with why it is shown and what was found."""
    examples: dict[str, tuple[str, str]] = {}
    for rule in result.money.rules:
        for finding in islice(_one_of_each(rule.payments), MAX_PER_RULE):
            examples.setdefault(finding.payment, (_broke(rule), finding.text))
    for group in result.breaks:
        for payment in group.examples[:MAX_PER_BREAK]:
            where = f"{group.caller} → {group.callee}" if group.callee else "no failed hop"
            failure = failure_name(group.failure, group.code)
            examples.setdefault(payment, (f"Broke at {where}", failure))
    for rule in result.money.rules:
        for finding in rule.payments[:MAX_PER_RULE]:
            examples.setdefault(finding.payment, (_broke(rule), finding.text))
    return dict(list(examples.items())[:MAX_TIMELINES])


def _broke(rule: MoneyRule) -> str:
    return f"Broke the rule “{rule.title}”"


def _one_of_each(findings: Sequence[MoneyFinding]) -> Iterator[MoneyFinding]:
    """The first finding of each kind: what differs in amounts and ids alone is of one kind."""
    kinds = set()
    for finding in findings:
        words = tuple(word for word in finding.text.split() if not _HAS_DIGIT.search(word))
        if words not in kinds:
            kinds.add(words)
            yield finding


def _timeline(recorded: Recorded, payment: PaymentRecord, why: str, text: str) -> PaymentTimeline:
    start_ns = payment.intended_ns
    # Code 00 is "approved": it would only repeat the word before it.
    code = f" {payment.code}" if payment.code not in ("", "00") else ""
    customer_saw = payment.shown + code
    events = [
        *(_call_event(hop, start_ns) for hop in recorded.hops),
        *(_money_event(movement, start_ns) for movement in recorded.movements),
        *(_decision_event(decision, start_ns) for decision in recorded.decisions),
        TimelineEvent(
            at_ms=_since(start_ns, payment.ended_ns),
            kind="customer",
            link="customer",
            text=f"saw {customer_saw}",
            is_bad=payment.technical,
        ),
    ]
    events.sort(key=lambda event: event.at_ms)
    return PaymentTimeline(
        payment=payment.payment,
        why=why,
        text=text,
        amount=payment.amount_minor,
        card=payment.instrument,
        customer_saw=customer_saw,
        events=_that_fit(events),
        omitted=max(0, len(events) - MAX_EVENTS),
    )


def _that_fit(events: list[TimelineEvent]) -> list[TimelineEvent]:
    """At most MAX_EVENTS: what shows that it went wrong, however late, and the first others."""
    if len(events) <= MAX_EVENTS:
        return events
    by_weight = sorted(events, key=lambda event: (event.kind not in _KEY_EVENTS, not event.is_bad))
    kept = {id(event) for event in by_weight[:MAX_EVENTS]}
    return [event for event in events if id(event) in kept]


def _since(start_ns: int, at_ns: int) -> float:
    """Milliseconds since the intended start."""
    return round((at_ns - start_ns) / 1e6, 1)


def _call_event(hop: HopRecord, start_ns: int) -> TimelineEvent:
    attempt = f", attempt {hop.try_number}" if hop.try_number > 1 else ""
    route = f", route {hop.route + 1}" if hop.route else ""
    result = failure_name(hop.result.value, hop.code)
    # An approval has a code as well, which says nothing more unless it is none yet.
    if hop.result is HopResult.APPROVED:
        result = RECEIVED if hop.code == RECEIVED else hop.result.value
    return TimelineEvent(
        at_ms=_since(start_ns, hop.started_ns),
        kind="call",
        link=hop.callee,
        text=f"{hop.caller} → {hop.callee} {hop.operation}{route}{attempt}: {result}",
        is_bad=not hop.result.worked,
        until_ms=_since(start_ns, hop.ended_ns),
    )


def _money_event(movement: Movement, start_ns: int) -> TimelineEvent:
    amount = written(movement.amount_minor, movement.currency)
    return TimelineEvent(
        at_ms=_since(start_ns, movement.at_ns),
        kind="money",
        link=movement.link,
        text=f"{spaced(movement.kind.value)} {amount}, {movement.reference}",
        is_bad=False,
        amount=movement.kind.sign * movement.amount_minor,
    )


def _decision_event(decision: Decision, start_ns: int) -> TimelineEvent:
    return TimelineEvent(
        at_ms=_since(start_ns, decision.at_ns),
        kind="decision",
        link=decision.link,
        text=_decision_text(decision),
        is_bad=decision.kind not in _ROUTINE,
    )


def _decision_text(decision: Decision) -> str:
    if decision.kind is DecisionKind.FAULT_HIT:
        # The id of a script's step has a slash, which no fault's has.
        script, slash, step = decision.detail.rpartition("/")
        if slash:
            return f"affected by step {step} of script {script}"
        return f"affected by fault {decision.detail}"
    text = _DECISIONS.get(decision.kind, spaced(decision.kind.value))
    if decision.kind in _FOLLOW_UPS:
        operation = "webhook" if decision.operation == "notify" else decision.operation
        text = f"{operation} {_FOLLOW_UPS[decision.kind]}"
    if decision.kind is DecisionKind.REFUSED_LATER:
        return f"refused the {decision.operation} that it had received"
    if decision.kind is DecisionKind.FAILOVER:
        text += f" to {decision.target}"
    elif decision.target:
        text += f" ({decision.target})"
    # A failure is named as in all reports; any other detail is for people to read as it is.
    detail = spaced(decision.detail) if decision.detail in _FAILURES else decision.detail
    return f"{text}: {detail}" if detail else text
