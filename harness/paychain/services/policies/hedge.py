"""Hedge: a second request while the first has no answer; the first final answer wins.

Source: Dean and Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import msgspec

from paychain.model.policy import Hedge
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.services.policies.call_end import Attempt, CallEnd, SentRequest, next_attempt
from paychain.services.policies.decisions import Decisions
from paychain.services.state.background import Background

Trying = asyncio.Task[Attempt]


class HedgingPolicy(Protocol):
    """What a hedge needs of the policy of its call."""

    async def try_target(
        self, target: str, first: PaymentRequest, parent: str, max_tries: int
    ) -> Attempt:
        """Send to one target until there is a final answer, or `max_tries` requests were sent."""

    async def settle_attempt(self, attempt: Attempt, parent: str) -> CallEnd:
        """The end of an attempt; an unknown outcome is dealt with as declared."""

    def may_send_again(self, what: str, target: str, request: PaymentRequest) -> bool:
        """Whether the scheme and the budget have room for one more request."""

    def void(self, sent: SentRequest) -> None:
        """Reverse what was sent to a target."""


@dataclass(frozen=True, kw_only=True)
class Hedged:
    """The hedge of one declared call to the link `to`."""

    operation: str
    to: str
    hedge: Hedge
    attempts: int  # of the first request
    shares_keys: bool  # with the other link
    reverses: bool  # the loser, which may hold money
    mark: str
    decisions: Decisions
    background: Background
    policy: HedgingPolicy

    async def execute(self, request: PaymentRequest, parent: str) -> CallEnd:
        """The first final answer of two requests; the other one is undone."""
        policy, start = self.policy, self.background.start
        first = start(
            policy.try_target(self.to, request, parent, self.attempts), keeps_deadline=True
        )
        await asyncio.wait([first], timeout=self.hedge.after)
        target = self.hedge.to or self.to
        # Answered in time, or no second request is allowed: the first one decides alone.
        if first.done() or not policy.may_send_again("hedge", target, request):
            return await policy.settle_attempt(await first, parent)
        # To the same target the second request is a repeat under the same key; to another one it is
        # an authorisation of its own.
        is_same = self.hedge.to is None
        again = request
        if not is_same:
            again = next_attempt(
                self.operation, request, 1, self.mark, shares_keys=self.shares_keys
            )
        self.decisions.say(DecisionKind.HEDGE, target, again)
        second = start(policy.try_target(target, again, parent, 1), keeps_deadline=True)
        winner, loser = await race(first, second)
        won = winner.result()
        if won.worked:
            start(self._undo(loser, won))
            end = await policy.settle_attempt(won, parent)
            return end if is_same else msgspec.structs.replace(end, attempts=2)
        # Neither worked. Two requests for one authorisation are settled once, as unknown when
        # either is; two authorisations are settled one after the other.
        lost = loser.result()
        if lost.sent == won.sent:
            is_unknown = won.is_unknown or lost.is_unknown
            both = msgspec.structs.replace(won, is_unknown=is_unknown)
            return await policy.settle_attempt(both, parent)
        end = await policy.settle_attempt(won, parent)
        return end.followed_by(await policy.settle_attempt(lost, parent))

    async def _undo(self, loser: Trying, won: Attempt) -> None:
        """Reverse what the loser of a hedge may have done, unless it is the winner's own work."""
        lost = await loser
        self.decisions.say(DecisionKind.HEDGE_LOST, lost.target, lost.request, lost.reply.result)
        # A repeat under the same key is the winner's own authorisation: reversing it would undo the
        # payment.
        is_winners = lost.sent == won.sent and won.reply.result is HopResult.APPROVED
        may_hold = lost.reply.result is HopResult.APPROVED or lost.is_unknown
        if self.reverses and may_hold and not is_winners:
            self.policy.void(lost.sent)


async def race(first: Trying, second: Trying) -> tuple[Trying, Trying]:
    """Winner and loser: whichever worked first; the first one when neither worked."""
    while True:
        running = [task for task in (first, second) if not task.done()]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        if first.done() and first.result().worked:
            return first, second
        if second.done() and second.result().worked:
            return second, first
        # One failed: the other may still work, and its answer is waited for.
        if first.done() and second.done():
            return first, second
