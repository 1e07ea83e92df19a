"""Store and forward: accept a request now, deliver it when its target answers again.

What was accepted may still be declined on delivery: that is the price of it.
Source: docs/domain.md §1.3.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from paychain.declaration.quantity import count
from paychain.model.fallbacks.queue import Queue, QueueLimits
from paychain.model.policy import Call
from paychain.payments.codes import names_a_duplicate
from paychain.payments.journal import DELIVERED_AS, DecisionKind
from paychain.payments.money import to_minor
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.delivery import deliver
from paychain.services.policies.route import Route
from paychain.services.policies.unknown import outcome_of_original
from paychain.services.state.background import Background

# Of a request that was stored for too long, and of one that was reversed while it was stored. They
# are told apart, and from a call that a breaker rejected, by identity.
_EXPIRED = Reply(HopResult.NOT_TRIED)
_CANCELLED = Reply(HopResult.NOT_TRIED)


@dataclass(frozen=True, slots=True)
class _QueuedRequest:
    """A request that was accepted. `expires_ns`: since the run's epoch."""

    request: PaymentRequest
    expires_ns: int
    delivered: asyncio.Future[Reply]


class Store:
    """The stored requests of one queue step, delivered one after the other in order.

    `undo` reverses a request that may have been worked on although no answer ever came.
    """

    def __init__(
        self,
        declared: QueueLimits,
        *,
        currency: str,
        route: Route,
        timeout_s: float,
        context: Context,
        background: Background,
        undo: Callable[[PaymentRequest], None],
    ) -> None:
        self._declared = declared
        self._route = route
        self._timeout_s = timeout_s
        self._up_to_minor = (
            to_minor(str(declared.up_to), currency) if declared.up_to is not None else None
        )
        self._context = context
        self._background = background
        self._undo = undo
        self._stored: deque[_QueuedRequest] = deque()
        self._cancelled: set[str] = set()  # references that are still stored

    def refuse(self, request: PaymentRequest) -> str:
        """The limit that forbids to store this request, "" when none does."""
        if self._up_to_minor is not None and request.amount_minor > self._up_to_minor:
            return "over the queue's amount"
        if len(self._stored) >= self._declared.most:
            return f"{len(self._stored)} requests are stored already"
        return ""

    def put(self, request: PaymentRequest) -> asyncio.Future[Reply]:
        """Store a request; the future brings the reply of its delivery."""
        delivered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        expires_ns = self._context.now_ns() + int(self._declared.within * 1e9)
        self._stored.append(_QueuedRequest(request, expires_ns, delivered))
        if len(self._stored) == 1:
            self._background.start(self._deliver(), payment="")  # one task for all that is stored
        return delivered

    def cancel(self, reference: str) -> None:
        """Deliver this request no more, if it is stored: it was reversed."""
        if any(stored.request.reference == reference for stored in self._stored):
            self._cancelled.add(reference)

    async def _deliver(self) -> None:
        """Deliver what is stored, in order: the oldest blocks the others until it is final."""
        try:
            while self._stored:
                stored = self._stored[0]
                reply = await self._until_answered(stored)
                self._stored.popleft()
                self._cancelled.discard(stored.request.reference)
                if not stored.delivered.cancelled():
                    stored.delivered.set_result(reply)
        finally:
            # A crash loses what was in memory only.
            self._stored.clear()
            self._cancelled.clear()

    async def _until_answered(self, stored: _QueuedRequest) -> Reply:
        request, parent = stored.request, self._context.new_span()
        is_unknown = False

        async def send(number: int) -> Reply:
            nonlocal is_unknown
            # Looked at before each try, the first included: a request may be reversed or expire
            # while it waits behind others, and is then never sent.
            if request.reference in self._cancelled:
                return _CANCELLED
            if self._context.now_ns() >= stored.expires_ns:
                return _EXPIRED
            reply = await self._route.send(
                request, parent, timeout_s=self._timeout_s, try_number=number
            )
            if is_unknown and names_a_duplicate(reply.code):
                reply = outcome_of_original(request, reply)
            is_unknown = is_unknown or reply.result.leaves_unknown
            return reply

        delivered = await deliver(
            send,
            is_final=lambda reply: reply.result.worked or reply is _EXPIRED or reply is _CANCELLED,
            pause_s=lambda _: self._declared.pause,
        )
        # The last try found it over, and sent nothing.
        tries = delivered.tries - 1
        if delivered.reply is _CANCELLED:
            self._route.say(DecisionKind.QUEUE_CANCELLED, request, f"after {count(tries, 'try')}")
            return _CANCELLED
        if delivered.reply is not _EXPIRED:
            self._route.say(DecisionKind.QUEUE_DELIVERED, request, _how(request, delivered.reply))
            return delivered.reply
        self._route.say(DecisionKind.QUEUE_EXPIRED, request, f"after {count(tries, 'try')}")
        if delivered.is_unknown:
            self._undo(request)
        return _EXPIRED


def stores(
    declared: Call,
    *,
    currency: str,
    route: Route,
    context: Context,
    background: Background,
    undo: Callable[[PaymentRequest], None],
) -> dict[int, Store]:
    """The store of each queue step of a call, by the number of the step. `route`: to its target."""
    return {
        number: Store(
            step.queue,
            currency=currency,
            route=route,
            timeout_s=declared.timeout,
            context=context,
            background=background,
            undo=undo,
        )
        for number, step in enumerate(declared.fallback)
        if isinstance(step, Queue)
    }


def _how(request: PaymentRequest, reply: Reply) -> str:
    """The code of a delivery; what was stored and what it was authorised as when that is another.

    A target that had to reverse what it made of earlier tries authorises anew.
    """
    reference = reply.answer.reference if reply.answer is not None else ""
    is_other = reply.result is HopResult.APPROVED and reference not in ("", request.reference)
    return f"{reply.code} {request.reference}{DELIVERED_AS}{reference}" if is_other else reply.code
