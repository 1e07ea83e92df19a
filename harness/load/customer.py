"""The customer's side of a payment: what is sent, and what is written down of the answer.

The same for Locust's greenlets and for tasks in virtual time.
"""

from __future__ import annotations

from harness.load.arrivals import Arrival
from harness.load.plan import LoadPlan
from harness.model.chain import CUSTOMER, ENTRY_OPERATION
from harness.payments.journal import HopRecord, PaymentRecord
from harness.payments.outcome import HopResult, Outcome
from harness.services.channel import Reply
from harness.services.message import TRACE_HEADER, PaymentRequest, traceparent

TARGET = f"/{ENTRY_OPERATION}"


def headers_of(request: PaymentRequest, span: str) -> dict[str, str]:
    """The headers of one payment."""
    return {
        TRACE_HEADER: traceparent(request.payment, span),
        "content-type": "application/json",
        "user-agent": CUSTOMER,
    }


def customer_span(arrival: Arrival, try_number: int = 1) -> str:
    """The span of one of the customer's own hops: no link's spans begin with a c."""
    return f"c{try_number - 1:03x}{arrival.number:012x}"


def request_of(plan: LoadPlan, arrival: Arrival) -> PaymentRequest:
    """The payment as it is sent."""
    return PaymentRequest(
        arrival.payment, arrival.amount_minor, plan.currency, arrival.card, arrival.merchant,
        key=arrival.payment,
    )  # fmt: skip


def patience_s(plan: LoadPlan, intended_ns: int, now_ns: int) -> float:
    """How long the customer still waits: the deadline counts from the intended start."""
    return max(plan.deadline_s - (now_ns - intended_ns) / 1e9, 0.001)


def asks_again_ns(plan: LoadPlan, intended_ns: int, asked_ns: int, reply: Reply) -> int | None:
    """When the customer's side asks again after this reply; None when it does not."""
    is_answered = reply.result.worked or reply.result is HopResult.TECHNICAL
    if plan.asks_again_s is None or is_answered:
        return None
    again_ns = asked_ns + int(plan.asks_again_s * 1e9)
    return again_ns if again_ns < intended_ns + int(plan.deadline_s * 1e9) else None


def try_s(plan: LoadPlan, intended_ns: int, now_ns: int) -> float:
    """How long one try may take: until it is time to ask again, or patience ends."""
    left_s = patience_s(plan, intended_ns, now_ns)
    return left_s if plan.asks_again_s is None else min(left_s, plan.asks_again_s)


def hop_of(
    plan: LoadPlan, arrival: Arrival, try_number: int, started_ns: int, ended_ns: int, reply: Reply
) -> HopRecord:
    """One try of the customer."""
    return HopRecord(
        arrival.payment, 1, customer_span(arrival, try_number), "", CUSTOMER, ENTRY_OPERATION,
        plan.entry, 0, try_number, started_ns, ended_ns, reply.result, reply.code,
    )  # fmt: skip


def payment_of(
    plan: LoadPlan, arrival: Arrival, intended_ns: int, started_ns: int, ended_ns: int, reply: Reply
) -> PaymentRecord:
    """The payment, once the customer knows or has given up."""
    match reply.result:
        case HopResult.APPROVED:
            outcome, told = Outcome.APPROVED, "approved"
        case HopResult.DECLINED | HopResult.TECHNICAL:
            outcome, told = Outcome.DECLINED, "declined"
        case HopResult.TIMEOUT:
            outcome, told = Outcome.UNKNOWN, "no answer"
        case _:
            outcome, told = Outcome.UNKNOWN, "error"
    broken = reply.answer is None
    return PaymentRecord(
        arrival.payment, intended_ns, started_ns, ended_ns, outcome, not reply.result.worked,
        "" if broken else reply.code, told, arrival.amount_minor, plan.currency,
        arrival.card.scheme, arrival.card.masked, arrival.merchant,
        reply.answer.decided_by if reply.answer is not None else "",
        reply.result if broken else None, arrival.warm_up,
        reply.answer.amount_minor if reply.answer and outcome is Outcome.APPROVED else 0,
    )  # fmt: skip
