"""Reversal traffic: sent apart from ordinary calls, and repeated until it is acknowledged.

It has no breaker in common with the calls it cleans up after, unless one is declared so: the
breaker that opened on the unanswered charges would refuse the very reversals that undo them.
Source: docs/domain.md §1.4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable

from paychain.declaration.quantity import count
from paychain.model.policy import Reversal
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.delivery import deliver, jittered_s
from paychain.services.policies.route import Route
from paychain.services.state.background import Background

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
        reversal = (route.target, request.reference)
        if reversal in self._under_way:
            return
        self._under_way.add(reversal)
        route.say(DecisionKind.REVERSAL_SENT, request, request.reference)
        task = self._background.start(self._until_acknowledged(route, request, declared))
        task.add_done_callback(lambda _: self._under_way.discard(reversal))

    async def _until_acknowledged(
        self, route: Route, request: PaymentRequest, declared: Reversal
    ) -> None:
        parent = self._context.new_span()
        abandon_at_s = self._now_s() + declared.give_up_after

        def send(number: int) -> Awaitable[Reply]:
            return route.send(request, parent, timeout_s=declared.timeout, try_number=number)

        def pause_s(tries: int) -> float | None:
            pause = self._pause_s(route.target, declared, request, tries)
            return pause if self._now_s() + pause <= abandon_at_s else None

        delivered = await deliver(send, is_final=_is_acknowledged, pause_s=pause_s)
        kind = DecisionKind.REVERSAL_ABANDONED
        if delivered.is_final:
            kind = DecisionKind.REVERSAL_ACKNOWLEDGED
        route.say(kind, request, f"{request.reference} after {count(delivered.tries, 'try')}")

    def _pause_s(
        self, target: str, declared: Reversal, request: PaymentRequest, tries: int
    ) -> float:
        """Backoff with jitter, and longer when the repeats to this target are at their rate.

        A target that comes back would otherwise meet the reversals of its whole outage at once.
        """
        chance = self._context.draw("reversal", request.reference, tries)
        now_s = self._now_s()
        turn_s = max(now_s + jittered_s(declared, tries, chance), self._next_repeat_s[target])
        self._next_repeat_s[target] = turn_s + 1 / declared.repeats
        return turn_s - now_s

    def _now_s(self) -> float:
        return self._context.now_ns() / 1e9


def _is_acknowledged(reply: Reply) -> bool:
    return reply.result is HopResult.APPROVED
