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


def customer_span(arrival: Arrival) -> str:
    """The span of the customer's own hop: no link's spans begin with a c."""
    return f"c{arrival.number:015x}"


def request_of(plan: LoadPlan, arrival: Arrival) -> PaymentRequest:
    """The payment as it is sent."""
    return PaymentRequest(
        arrival.payment, arrival.amount_minor, plan.currency, arrival.card, arrival.merchant,
        key=arrival.payment,
    )  # fmt: skip


def patience_s(plan: LoadPlan, intended_ns: int, now_ns: int) -> float:
    """How long the customer still waits: the deadline counts from the intended start."""
    return max(plan.deadline_s - (now_ns - intended_ns) / 1e9, 0.001)


def records_of(
    plan: LoadPlan, arrival: Arrival, intended_ns: int, started_ns: int, ended_ns: int, reply: Reply
) -> tuple[HopRecord, PaymentRecord]:
    """The customer's hop and the payment, once the customer knows or has given up."""
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
    hop = HopRecord(
        arrival.payment, 1, customer_span(arrival), "", CUSTOMER, ENTRY_OPERATION, plan.entry, 0, 1,
        started_ns, ended_ns, reply.result, reply.code,
    )  # fmt: skip
    payment = PaymentRecord(
        arrival.payment, intended_ns, started_ns, ended_ns, outcome, not reply.result.worked,
        "" if broken else reply.code, told, arrival.amount_minor, plan.currency,
        arrival.card.scheme, arrival.card.masked, arrival.merchant,
        reply.answer.decided_by if reply.answer is not None else "",
        reply.result if broken else None, arrival.warm_up,
        reply.answer.amount_minor if reply.answer and outcome is Outcome.APPROVED else 0,
    )  # fmt: skip
    return hop, payment
