"""The customer's side of a payment: what is sent, and what is recorded of the answer.

The same for Locust's greenlets and for tasks in virtual time.
"""

from __future__ import annotations

from typing import NamedTuple

from paychain.load.traffic.arrivals import SECOND_PAYER, Arrival, after_decline, again
from paychain.load.traffic.exchange import Try
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.scripted import plan_under
from paychain.model.operations import CUSTOMER, ENTRY_OPERATION
from paychain.payments.chance import draw
from paychain.payments.journal import HopRecord, PaymentRecord
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.envelope import headers_of
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.wire.http import HttpRequest

MIN_WAIT_S = 0.001  # of a try that begins at the end of the customer's patience
PAYMENT_BITS = 40  # of a span's number: the order's; above it which payment of the order


def http_of(dialect: str, request: PaymentRequest, span: str) -> HttpRequest:
    """One payment as bytes, in the dialect of the link that receives it."""
    http = DIALECTS[dialect].ask(ENTRY_OPERATION, request)
    http.headers.update(headers_of(request.payment, span, CUSTOMER))
    # A customer's client names what it sends; links among themselves do not.
    http.headers.setdefault("content-type", "application/json")
    return http


def customer_span(arrival: Arrival, try_number: int = 1) -> str:
    """The span id of one of the customer's own hops; no link's span starts with a c."""
    number = arrival.number + (arrival.nth - 1 << PAYMENT_BITS)
    return f"c{try_number - 1:03x}{number:012x}"


def request_of(plan: LoadPlan, arrival: Arrival) -> PaymentRequest:
    """The payment as it is sent."""
    return PaymentRequest(
        arrival.payment,
        arrival.amount_minor,
        plan.currency,
        arrival.instrument,
        arrival.merchant,
        key=arrival.key or arrival.payment,
        order=arrival.order,
    )


def patience_s(plan: LoadPlan, intended_ns: int, now_ns: int) -> float:
    """How long the customer still waits: the deadline counts from the intended start."""
    return max(plan.deadline_s - (now_ns - intended_ns) / 1e9, MIN_WAIT_S)


def retry_at_ns(plan: LoadPlan, intended_ns: int, tried_ns: int, reply: Reply) -> int | None:
    """When the customer's side tries again after this reply; None when it does not."""
    is_answered = reply.result.worked or reply.result is HopResult.TECHNICAL
    if not plan.retry_same_key or is_answered or reply.in_progress:
        return None
    return _again_ns(plan, intended_ns, tried_ns)


def _again_ns(plan: LoadPlan, intended_ns: int, tried_ns: int) -> int | None:
    """When the customer's side tries again; None when its patience ends before."""
    if plan.retry_after_s is None:
        return None
    again_ns = tried_ns + int(plan.retry_after_s * 1e9)
    return again_ns if again_ns < intended_ns + int(plan.deadline_s * 1e9) else None


def try_s(plan: LoadPlan, intended_ns: int, now_ns: int) -> float:
    """How long one try may take: until it is time to try again, or patience ends."""
    left_s = patience_s(plan, intended_ns, now_ns)
    return left_s if plan.retry_after_s is None else min(left_s, plan.retry_after_s)


def leaves_at_ns(plan: LoadPlan, arrival: Arrival, wanted_ns: int) -> int | None:
    """When the customer of a payment leaves without an answer; None: at the deadline, as most."""
    if not plan.leaves_share:
        return None
    # Further payments of an order are the same customer's, the second payer's are another's.
    payer = arrival.nth // SECOND_PAYER
    if draw(plan.seed, "leaves", arrival.number, payer) >= plan.leaves_share:
        return None
    return wanted_ns + int(plan.leaves_after_s * 1e9)


