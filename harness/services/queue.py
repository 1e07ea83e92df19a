"""Store and forward: accept a request now, deliver it when its target answers again.

What was accepted may still be declined on delivery: that is the price of it. Source: domain.md
§1.3.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from harness.model.fallback import QueueLimits
from harness.payments.journal import DecisionKind
from harness.payments.money import to_minor
from harness.payments.outcome import HopResult
from harness.services.background import Background
from harness.services.channel import Reply
from harness.services.context import Context
from harness.services.message import PaymentRequest
from harness.services.route import Route


@dataclass(frozen=True, slots=True)
class _Stored:
    request: PaymentRequest
    expires_ns: int
    delivered: asyncio.Future[Reply]


class Store:
    """The stored requests of one queue step, delivered one after the other in order.

    `undo` reverses a request that may have been worked on although no answer ever came.
    """

    def __init__(
        self, declared: QueueLimits, currency: str, route: Route, timeout_s: float,
        context: Context, background: Background, undo: Callable[[PaymentRequest], None],
    ) -> None:  # fmt: skip
        self._declared = declared
        self._route = route
        self._timeout_s = timeout_s
        self._up_to_minor = (
            to_minor(str(declared.up_to), currency) if declared.up_to is not None else None
        )
        self._context = context
        self._background = background
        self._undo = undo
        self._stored: deque[_Stored] = deque()

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
        self._stored.append(_Stored(request, expires_ns, delivered))
        if len(self._stored) == 1:
            self._background.start(self._deliver())
        return delivered

    async def _deliver(self) -> None:
        try:
            while self._stored:
                one = self._stored[0]
                reply = await self._until_answered(one)
                self._stored.popleft()
                if not one.delivered.cancelled():
                    one.delivered.set_result(reply)
        finally:
            self._stored.clear()  # a crash loses what was in memory only

    async def _until_answered(self, one: _Stored) -> Reply:
        parent = self._context.new_span()
        is_unknown = False
        tries = 0
        while self._context.now_ns() < one.expires_ns:
            tries += 1
            reply = await self._route.send(
                one.request, parent, timeout_s=self._timeout_s, try_number=tries
            )
            if reply.result.worked:
                self._route.say(DecisionKind.QUEUE_DELIVERED, one.request, reply.code)
                return reply
            is_unknown = is_unknown or reply.result.leaves_unknown
            await asyncio.sleep(self._declared.pause)
        self._route.say(DecisionKind.QUEUE_EXPIRED, one.request, f"after {tries} tries")
        if is_unknown:
            self._undo(one.request)
        return Reply(HopResult.NOT_TRIED)
