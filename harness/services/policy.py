"""A call with its policy: retry, breaker, what to do about an unknown outcome, fallbacks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

import msgspec

from harness.model.policy import Call, DeclineWith, Exempt, FailoverTo, Skip
from harness.payments.codes import NOT_FOUND, is_technical
from harness.payments.journal import DecisionKind
from harness.payments.money import to_minor
from harness.payments.outcome import HopResult, Outcome
from harness.services.breaker import Breaker, State
from harness.services.channel import Channel, Reply
from harness.services.context import Context
from harness.services.message import Answer, PaymentRequest
from harness.services.reversal import Reversals

QUERIES = 3  # status queries for one unknown outcome; more is a storm (domain.md §1.8, UPI)
QUERY_PAUSE_S = 0.25
_BREAKER_EVENTS = {
    State.OPEN: DecisionKind.BREAKER_OPENED,
    State.HALF_OPEN: DecisionKind.BREAKER_HALF_OPEN,
    State.CLOSED: DecisionKind.BREAKER_CLOSED,
}


@dataclass(frozen=True, slots=True)
class Sent:
    """One request that went to one target and may have moved money there."""

    target: str
    request: PaymentRequest


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call with its policy ended. `standing`: what may hold money at a target."""

    reply: Reply
    request: PaymentRequest  # as it was last sent
    standing: tuple[Sent, ...] = ()
    is_skipped: bool = False
    is_exempt: bool = False
    is_unresolved: bool = False  # an unknown outcome was left as it is