def hop_of(
    plan: LoadPlan, arrival: Arrival, try_number: int, started_ns: int, ended_ns: int, reply: Reply
) -> HopRecord:
    """One try of the customer."""
    return HopRecord(
        payment=arrival.payment,
        attempt=1,
        span=customer_span(arrival, try_number),
        parent="",
        caller=CUSTOMER,
        operation=ENTRY_OPERATION,
        callee=plan.entries[arrival.entry].link,
        route=0,
        try_number=try_number,
        started_ns=started_ns,
        ended_ns=ended_ns,
        result=reply.result,
        code=reply.code,
    )


def payment_of(
    plan: LoadPlan, arrival: Arrival, intended_ns: int, started_ns: int, ended_ns: int, reply: Reply
) -> PaymentRecord:
    """The payment, once the customer knows or has given up."""
    match reply.result:
        case HopResult.APPROVED:
            outcome, shown = Outcome.APPROVED, "approved"
        case HopResult.DECLINED | HopResult.TECHNICAL:
            outcome, shown = Outcome.DECLINED, "declined"
        case HopResult.REJECTED:  # an error that proves that nothing was done
            outcome, shown = Outcome.DECLINED, "error"
        case HopResult.TIMEOUT:
            outcome, shown = Outcome.UNKNOWN, "no answer"
        case HopResult.UNKNOWN if reply.in_progress:
            outcome, shown = Outcome.UNKNOWN, "pending"
        case _:
            outcome, shown = Outcome.UNKNOWN, "error"
    broken = reply.answer is None
    return PaymentRecord(
        payment=arrival.payment,
        intended_ns=intended_ns,
        started_ns=started_ns,
        ended_ns=ended_ns,
        outcome=outcome,
        technical=not reply.result.worked,
        code="" if broken else reply.code,
        shown=shown,
        amount_minor=arrival.amount_minor,
        currency=plan.currency,
        scheme=arrival.instrument.group,
        instrument=arrival.instrument.masked,
        merchant=arrival.merchant,
        decided_by=reply.answer.decided_by if reply.answer is not None else "",
        error=reply.result if broken else None,
        warm_up=arrival.warm_up,
        approved_minor=reply.answer.amount_minor
        if reply.answer and outcome is Outcome.APPROVED
        else 0,
        order=arrival.order,
        order_minor=arrival.order_minor,
    )


class NextPayment(NamedTuple):
    """One more payment of an order. `wanted_ns`: when the customer began to want it."""

    arrival: Arrival
    intended_ns: int
    wanted_ns: int


