"""When the records of one payment alone do not decide a rule: it asks for times or other payments.

Used as `beyond` of a rule, see `rule.Rule`. The predicates may be true too often, which costs time,
and never too seldom.
"""

from __future__ import annotations

from paychain.payments.journal import DecisionKind, MovementKind
from paychain.payments.outcome import HopResult
from paychain.payments.rules.rule import PaymentEvidence

_GOES_ON = (DecisionKind.SKIP, DecisionKind.LAST_KNOWN, DecisionKind.DEFAULT)
_LIMITED = (DecisionKind.SKIP, DecisionKind.EXEMPT, DecisionKind.QUEUE)
_WITHOUT_ISSUER = (MovementKind.STOOD_IN, MovementKind.STORED, MovementKind.ADVISED)


def presented_again_after_a_decline(payment: PaymentEvidence) -> bool:
    """A card was presented twice to one link and declined: it matters how long after."""
    presented = [
        (hop.callee, hop.result in (HopResult.DECLINED, HopResult.TECHNICAL))
        for hop in payment.hops
        if hop.operation == "authorise"
    ]
    is_repeated = len(presented) > len({callee for callee, _ in presented})
    return is_repeated and any(is_declined for _, is_declined in presented)


def authentication_failed(payment: PaymentEvidence) -> bool:
    """An authentication failed: it matters whether before or after the authorisation."""
    return any(
        hop.operation == "authenticate" and hop.result is HopResult.DECLINED for hop in payment.hops
    )


def went_on_without_a_call(payment: PaymentEvidence) -> bool:
    """A link went on without a call: it matters whether before the authorisation or after it."""
    return any(decision.kind in _GOES_ON for decision in payment.decisions)


def accepted_without_the_issuer(payment: PaymentEvidence) -> bool:
    """A link approved in the issuer's place: it matters how often it did so before."""
    return any(move.kind in _WITHOUT_ISSUER for move in payment.movements)


def another_amount_in_the_merchants_book(payment: PaymentEvidence) -> bool:
    """The merchant's books have another amount than the order's: it matters which."""
    return any(
        decision.kind is DecisionKind.BOOKED_PAID and decision.detail == "another amount"
        for decision in payment.decisions
    )


def reserved(payment: PaymentEvidence) -> bool:
    """Something was reserved: it matters what else was."""
    return any(move.kind is MovementKind.RESERVED for move in payment.movements)


def freed(payment: PaymentEvidence) -> bool:
    """A reservation was freed: it matters when."""
    return any(move.kind is MovementKind.FREED for move in payment.movements)


def credited(payment: PaymentEvidence) -> bool:
    """A deposit was credited: it matters when."""
    return any(move.kind is MovementKind.CREDITED for move in payment.movements)


def quoted(payment: PaymentEvidence) -> bool:
    """Something was sold at a price: it matters how old that was."""
    return any(decision.kind is DecisionKind.QUOTED for decision in payment.decisions)


def queried(payment: PaymentEvidence) -> bool:
    """A link queried an outcome: it matters how soon."""
    return any(hop.operation == "query" for hop in payment.hops)


def webhook_forged(payment: PaymentEvidence) -> bool:
    """A webhook was signed wrongly: it matters how soon after it one was sent."""
    return any(decision.kind is DecisionKind.WEBHOOK_FORGED for decision in payment.decisions)


def limited_fallback_used(payment: PaymentEvidence) -> bool:
    """A fallback with a limit was used: the payment's amount and times matter."""
    return any(decision.kind in _LIMITED for decision in payment.decisions)
