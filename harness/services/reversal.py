"""Reversal traffic: sent apart from ordinary calls, and repeated until it is acknowledged.

It has no breaker in common with the calls it cleans up after: the breaker that opened on the
unanswered charges would refuse the very reversals that undo them. Source: domain.md §1.4.
"""

from __future__ import annotations

import asyncio

from harness.model.policy import Reversal
from harness.payments.journal import DecisionKind
from harness.payments.outcome import HopResult
from harness.services.channel import Channel
from harness.services.context import Context
from harness.services.message import PaymentRequest

LONGEST_BACKOFF_S = 2.0  # so that a healed link hears of its reversals soon
VOID = "void"


class Reversals:
    """The reversals of one link that are still on their way."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """Reversals not yet acknowledged nor abandoned."""
        return len(self._tasks)

    def start(self, channel: Channel, request: PaymentRequest, declared: Reversal) -> None:
        """Reverse an authorisation that was sent over `channel`'s link."""
        self._say(DecisionKind.REVERSAL_SENT, channel, request)
        task = asyncio.create_task(self._until_acknowledged(channel, request, declared))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_acknowledged(
        self, channel: Channel, request: PaymentRequest, declared: Reversal
    ) -> None:
        parent = self._context.new_span()
        abandon_at_ns = self._context.now_ns() + int(declared.give_up_after * 1e9)
        tries = 0
        while True:
            tries += 1
            reply = await channel.send(
                request, parent, timeout_s=declared.timeout, try_number=tries
            )
            if reply.result is HopResult.APPROVED:
                self._say(
                    DecisionKind.REVERSAL_ACKNOWLEDGED, channel, request, f"after {tries} tries"
                )
                return
            pause_s = min(declared.backoff * 2 ** min(tries - 1, 10), LONGEST_BACKOFF_S)
            pause_s *= 0.5 + self._context.draw("reversal", request.reference, tries) / 2
            if self._context.now_ns() + int(pause_s * 1e9) > abandon_at_ns:
                self._say(DecisionKind.REVERSAL_ABANDONED, channel, request, f"after {tries} tries")
                return
            await asyncio.sleep(pause_s)

    def _say(
        self, kind: DecisionKind, channel: Channel, request: PaymentRequest, detail: str = ""
    ) -> None:
        detail = f"{request.reference} {detail}".rstrip()
        self._context.decided(
            kind, channel.operation, channel.callee, payment=request.payment,
            attempt=request.attempt, detail=detail,
        )  # fmt: skip

    def cancel(self) -> None:
        """Drop what is on its way: the link is stopping."""
        for task in list(self._tasks):
            task.cancel()
