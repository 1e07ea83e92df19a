"""A call with its policy: reach a final answer, or fall back step by step, or say how it failed."""

from __future__ import annotations

import asyncio
from typing import assert_never

import msgspec

from harness.model.fallback import (
    DeclineWith,
    Exempt,
    FailoverTo,
    Limit,
    Queue,
    Skip,
    Split,
    StandIn,
)
from harness.model.policy import Call
from harness.payments.codes import NOT_FOUND, is_technical
from harness.payments.journal import DecisionKind
from harness.payments.money import to_minor
from harness.payments.outcome import HopResult, Outcome
from harness.services import unknown
from harness.services.background import Background
from harness.services.breaker import Breaker
from harness.services.call_end import CallEnd, Sent, Tried
from harness.services.channel import Reply
from harness.services.context import Context
from harness.services.hedge import race
from harness.services.message import Answer, PaymentRequest
from harness.services.presentations import Presentations
from harness.services.queue import Store
from harness.services.retry import Budget, pause_s, wants_retry
from harness.services.reversal import VOID, Reversals
from harness.services.route import Channels, Route, own_breaker
from harness.services.stand_in import StandInCount

__all__ = ["CallEnd", "PolicyCall", "Sent"]


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
        self._currency = currency
        self._reversals = reversals
        self._background = background
        self._routes = {
            target: Route.of(context, channels, operation, target, declared)
            for target in declared.targets
        }
        self._voids = {
            target: Route(context, channels, VOID, target, breaker=self._void_breaker(target))
            for target in declared.targets
        }
        self._queries = {
            target: Route(context, channels, "query", target) for target in declared.targets
        }
        budget = declared.retry.budget if declared.retry is not None else None
        self._budget = Budget(budget) if budget is not None else None
        self._presentations = Presentations()
        self._stand_ins: dict[int, StandInCount] = {}  # by the number of their step
        self._stores: dict[int, Store] = {}
        for number, step in enumerate(declared.fallback):
            if isinstance(step, StandIn):
                self._stand_ins[number] = StandInCount(step.stand_in, currency)
            elif isinstance(step, Queue):
                self._stores[number] = Store(
                    step.queue, currency, context, background, self._undo_stored
                )

    async def execute(self, request: PaymentRequest, parent: str) -> CallEnd:
        """Reach a final answer by the declared policy, or say how it failed."""
        declared = self._declared
        if declared.hedge is None:
            end = await self._at(declared.to, request, parent)
        else:
            end = await self._hedged(request, parent)
        if end.reply.result.worked:
            return end
        for number, step in enumerate(declared.fallback):
            match step:
                case FailoverTo() | Split():
                    end = await self._fail_over(step, end, request, parent)
                    if end.reply.result.worked:
                        return end
                case Skip():
                    if self._is_within(step.skip, "skip", request):
                        self._decided(DecisionKind.SKIP, "", request, end.reply.result)
                        return msgspec.structs.replace(end, is_skipped=True)
                case Exempt():
                    if self._is_within(step.exempt, "exempt", request):
                        self._decided(DecisionKind.EXEMPT, "", request, end.reply.result)
                        return msgspec.structs.replace(end, is_exempt=True)
                case StandIn():
                    if not self._is_withheld(
                        "stand_in", self._stand_ins[number].refuse(request), request
                    ):
                        return self._stand_in(self._stand_ins[number], request, end)
                case Queue():
                    if not self._is_withheld(
                        "queue", self._stores[number].refuse(request), request
                    ):
                        return self._queue(self._stores[number], request, end)
                case DeclineWith():
                    self._decided(DecisionKind.DECLINE, "", request, end.reply.result)
                    return msgspec.structs.replace(end, reply=self._declined(step.decline))
                case _:
                    assert_never(step)
        self._decided(DecisionKind.EXHAUSTED, "", end.request, end.reply.result)
        return end

    def void(self, sent: Sent) -> None:
        """Reverse what was sent to a target; repeated until acknowledged."""
        self._reversals.start(self._voids[sent.target], sent.request, self._declared.reversal)

    # -- at one target ---------------------------------------------------------------------------
    async def _at(self, target: str, request: PaymentRequest, parent: str) -> CallEnd:
        """Try one target, and settle what stays unknown there."""
        if self._budget is not None:
            self._budget.called()
        return await self._settle(
            await self._tries(target, request, parent, self._declared.attempts), parent
        )

    async def _tries(
        self, target: str, request: PaymentRequest, parent: str, attempts: int
    ) -> Tried:
        """Send to one target until there is a final answer or no retry is left."""
        route, retry = self._routes[target], self._declared.retry
        is_unknown = False
        number = 1
        while True:
            reply = await route.send(
                request, parent, timeout_s=self._declared.timeout, try_number=number
            )
            if reply.result is HopResult.APPROVED:
                return Tried(target, request, reply, False)
            is_unknown = is_unknown or reply.result.leaves_unknown
            if reply.code and self._operation == "authorise":
                self._presentations.declined(request, reply.code, self._context.now_ns())
            if (
                retry is None
                or number >= attempts
                or not wants_retry(retry, reply)
                or not self._may_send_again("retry", target, request)
            ):
                return Tried(target, request, reply, is_unknown)
            self._decided(DecisionKind.RETRY, target, request, reply.result)
            chance = self._context.draw("retry", request.reference, number)
            await asyncio.sleep(pause_s(retry, number, chance))
            number += 1

    async def _settle(self, tried: Tried, parent: str) -> CallEnd:
        """The end of the tries at one target; an unknown outcome is dealt with as declared."""
        reply, request = tried.reply, tried.request
        if reply.result is HopResult.APPROVED:
            return CallEnd(reply, request, (Sent(tried.target, request),))
        if tried.worked or not tried.is_unknown or self._operation != "authorise":
            return CallEnd(reply, request)
        sent = Sent(tried.target, request)
        found: Reply | None = None
        match self._declared.on_unknown:
            case "reverse":
                self.void(sent)
                return CallEnd(reply, request, (sent,))
            case "query":
                found = await unknown.query(
                    self._queries[tried.target], self._declared, request, parent
                )
            case "resend":
                found = await unknown.resend(
                    self._routes[tried.target], self._declared, request, parent
                )
            case "give_up":
                pass
            case _:
                assert_never(self._declared.on_unknown)
        if found is None:
            self._decided(DecisionKind.GAVE_UP, sent.target, request, reply.result)
            return CallEnd(reply, request, (sent,), is_unresolved=True)
        if found.result is HopResult.APPROVED:
            return CallEnd(found, request, (sent,))
        if found.code == NOT_FOUND:  # nothing was done there: as if it had been refused
            return CallEnd(reply, request)
        return CallEnd(found, request)

    # -- hedge -----------------------------------------------------------------------------------
    async def _hedged(self, request: PaymentRequest, parent: str) -> CallEnd:
        """The first final answer of two requests; the other one is undone."""
        declared, hedge = self._declared, self._declared.hedge
        assert hedge is not None
        if self._budget is not None:
            self._budget.called()
        first = self._background.start(self._tries(declared.to, request, parent, declared.attempts))
        await asyncio.wait([first], timeout=hedge.after)
        target = hedge.to or declared.to
        if first.done() or not self._may_send_again("hedge", target, request):
            return await self._settle(await first, parent)
        again = request if hedge.to is None else self._attempt(request, 1)
        self._decided(DecisionKind.HEDGE, target, again, None)
        second = self._background.start(self._tries(target, again, parent, 1))
        winner, loser = await race(first, second)
        won = winner.result()
        if won.worked:
            self._background.start(self._undo(loser, won))
            end = await self._settle(won, parent)
            return msgspec.structs.replace(end, attempts=1 if hedge.to is None else 2)
        lost = loser.result()
        if hedge.to is None:
            is_unknown = won.is_unknown or lost.is_unknown
            return await self._settle(msgspec.structs.replace(won, is_unknown=is_unknown), parent)
        return (await self._settle(won, parent)).followed_by(await self._settle(lost, parent))

    async def _undo(self, loser: asyncio.Task[Tried], won: Tried) -> None:
        """Reverse what the loser of a hedge may have done, unless it is the winner's own work."""
        lost = await loser
        self._decided(DecisionKind.HEDGE_LOST, lost.target, lost.request, lost.reply.result)
        is_approved = lost.reply.result is HopResult.APPROVED
        is_winners = (
            lost.request.reference == won.request.reference
            and won.reply.result is HopResult.APPROVED
        )
        if self._operation == "authorise" and (is_approved or lost.is_unknown) and not is_winners:
            self.void(Sent(lost.target, lost.request))

    # -- fallbacks -------------------------------------------------------------------------------
    async def _fail_over(
        self, step: FailoverTo | Split, end: CallEnd, request: PaymentRequest, parent: str
    ) -> CallEnd:
        """The same operation at another link, as a new attempt; as it was when that may not be."""
        if step.cards is not None and not step.cards.has(request.card.number, request.card.scheme):
            return end
        target = step.to if isinstance(step, FailoverTo) else self._drawn(step, request)
        if not self._may_present("failover", target, request):
            return end
        again = self._attempt(request, end.attempts)
        self._decided(DecisionKind.FAILOVER, target, again, end.reply.result)
        return end.followed_by(await self._at(target, again, parent))

    def _stand_in(self, count: StandInCount, request: PaymentRequest, end: CallEnd) -> CallEnd:
        count.stood_in(request)
        again = self._attempt(request, end.attempts)
        self._decided(DecisionKind.STAND_IN, "", again, end.reply.result)
        return msgspec.structs.replace(
            end, request=again, attempts=end.attempts + 1, is_stood_in=True
        )

    def _queue(self, store: Store, request: PaymentRequest, end: CallEnd) -> CallEnd:
        again = self._attempt(request, end.attempts)
        self._decided(DecisionKind.QUEUE, self._declared.to, again, end.reply.result)
        later = store.put(self._routes[self._declared.to], again, self._declared.timeout)
        return msgspec.structs.replace(
            end, request=again, attempts=end.attempts + 1, is_queued=True, later=later
        )

    def _drawn(self, step: Split, request: PaymentRequest) -> str:
        """One of the links of a split, by weight; the same one for the same payment."""
        left = self._context.draw("split", request.payment) * sum(step.split.values())
        for target, weight in step.split.items():
            left -= weight
            if left < 0:
                return target
        raise AssertionError("a draw is below one")

    def _attempt(self, request: PaymentRequest, number: int) -> PaymentRequest:
        """The request as a new attempt: a new authorisation, which no key of the first covers."""
        if self._operation != "authorise":
            return request
        reference = f"{request.reference}.{number}"
        return msgspec.structs.replace(
            request, attempt=request.attempt + number, reference=reference, key=reference
        )

    def _declined(self, code: str) -> Reply:
        answer = Answer(Outcome.DECLINED, code, self._context.link)
        return Reply(
            HopResult.TECHNICAL if is_technical(code) else HopResult.DECLINED, code, answer
        )

    def _undo_stored(self, request: PaymentRequest) -> None:
        if self._operation == "authorise":
            self.void(Sent(self._declared.to, request))

    # -- limits ----------------------------------------------------------------------------------
    def _is_within(self, limit: Limit, what: str, request: PaymentRequest) -> bool:
        is_over = request.amount_minor > to_minor(str(limit.up_to), self._currency)
        return not self._is_withheld(what, f"over {limit.up_to}" if is_over else "", request)

    def _may_send_again(self, what: str, target: str, request: PaymentRequest) -> bool:
        """Whether the scheme and the budget have room for one more request."""
        if not self._may_present(what, target, request):
            return False
        spent = self._budget is not None and not self._budget.spend()
        return not self._is_withheld(what, "the budget is spent" if spent else "", request, target)

    def _may_present(self, what: str, target: str, request: PaymentRequest) -> bool:
        """Whether the scheme lets the card be presented once more."""
        limit = self._presentations.forbid(request, self._context.now_ns())
        return not self._is_withheld(what, limit.id if limit is not None else "", request, target)

    def _is_withheld(self, what: str, why: str, request: PaymentRequest, target: str = "") -> bool:
        """Whether there is a reason not to do it; then the journal has it."""
        if why:
            self._context.decided(
                DecisionKind.WITHHELD, self._operation, target, payment=request.payment,
                attempt=request.attempt, detail=f"{what}: {why}",
            )  # fmt: skip
        return bool(why)

    def _void_breaker(self, target: str) -> Breaker | None:
        """The breaker that reversals stand behind: their own, none, or the calls'."""
        reversal = self._declared.reversal
        if reversal.shares_breaker:
            return self._routes[target].breaker
        return own_breaker(reversal.breaker, self._context, VOID, target)

    def _decided(
        self, kind: DecisionKind, target: str, request: PaymentRequest, why: HopResult | None
    ) -> None:
        self._context.decided(
            kind, self._operation, target, payment=request.payment, attempt=request.attempt,
            detail=why or "",
        )  # fmt: skip
