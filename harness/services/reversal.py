"""Reversal traffic: sent apart from ordinary calls, and repeated until it is acknowledged.

It has no breaker in common with the calls it cleans up after, unless one is declared so: the
breaker that opened on the unanswered charges would refuse the very reversals that undo them.
Source: domain.md §1.4.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

from harness.model.policy import Reversal
from harness.payments.journal import DecisionKind
from harness.payments.outcome import HopResult
from harness.services.background import Background
from harness.services.context import Context
from harness.services.message import PaymentRequest
from harness.services.route import Route

VOID = "void"


class Reversals:
    """The reversals of one link that are still on their way."""

    def __init__(self, context: Context, background: Background) -> None:
        self._context = context
        self._background = background
        self._under_way: set[tuple[str, str]] = set()  # (target, reference)
        self._next_repeat_s: defaultdict[str, float] = defaultdict(float)  # by target

    def start(self, route: Route, request: PaymentRequest, declared: Reversal) -> None:
        """Reverse an authorisation that was sent to `route`'s target, once at a time."""
        one = (route.target, request.reference)
        if one in self._under_way:
            return
        self._under_way.add(one)
        route.say(DecisionKind.REVERSAL_SENT, request, request.reference)
        task = self._background.start(self._until_acknowledged(route, request, declared))
        task.add_done_callback(lambda _: self._under_way.discard(one))

    async def _until_acknowledged(
        self, route: Route, request: PaymentRequest, declared: Reversal
    ) -> None:
        parent = self._context.new_span()
        abandon_at_s = self._now_s() + declared.give_up_after
        tries = 0
        while True:
            tries += 1
            reply = await route.send(request, parent, timeout_s=declared.timeout, try_number=tries)
            if reply.result is HopResult.APPROVED:
                route.say(
                    DecisionKind.REVERSAL_ACKNOWLEDGED, request,
                    f"{request.reference} after {tries} tries",
                )  # fmt: skip
                return
            pause_s = self._pause_s(route.target, declared, request, tries)
            if self._now_s() + pause_s > abandon_at_s:
                route.say(
                    DecisionKind.REVERSAL_ABANDONED, request,
                    f"{request.reference} after {tries} tries",
                )  # fmt: skip
                return
            await asyncio.sleep(pause_s)

    def _pause_s(
        self, target: str, declared: Reversal, request: PaymentRequest, tries: int
    ) -> float:
        """Back-off with jitter, and longer when the repeats to this target are at their rate."""
        chance = self._context.draw("reversal", request.reference, tries)
        most = min(declared.backoff * 2.0 ** (tries - 1), declared.longest)
        now_s = self._now_s()
        turn_s = max(now_s + most * (0.5 + chance / 2), self._next_repeat_s[target])
        self._next_repeat_s[target] = turn_s + 1 / declared.repeats
        return turn_s - now_s

    def _now_s(self) -> float:
        return self._context.now_ns() / 1e9
