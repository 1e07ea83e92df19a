"""What follows an authorisation later: captures, refunds, advices, webhooks.

Each is sent again until the other side acknowledges or refuses it; those of one authorisation go
one after the other, so that a capture never overtakes the advice it stands on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from paychain.declaration.quantity import count
from paychain.model.policy import Reversal
from paychain.payments.codes import LATE_RESPONSE
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.delivery import deliver, jittered_s
from paychain.services.policies.call_end import SentRequest
from paychain.services.policies.route import Channels, Route
from paychain.services.state.background import Background

OfTry = Callable[[int], PaymentRequest]


class FollowUpSender:
    """The follow-ups of one link that are still on their way."""

    def __init__(
        self, context: Context, channels: Channels, background: Background, declared: Reversal
    ) -> None:
        self._context = context
        self._channels = channels
        self._background = background
        self._declared = declared
        self._last: dict[str, asyncio.Task[Reply]] = {}  # by reference: what the next waits for

    def start(
        self,
        operation: str,
        target: str,
        request: PaymentRequest,
        *,
        name: str = "",
        in_order: bool = True,
        of_try: OfTry | None = None,
    ) -> asyncio.Task[Reply]:
        """Deliver in the background; the task's result is the final reply.

        `in_order`: after what was started before for the same authorisation. `of_try` makes the
        request of each try.
        """
        before = self._last.get(request.reference) if in_order else None
        task = self._background.start(
            self._deliver(operation, target, request, name, before, of_try),
            gives_back=operation != "capture",
        )
        if in_order:
            self._last[request.reference] = task
            task.add_done_callback(lambda done: self._forget(request.reference, done))
        return task

    def is_under_way(self, reference: str) -> bool:
        """Whether anything that keeps an order is under way for an authorisation."""
        return reference in self._last

    async def settled(self, reference: str) -> None:
        """Wait until nothing that keeps an order is under way for an authorisation."""
        while (last := self._last.get(reference)) is not None:
            await asyncio.wait([last])

    def _forget(self, reference: str, done: asyncio.Task[Reply]) -> None:
        if self._last.get(reference) is done:
            del self._last[reference]

    async def _deliver(
        self,
        operation: str,
        target: str,
        request: PaymentRequest,
        name: str,
        before: asyncio.Task[Reply] | None,
        of_try: OfTry | None,
    ) -> Reply:
        name = name or f"{request.reference} {request.item}".rstrip()
        route = Route(self._context, self._channels, operation, target)
        route.say(DecisionKind.FOLLOW_UP_SENT, request, name)
        if before is not None:
            await asyncio.wait([before])
        parent, declared = self._context.new_span(), self._declared
        abandon_at_ns = self._context.now_ns() + int(declared.give_up_after * 1e9)

        def send(number: int) -> Awaitable[Reply]:
            sent = of_try(number) if of_try is not None else request
            return route.send(sent, parent, timeout_s=declared.timeout, try_number=number)

        def pause_s(tries: int) -> float | None:
            pause = jittered_s(declared, tries, self._context.draw("follow-up", request.key, tries))
            return pause if self._context.now_ns() + int(pause * 1e9) <= abandon_at_ns else None

        delivered = await deliver(send, is_final=is_final, pause_s=pause_s)
        if not delivered.is_final:
            end = DecisionKind.FOLLOW_UP_ABANDONED
        elif delivered.reply.result is HopResult.APPROVED:
            end = DecisionKind.FOLLOW_UP_ACKNOWLEDGED
        else:
            end = DecisionKind.FOLLOW_UP_REFUSED
        route.say(end, request, f"{name} after {count(delivered.tries, 'try')}")
        return delivered.reply


def name_of(sent: SentRequest, item: str) -> str:
    """What a follow-up of an authorisation is called in the journal: its reference and its item."""
    return f"{sent.request.reference} {item}"


def is_final(reply: Reply) -> bool:
    """Acknowledged or refused. Code 68: the authorisation was undone before, and stays so."""
    return reply.result.worked or reply.code == LATE_RESPONSE
