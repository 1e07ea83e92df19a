"""A call with its policy: reach a final answer, or fall back step by step, or say how it failed."""

from __future__ import annotations

import asyncio
from typing import assert_never

import msgspec

from harness.model.fallback import Failover, FailoverTo, Queue, Split
from harness.model.policy import Call
from harness.payments.codes import NOT_FOUND
from harness.payments.journal import DecisionKind
from harness.payments.outcome import HopResult
from harness.services import unknown
from harness.services.background import Background
from harness.services.call_end import CallEnd, Sent, Tried, next_attempt
from harness.services.channel import Reply
from harness.services.context import Context
from harness.services.decisions import Decisions
from harness.services.fallbacks import Fallbacks, declined
from harness.services.hedge import race
from harness.services.message import PaymentRequest
from harness.services.presentations import Presentations
from harness.services.queue import Store
from harness.services.retry import Budget, pause_s, wants_retry
from harness.services.reversal import VOID, Reversals
from harness.services.route import Channels, Route, own_breaker
from harness.services.unknown import QUERY

__all__ = ["CallEnd", "PolicyCall", "Sent"]
_APPROVED = HopResult.APPROVED  # looked up once: an enum's member costs as much as a call


class PolicyCall:
    """One declared call of one link."""

    def __init__(
        self,
        context: Context,
        operation: str,
        declared: Call,
        currency: str,
        channels: Channels,
        reversals: Reversals,
        background: Background,
    ) -> None:
        self._context = context
        self._operation = operation
        self._declared = declared
        self._reversals = reversals
        self._reverses_unknown = operation == "authorise" and declared.on_unknown == "reverse"
        self._background = background
        self._decisions = Decisions(context, operation)
        self._routes: dict[str, Route] = {}
        self._voids: dict[str, Route] = {}
        self._queries: dict[str, Route] = {}
        for target in declared.targets:
            route = Route.of(context, channels, operation, target, declared)
            own = own_breaker(declared.reversal.breaker, context, VOID, target)
            void = route.breaker if declared.reversal.shares_breaker else own
            query = own_breaker(declared.query.breaker, context, QUERY, target)
            self._routes[target] = route
            self._voids[target] = Route(context, channels, VOID, target, breaker=void)
            self._queries[target] = Route(context, channels, QUERY, target, breaker=query)
        budget = declared.retry.budget if declared.retry is not None else None
        self._budget = Budget(budget) if budget is not None else None
        self._presentations = Presentations()
        stores = {
            number: Store(
                step.queue, currency, self._routes[declared.to], declared.timeout, context,
                background, self._undo_stored,
            )
            for number, step in enumerate(declared.fallback) if isinstance(step, Queue)
        }  # fmt: skip
        self._fallbacks = Fallbacks(context, operation, declared, currency, self._decisions, stores)

    async def execute(self, request: PaymentRequest, parent: str) -> CallEnd:
        """Reach a final answer by the declared policy, or say how it failed."""
        target = self._declared.to
        if request.payment in self._presentations and not self._may_present(
            "call", target, request
        ):
            code = self._presentations.last_code(request.payment)
            return CallEnd(declined(self._context.link, code), request)
        if self._budget is not None:
            self._budget.called()
        if self._declared.hedge is None:
            end = await self._at(target, request, parent)
        else:
            end = await self._hedged(request, parent)
        return end if end.reply.result.worked else await self._fall_back(end, request, parent)

    def void(self, sent: Sent) -> None:
        """Reverse what was sent to a target; repeated until acknowledged."""
        self._reversals.start(self._voids[sent.target], sent.request, self._declared.reversal)

    async def _at(self, target: str, request: PaymentRequest, parent: str) -> CallEnd:
        """Try one target, and settle what stays unknown there."""
        tried = await self._tries(target, request, parent, self._declared.attempts)
        if tried.reply.result is _APPROVED:
            return CallEnd(tried.reply, tried.request, (tried.sent,))
        return await self._settle(tried, parent)

    async def _tries(self, target: str, first: PaymentRequest, parent: str, attempts: int) -> Tried:
        """Send to one target until there is a final answer or no retry is left."""
        route, declared, request = self._routes[target], self._declared, first
        is_unknown = False
        number = 1
        try:
            while True:
                reply = await route.send(
                    request, parent, timeout_s=declared.timeout, try_number=number
                )
                if reply.result is _APPROVED:
                    return Tried(target, request, reply, False)
                is_unknown = is_unknown or reply.result.leaves_unknown
                if self._operation == "authorise":
                    self._presentations.note(request, reply, self._context.now_ns())
                retry = declared.retry
                if (
                    retry is None
                    or number >= attempts
                    or not wants_retry(retry, reply)
                    or not self._may_send_again("retry", target, request)
                ):
                    return Tried(target, request, reply, is_unknown)
                self._decisions.say(DecisionKind.RETRY, target, request, reply.result)
                if reply.answer is not None and not is_unknown and self._operation == "authorise":
                    # An answer is final for its key; the reference may have been reversed below.
                    reference = f"{first.reference}~{self._context.mark}{number}"
                    request = msgspec.structs.replace(first, reference=reference, key=reference)
                chance = self._context.draw("retry", first.reference, number)
                await asyncio.sleep(pause_s(retry, number, chance))
                number += 1
        except asyncio.CancelledError:
            if self._background.is_kept and self._reverses_unknown:  # the link dies meanwhile
                self.void(Sent(target, request))
            raise

    async def _settle(self, tried: Tried, parent: str) -> CallEnd:
        """The end of the tries at one target; an unknown outcome is dealt with as declared."""
        reply, request, declared = tried.reply, tried.request, self._declared
        if reply.result is _APPROVED:
            return CallEnd(reply, request, (tried.sent,))
        if tried.worked or not tried.is_unknown or self._operation != "authorise":
            return CallEnd(reply, request)
        found: Reply | None = None
        match declared.on_unknown:
            case "reverse":
                self.void(tried.sent)
                return CallEnd(reply, request, (tried.sent,))
            case "query":
                route = self._queries[tried.target]
                found = await unknown.query(route, declared, request, parent)
            case "resend":
                route = self._routes[tried.target]
                found = await unknown.resend(route, declared, request, parent)
            case "give_up":
                pass
            case _:
                assert_never(declared.on_unknown)
        if found is None:
            self._decisions.say(DecisionKind.GAVE_UP, tried.target, request, reply.result)
            return CallEnd(reply, request, (tried.sent,), is_unresolved=True)
        if found.result is _APPROVED:
            return CallEnd(found, request, (tried.sent,))
        if found.code == NOT_FOUND:  # nothing was done there: as if it had been refused
            return CallEnd(reply, request)
        return CallEnd(found, request)

    async def _hedged(self, request: PaymentRequest, parent: str) -> CallEnd:
        """The first final answer of two requests; the other one is undone."""
        declared, hedge = self._declared, self._declared.hedge
        assert hedge is not None
        first = self._background.start(
            self._tries(declared.to, request, parent, declared.attempts), keeps_deadline=True
        )
        await asyncio.wait([first], timeout=hedge.after)
        target = hedge.to or declared.to
        if first.done() or not self._may_send_again("hedge", target, request):
            return await self._settle(await first, parent)
        is_same = hedge.to is None
        again = (
            request if is_same else next_attempt(self._operation, request, 1, self._context.mark)
        )
        self._decisions.say(DecisionKind.HEDGE, target, again)
        second = self._background.start(self._tries(target, again, parent, 1), keeps_deadline=True)
        winner, loser = await race(first, second)
        won = winner.result()
        if won.worked:
            self._background.start(self._undo(loser, won))
            end = await self._settle(won, parent)
            return end if is_same else msgspec.structs.replace(end, attempts=2)
        lost = loser.result()
        if lost.sent == won.sent:  # one authorisation: settled once
            is_unknown = won.is_unknown or lost.is_unknown
            return await self._settle(msgspec.structs.replace(won, is_unknown=is_unknown), parent)
        return (await self._settle(won, parent)).followed_by(await self._settle(lost, parent))

    async def _undo(self, loser: asyncio.Task[Tried], won: Tried) -> None:
        """Reverse what the loser of a hedge may have done, unless it is the winner's own work."""
        lost = await loser
        self._decisions.say(DecisionKind.HEDGE_LOST, lost.target, lost.request, lost.reply.result)
        is_winners = lost.sent == won.sent and won.reply.result is _APPROVED
        may_hold = lost.reply.result is _APPROVED or lost.is_unknown
        if self._operation == "authorise" and may_hold and not is_winners:
            self.void(lost.sent)

    async def _fall_back(self, end: CallEnd, request: PaymentRequest, parent: str) -> CallEnd:
        """The declared steps one after the other, until one gives an end."""
        for number, step in enumerate(self._declared.fallback):
            if isinstance(step, FailoverTo | Split):
                end = await self._fail_over(step, end, request, parent)
                if end.reply.result.worked:
                    return end
            else:
                taken = self._fallbacks.take(number, step, end, request)
                if taken is not None:
                    return taken
        self._decisions.say(DecisionKind.EXHAUSTED, "", end.request, end.reply.result)
        return end

    async def _fail_over(
        self, step: Failover, end: CallEnd, request: PaymentRequest, parent: str
    ) -> CallEnd:
        """The same operation at another link, as a new attempt; as it was when that may not be."""
        card = request.card
        if step.cards is not None and not step.cards.has(card.number, card.scheme):
            return end
        target = step.to if isinstance(step, FailoverTo) else self._drawn(step, request)
        if not self._may_present("failover", target, request):
            return end
        if self._budget is not None:
            self._budget.called()
        again = next_attempt(self._operation, request, end.attempts, self._context.mark)
        self._decisions.say(DecisionKind.FAILOVER, target, again, end.reply.result)
        return end.followed_by(await self._at(target, again, parent))

    def _drawn(self, step: Split, request: PaymentRequest) -> str:
        """One of the links of a split, by weight; the same one for the same payment."""
        left = self._context.draw("split", request.payment) * sum(step.split.values())
        for target, weight in step.split.items():
            left -= weight
            if left < 0:
                return target
        raise AssertionError("a draw is below one")

    def _may_send_again(self, what: str, target: str, request: PaymentRequest) -> bool:
        """Whether the scheme and the budget have room for one more request."""
        if not self._may_present(what, target, request):
            return False
        is_spent = self._budget is not None and not self._budget.spend()
        why = "the budget is spent" if is_spent else ""
        return not self._decisions.withheld(what, why, request, target)

    def _may_present(self, what: str, target: str, request: PaymentRequest) -> bool:
        """Whether the scheme lets the card be presented once more."""
        limit = self._presentations.forbid(request, self._context.now_ns())
        why = limit.id if limit is not None else ""
        return not self._decisions.withheld(what, why, request, target)

    def _undo_stored(self, request: PaymentRequest) -> None:
        if self._operation == "authorise":
            self.void(Sent(self._declared.to, request))
