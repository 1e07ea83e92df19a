"""One target of a call, behind its bulkhead, its deadline and its breaker: send once.

request ─▶ bulkhead ─▶ deadline ─▶ breaker ─▶ Channel.send ─▶ Reply
               └──────────┴───────────┴─ refused: NOT_TRIED ─▶
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import cached_property

from paychain.model.policy import Breaker, Call
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.channel import Channel
from paychain.services.context import Context
from paychain.services.policies import deadline
from paychain.services.policies.breaker import BreakerState, CircuitBreaker
from paychain.services.policies.bulkhead import Compartments

_BREAKER_EVENTS = {
    BreakerState.OPEN: DecisionKind.BREAKER_OPENED,
    BreakerState.HALF_OPEN: DecisionKind.BREAKER_HALF_OPEN,
    BreakerState.CLOSED: DecisionKind.BREAKER_CLOSED,
}
Channels = Mapping[tuple[str, str], Channel]  # by operation and callee; filled when connected


class Route:
    """One operation at one target. `number`: 0 the declared target, n the n-th other.

    A request passes the bulkhead, then the deadline, then the breaker. Each may refuse it: then
    nothing was sent, and what it had taken before (a place, a ticket) is released.

    `propagate_deadline`: the target learns how long its caller waits; a request with less than
    `min_time_left_s` left is not sent. `connect_timeout_s`: a request without a connection by then
    is not sent.
    """

    def __init__(
        self,
        context: Context,
        channels: Channels,
        operation: str,
        target: str,
        *,
        number: int = 0,
        breaker: CircuitBreaker | None = None,
        bulkhead: Compartments | None = None,
        propagate_deadline: bool = False,
        min_time_left_s: float = 0.0,
        connect_timeout_s: float | None = None,
    ) -> None:
        self.operation = operation
        self.target = target
        self.number = number
        self.breaker = breaker
        self._context = context
        self._channels = channels
        self._bulkhead = bulkhead
        self._propagates_deadline = propagate_deadline
        self._min_time_left_s = min_time_left_s
        self._connect_timeout_s = connect_timeout_s

    @classmethod
    def of(
        cls,
        context: Context,
        channels: Channels,
        operation: str,
        target: str,
        call: Call,
    ) -> Route:
        """The route of a declared call to one of its targets."""
        return cls(
            context,
            channels,
            operation,
            target,
            number=call.targets.index(target),
            breaker=own_breaker(call.breaker, context, operation, target),
            bulkhead=Compartments(call.bulkhead) if call.bulkhead is not None else None,
            propagate_deadline=bool(call.propagate_deadline),
            min_time_left_s=call.min_time_left,
            connect_timeout_s=call.connect_timeout,
        )

    def as_first(self) -> Route:
        """The same for payments that go there first: its breaker and its bulkhead are shared."""
        first = copy(self)
        first.number = 0
        return first

    async def send(
        self,
        request: PaymentRequest,
        parent: str,
        *,
        timeout_s: float,
        try_number: int = 1,
        on_send: Callable[[], None] | None = None,
    ) -> Reply:
        """Execute the call once, unless a policy refuses it: then nothing was sent (NOT_TRIED).

        `on_send`: called when it is sent, after any wait for a place.
        """
        breaker, slots = self.breaker, None
        if self._bulkhead is not None:
            slots = self._bulkhead.compartment(request.instrument.group)
            if not slots.enter():
                # The breaker would refuse the request after its wait for a place: do not wait.
                if breaker is not None and breaker.refuses:
                    return self._refuse(DecisionKind.BREAKER_REJECTED, request, parent)
                if not await slots.wait():
                    return self._refuse(DecisionKind.BULKHEAD_REJECTED, request, parent)
        ticket, sent_ns = None, 0
        try:
            # Looked at after the wait for a place, which has cost time.
            if self._propagates_deadline:
                left_s = deadline.left_s(self._context.now_ns)
                if left_s is not None and left_s < timeout_s:
                    if left_s < self._min_time_left_s:
                        return self._refuse(DecisionKind.DEADLINE_TOO_SHORT, request, parent)
                    timeout_s = left_s
            # The breaker is last: a ticket for a probe is not spent on a request that is refused
            # for another reason.
            if breaker is not None:
                ticket = breaker.admit()
                if ticket is None:
                    return self._refuse(DecisionKind.BREAKER_REJECTED, request, parent)
                if breaker.times_calls:
                    sent_ns = self._context.now_ns()
            if on_send is not None:
                on_send()
            reply = await self._channel.send(
                request,
                parent,
                timeout_s=timeout_s,
                connect_timeout_s=self._connect_timeout_s,
                route=self.number,
                try_number=try_number,
                propagate_deadline=self._propagates_deadline,
            )
            if breaker is not None and ticket is not None:
                took_s = (self._context.now_ns() - sent_ns) / 1e9 if breaker.times_calls else 0.0
                breaker.record(ticket, failed=not reply.result.worked, took_s=took_s)
                ticket = None
            return reply
        finally:
            # Still holding a ticket: the call was cancelled and has no result.
            if breaker is not None and ticket is not None:
                breaker.withdraw(ticket)
            if slots is not None:
                slots.leave()

    @cached_property
    def _channel(self) -> Channel:
        return self._channels[self.operation, self.target]

    def _refuse(self, why: DecisionKind, request: PaymentRequest, parent: str) -> Reply:
        self.say(why, request)
        return self._channel.not_tried(request, parent, route=self.number)

    def say(
        self, kind: DecisionKind, request: PaymentRequest, detail: HopResult | str = ""
    ) -> None:
        """Put a decision about this target into the journal."""
        self._context.decided(
            kind,
            self.operation,
            self.target,
            payment=request.payment,
            attempt=request.attempt,
            detail=detail,
        )


def own_breaker(
    declared: Breaker | None, context: Context, operation: str, target: str
) -> CircuitBreaker | None:
    """A breaker that journals its changes, None when none is declared."""
    if declared is None:
        return None

    def changed(state: BreakerState, reason: str) -> None:
        context.decided(_BREAKER_EVENTS[state], operation, target, detail=reason)

    return CircuitBreaker(declared, lambda: context.now_ns() / 1e9, changed)