class CustomerPayment:
    """A customer who pays once: tries, and tries again as long as patience lasts.

    It never waits and never sends; a driver does both, under gevent or asyncio::

        while True:
            reply = ...  # what came back for payment.start_try(now_ns)
            hop = payment.end_try(reply, now_ns)
            if payment.retry_ns is None:
                break
            ...  # wait until then
        record = payment.record(now_ns)
        further = payment.another()  # a customer who orders again: wait, then pay this, too
    """

    def __init__(
        self,
        plan: LoadPlan,
        arrival: Arrival,
        intended_ns: int,
        began_ns: int,
        wanted_ns: int | None = None,
    ) -> None:
        """`wanted_ns`: when the customer began to want the order, where that was before."""
        plan = plan_under(plan, arrival.script)
        self._wanted_ns = intended_ns if wanted_ns is None else wanted_ns
        self.retry_ns: int | None = None  # None: the customer knows, or has given up
        self._leaves_ns = leaves_at_ns(plan, arrival, self._wanted_ns)  # None: stays
        self._left_ns: int | None = None  # when the customer left, None before
        self._plan, self._arrival = plan, arrival
        self._request = request_of(plan, arrival)
        self._intended_ns, self._began_ns = intended_ns, began_ns
        self._tries, self._tried_ns, self._ended_ns = 0, began_ns, began_ns
        self._reply: Reply | None = None  # to the last try

    def start_try(self, now_ns: int) -> Try:
        """What to send, and how long to wait for the reply."""
        self._tries += 1
        self._tried_ns = now_ns
        if self._left_ns is not None:
            return self._look()
        leaves_s = float("inf")
        if self._leaves_ns is not None:
            leaves_s = max((self._leaves_ns - now_ns) / 1e9, MIN_WAIT_S)
        return Try(
            self._request,
            customer_span(self._arrival, self._tries),
            min(try_s(self._plan, self._wanted_ns, now_ns), leaves_s),
            self._plan.entries[self._arrival.entry],
            number=self._tries,
            patience_s=min(patience_s(self._plan, self._wanted_ns, now_ns), leaves_s),
            lingers_s=self._plan.lingers_s,
            named_share=self._plan.named_share,
        )

    def _look(self) -> Try:
        """The customer is back: a look at the payment, with the patience of a new visit."""
        return Try(
            self._request,
            customer_span(self._arrival, self._tries),
            self._plan.deadline_s,
            self._plan.entries[self._arrival.entry],
            number=self._tries,
            patience_s=self._plan.deadline_s,
            is_look=True,
        )

    def end_try(self, reply: Reply, now_ns: int) -> HopRecord:
        """Note what came back; the record of the try."""
        self._reply, self._ended_ns = reply, now_ns
        self.retry_ns = None
        # A second look is none: who comes back leaves for good.
        if self._left_ns is None:
            self.retry_ns = retry_at_ns(self._plan, self._wanted_ns, self._tried_ns, reply)
            self._leave(reply, now_ns)
        return hop_of(self._plan, self._arrival, self._tries, self._tried_ns, now_ns, reply)

    def _leave(self, reply: Reply, now_ns: int) -> None:
        """Leave, unless there is an answer or time for another try; maybe to come back."""
        leaves_ns = self._leaves_ns
        is_answered = reply.answer is not None and not reply.in_progress
        if leaves_ns is None or is_answered or reply.result is HopResult.REJECTED:
            return
        # Until then the customer tries again as everybody; a page in progress is looked at.
        stays_ns = leaves_ns - int(MIN_WAIT_S * 1e9)
        if (self.retry_ns or now_ns) < stays_ns and not reply.in_progress:
            return
        self._left_ns = now_ns
        returns_s = self._plan.returns_after_s
        self.retry_ns = None if returns_s is None else leaves_ns + int(returns_s * 1e9)

    def another(self) -> NextPayment | None:
        """The customer's next payment of the order; None when there is none.

        Who saw neither an approval nor a business decline orders again, where the chain says so;
        who saw a decline, where a script does.
        """
        assert self._reply is not None, "no try has ended"
        return self._ordered_again() or self._after_decline()

    def _after_decline(self) -> NextPayment | None:
        """What somebody pays who was told that the payment is declined: once, with new patience."""
        assert self._reply is not None, "no try has ended"
        is_declined = self._reply.result in (HopResult.DECLINED, HopResult.TECHNICAL)
        after_s = self._plan.pays_again_s
        if after_s is None or not is_declined or self._arrival.is_after_decline:
            return None
        if self._left_ns is not None:
            return None
        again_ns = self._ended_ns + int(after_s * 1e9)
        return NextPayment(after_decline(self._plan, self._arrival), again_ns, again_ns)

    def _ordered_again(self) -> NextPayment | None:
        assert self._reply is not None, "no try has ended"
        # A customer who sees that a payment is in progress waits for it.
        if self._plan.retry_same_key or self._reply.result.worked or self._reply.in_progress:
            return None
        if self._left_ns is not None:
            return None
        again_ns = _again_ns(self._plan, self._wanted_ns, self._tried_ns)
        if again_ns is None or (self._leaves_ns is not None and again_ns >= self._leaves_ns):
            return None
        return NextPayment(again(self._arrival), again_ns, self._wanted_ns)

    def record(self, now_ns: int) -> PaymentRecord:
        """The payment, once there is no further try."""
        assert self._reply is not None, "no try has ended"
        assert self.retry_ns is None, "a further try is due"
        # A customer who left waited until then, however long it took to come back.
        ended_ns = now_ns if self._left_ns is None else self._left_ns
        return payment_of(
            self._plan, self._arrival, self._intended_ns, self._began_ns, ended_ns, self._reply
        )
