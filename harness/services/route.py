"""One target of a call, behind its deadline, its bulkhead and its breaker: send once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from harness.model.policy import Breaker as DeclaredBreaker
from harness.model.policy import Call
from harness.payments.journal import DecisionKind
from harness.payments.outcome import HopResult
from harness.services import deadline
from harness.services.breaker import Breaker, State
from harness.services.bulkhead import Bulkhead
from harness.services.channel import Channel, Reply
from harness.services.context import Context
from harness.services.message import PaymentRequest

_BREAKER_EVENTS = {
    State.OPEN: DecisionKind.BREAKER_OPENED,
    State.HALF_OPEN: DecisionKind.BREAKER_HALF_OPEN,
    State.CLOSED: DecisionKind.BREAKER_CLOSED,
}
Channels = Mapping[tuple[str, str], Channel]  # by operation and callee; filled when connected


class Route:
    """One operation at one target. `number`: 0 the declared target, n the n-th other."""

    def __init__(
        self, context: Context, channels: Channels, operation: str, target: str, number: int = 0,
        *, breaker: Breaker | None = None, bulkhead: Bulkhead | None = None,
    ) -> None:  # fmt: skip
        self.operation = operation
        self.target = target
        self.number = number
        self.breaker = breaker
        self._context = context
        self._channels = channels
        self._bulkhead = bulkhead
        self._tells_deadline = False
        self._needs_s = 0.0

    @classmethod
    def of(
        cls, context: Context, channels: Channels, operation: str, target: str, call: Call
    ) -> Route:
        """The route of a declared call to one of its targets."""
        route = cls(
            context, channels, operation, target, call.targets.index(target),
            breaker=own_breaker(call.breaker, context, operation, target),
            bulkhead=Bulkhead(call.bulkhead) if call.bulkhead is not None else None,
        )  # fmt: skip
        route._tells_deadline = bool(call.passes_deadline)
        route._needs_s = call.needs
        return route

    async def send(
        self, request: PaymentRequest, parent: str, *, timeout_s: float, try_number: int = 1
    ) -> Reply:
        """Execute the call once, unless a policy refuses it: then nothing was sent (NOT_TRIED)."""
        breaker, room = self.breaker, None
        if self._bulkhead is not None:
            room = self._bulkhead.room(request.card.scheme)
            if not room.enter():
                if breaker is not None and breaker.refuses:  # do not wait for nothing
                    return self._refuse(DecisionKind.BREAKER_REJECTED, request, parent)
                if not await room.wait():
                    return self._refuse(DecisionKind.BULKHEAD_REJECTED, request, parent)
        ticket, sent_ns = None, 0
        try:
            if self._tells_deadline:
                left_s = deadline.left_s(self._context.now_ns)
                if left_s is not None and left_s < timeout_s:
                    if left_s < self._needs_s:
                        return self._refuse(DecisionKind.DEADLINE_TOO_SHORT, request, parent)
                    timeout_s = left_s
            if breaker is not None:
                ticket = breaker.admit()
                if ticket is None:
                    return self._refuse(DecisionKind.BREAKER_REJECTED, request, parent)
                if breaker.times_calls:
                    sent_ns = self._context.now_ns()
            reply = await self._channel.send(
                request, parent, timeout_s=timeout_s, route=self.number, try_number=try_number,
                tells_deadline=self._tells_deadline,
            )  # fmt: skip
            if breaker is not None and ticket is not None:
                took_s = (self._context.now_ns() - sent_ns) / 1e9 if breaker.times_calls else 0.0
                breaker.record(ticket, failed=not reply.result.worked, took_s=took_s)
                ticket = None
            return reply
        finally:
            if breaker is not None and ticket is not None:  # no result: the link is stopping
                breaker.withdraw(ticket)
            if room is not None:
                room.leave()

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
            kind, self.operation, self.target, payment=request.payment, attempt=request.attempt,
            detail=detail,
        )  # fmt: skip


def own_breaker(
    declared: DeclaredBreaker | None, context: Context, operation: str, target: str
) -> Breaker | None:
    """A breaker that journals its changes, None when none is declared."""
    if declared is None:
        return None

    def changed(state: State, reason: str) -> None:
        context.decided(_BREAKER_EVENTS[state], operation, target, detail=reason)

    return Breaker(declared, lambda: context.now_ns() / 1e9, changed)
