"""What follows an authorisation later: captures, refunds, advices, notifications.

Each is sent again until the other side acknowledges or refuses it; those of one authorisation go
one after the other, so that a capture never overtakes the advice it stands on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.model.policy import Reversal
from harness.payments.codes import LATE_RESPONSE
from harness.payments.journal import DecisionKind
from harness.payments.outcome import HopResult
from harness.services.background import Background
from harness.services.channel import Reply
from harness.services.context import Context
from harness.services.message import PaymentRequest
from harness.services.route import Channels, Route

OfTry = Callable[[PaymentRequest, int], PaymentRequest]


class FollowUps:
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
        self, operation: str, target: str, request: PaymentRequest, *, in_order: bool = True,
        of_try: OfTry | None = None,
    ) -> asyncio.Task[Reply]:  # fmt: skip
        """Deliver in the background; the task's result is the final reply.

        `in_order`: after what was started before for the same authorisation. `of_try` makes the
        request of each try.
        """
        before = self._last.get(request.reference) if in_order else None
        task = self._background.start(self._deliver(operation, target, request, before, of_try))
        if in_order:
            self._last[request.reference] = task
            task.add_done_callback(lambda done: self._forget(request.reference, done))
        return task

    def _forget(self, reference: str, done: asyncio.Task[Reply]) -> None:
        if self._last.get(reference) is done:
            del self._last[reference]

    async def _deliver(
        self, operation: str, target: str, request: PaymentRequest,
        before: asyncio.Task[Reply] | None, of_try: OfTry | None,
    ) -> Reply:  # fmt: skip
        name = f"{request.reference} {request.event or request.item}".rstrip()
        route = Route(self._context, self._channels, operation, target)
        route.say(DecisionKind.FOLLOW_UP_SENT, request, name)
        if before is not None:
            await asyncio.wait([before])
        parent = self._context.new_span()
        abandon_at_ns = self._context.now_ns() + int(self._declared.give_up_after * 1e9)
        tries = 0
        while True:
            tries += 1
            sent = of_try(request, tries) if of_try is not None else request
            reply = await route.send(
                sent, parent, timeout_s=self._declared.timeout, try_number=tries
            )
            pause_s = self._pause_s(request, tries)
            if reply.result is HopResult.APPROVED:
                end = DecisionKind.FOLLOW_UP_ACKNOWLEDGED
            elif reply.result is HopResult.DECLINED or reply.code == LATE_RESPONSE:
                end = DecisionKind.FOLLOW_UP_REFUSED  # 68: it was undone before, and stays so
            elif self._context.now_ns() + int(pause_s * 1e9) > abandon_at_ns:
                end = DecisionKind.FOLLOW_UP_ABANDONED
            else:
                await asyncio.sleep(pause_s)
                continue
            route.say(end, request, f"{name} after {tries} tries")
            return reply

    def _pause_s(self, request: PaymentRequest, tries: int) -> float:
        longest_s = min(self._declared.backoff * 2.0 ** (tries - 1), self._declared.longest)
        chance = self._context.draw("follow-up", request.key, tries)
        return longest_s * (0.5 + chance / 2)