class PolicyCall:
    """One declared call of one link."""

    def __init__(
        self,
        context: Context,
        operation: str,
        declared: Call,
        currency: str,
        channels: Mapping[tuple[str, str], Channel],
        reversals: Reversals,
    ) -> None:
        self._context = context
        self._operation = operation
        self._declared = declared
        self._currency = currency
        self._channels = channels  # by (operation, callee)
        self._reversals = reversals
        self._breakers = {target: self._breaker(target) for target in declared.targets}

    async def execute(self, request: PaymentRequest, parent: str) -> CallEnd:
        """Reach a final answer by the declared policy, or say how it failed."""
        end = await self._on_route(0, self._declared.to, request, parent, ())
        routes = 0
        for step in self._declared.fallback:
            if end.reply.result.worked:
                return end
            match step:
                case FailoverTo():
                    routes += 1
                    again = self._next_attempt(request, routes)
                    self._decided(DecisionKind.FAILOVER, step.to, again, end.reply.result)
                    before = end
                    end = await self._on_route(routes, step.to, again, parent, before.standing)
                    if before.is_unresolved:
                        end = replace(end, is_unresolved=True)
                case Skip():
                    if request.amount_minor <= to_minor(str(step.skip.up_to), self._currency):
                        self._decided(DecisionKind.SKIP, "", request, end.reply.result)
                        return replace(end, is_skipped=True)
                case Exempt():
                    if request.amount_minor <= to_minor(str(step.exempt.up_to), self._currency):
                        self._decided(DecisionKind.EXEMPT, "", request, end.reply.result)
                        return replace(end, is_exempt=True)
                case DeclineWith():
                    self._decided(DecisionKind.DECLINE, "", request, end.reply.result)
                    return replace(end, reply=self._declined(step.decline))
                case _:
                    assert_never(step)
        if not end.reply.result.worked:
            self._decided(DecisionKind.EXHAUSTED, "", end.request, end.reply.result)
        return end

    def void(self, sent: Sent) -> None:
        """Reverse what was sent to a target; repeated until acknowledged."""
        channel = self._channels["void", sent.target]
        self._reversals.start(channel, sent.request, self._declared.reversal)

    async def _on_route(
        self, route: int, target: str, request: PaymentRequest, parent: str,
        standing: tuple[Sent, ...],
    ) -> CallEnd:  # fmt: skip
        reply, is_unknown = await self._tries(route, target, request, parent)
        sent = Sent(target, request)
        if reply.result is HopResult.APPROVED:
            return CallEnd(reply, request, (*standing, sent))
        if reply.result.worked or not is_unknown or self._operation != "authorise":
            return CallEnd(reply, request, standing)
        return await self._after_unknown(sent, reply, parent, standing)

    async def _tries(
        self, route: int, target: str, request: PaymentRequest, parent: str
    ) -> tuple[Reply, bool]:
        channel = self._channels[self._operation, target]
        breaker = self._breakers[target]
        retry = self._declared.retry
        most = retry.attempts if retry is not None else 1
        is_unknown = False
        number = 1
        while True:
            if breaker is not None and not breaker.admits():
                self._decided(DecisionKind.BREAKER_REJECTED, target, request, None)
                return channel.not_tried(request, parent, route=route), is_unknown
            reply = await channel.send(
                request, parent, timeout_s=self._declared.timeout, route=route, try_number=number
            )
            if breaker is not None:
                breaker.record(failed=not reply.result.worked)
            is_unknown = is_unknown or reply.result.leaves_unknown
            if retry is None or number >= most or reply.result not in retry.on:
                return reply, is_unknown
            self._decided(DecisionKind.RETRY, target, request, reply.result)
            jitter = 0.5 + self._context.draw("retry", request.reference, number) / 2
            await asyncio.sleep(retry.backoff * 2 ** (number - 1) * jitter)
            number += 1

    async def _after_unknown(
        self, sent: Sent, reply: Reply, parent: str, standing: tuple[Sent, ...]
    ) -> CallEnd:
        left = CallEnd(reply, sent.request, (*standing, sent), is_unresolved=True)
        match self._declared.on_unknown:
            case "reverse":
                self.void(sent)
                return CallEnd(reply, sent.request, (*standing, sent))
            case "query":
                found = await self._query(sent, parent)
            case "resend":
                self._decided(DecisionKind.RESEND, sent.target, sent.request, reply.result)
                found = await self._channels[self._operation, sent.target].send(
                    sent.request, parent, timeout_s=self._declared.timeout, try_number=2
                )
            case "give_up":
                found = reply
            case _:
                assert_never(self._declared.on_unknown)
        if found.result is HopResult.APPROVED:
            return CallEnd(found, sent.request, left.standing)
        if found.result is HopResult.DECLINED:
            if found.code == NOT_FOUND:  # nothing was done there: as if it had been refused
                return CallEnd(reply, sent.request, standing)
            return CallEnd(found, sent.request, standing)
        self._decided(DecisionKind.GAVE_UP, sent.target, sent.request, found.result)
        return left

    async def _query(self, sent: Sent, parent: str) -> Reply:
        channel = self._channels["query", sent.target]
        reply = Reply(HopResult.UNKNOWN)
        for number in range(1, QUERIES + 1):
            self._decided(DecisionKind.QUERY, sent.target, sent.request, None)
            reply = await channel.send(
                sent.request, parent, timeout_s=self._declared.timeout, try_number=number
            )
            if reply.result.worked:
                return reply
            await asyncio.sleep(QUERY_PAUSE_S)
        return reply

    def _next_attempt(self, request: PaymentRequest, route: int) -> PaymentRequest:
        """The request over another route: a new authorisation, which no key of the first covers."""
        if self._operation != "authorise":
            return request
        reference = f"{request.reference}.{route}"
        return msgspec.structs.replace(
            request, attempt=request.attempt + route, reference=reference, key=reference
        )

    def _declined(self, code: str) -> Reply:
        answer = Answer(Outcome.DECLINED, code, self._context.link)
        return Reply(
            HopResult.TECHNICAL if is_technical(code) else HopResult.DECLINED, code, answer
        )

    def _breaker(self, target: str) -> Breaker | None:
        if self._declared.breaker is None:
            return None

        def changed(state: State, reason: str) -> None:
            self._context.decided(_BREAKER_EVENTS[state], self._operation, target, detail=reason)

        return Breaker(self._declared.breaker, lambda: self._context.now_ns() / 1e9, changed)

    def _decided(
        self, kind: DecisionKind, target: str, request: PaymentRequest, why: HopResult | None
    ) -> None:
        self._context.decided(
            kind, self._operation, target, payment=request.payment, attempt=request.attempt,
            detail=why or "",
        )  # fmt: skip
