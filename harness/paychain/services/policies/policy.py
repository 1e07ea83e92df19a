"""A call with its policy: reach a final answer, or fall back step by step, or say how it failed.

execute ─▶ call_target ─▶ try_target ─▶ Route.send ─▶ Channel.send       one exchange: Reply
   │            │             └─ retry, with pauses ───────────────────▶  one target: Attempt
   │            └─ settle_attempt: reverse · query · resend · give up ─▶  for the role: CallEnd
   └─ _fall_back: fail over (call_target again) · stand in · queue · skip · decline …
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import assert_never

import msgspec

from paychain.model.codes import OwnCodes
from paychain.model.fallbacks.failover import FailoverTo
from paychain.model.fallbacks.queue import Queue
from paychain.model.fallbacks.step import Failover, LocalStep
from paychain.model.operations import RESOLVED
from paychain.model.policy import Call, Hedge, Retry
from paychain.payments.codes import NOT_FOUND, names_a_duplicate
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.policies import deadline, unknown
from paychain.services.policies.call_end import Attempt, CallEnd, SentRequest
from paychain.services.policies.decisions import Decisions
from paychain.services.policies.failover import Failovers
from paychain.services.policies.fallbacks import Fallbacks, declined
from paychain.services.policies.hedge import Hedged
from paychain.services.policies.picked import picked
from paychain.services.policies.preferences import Preferences
from paychain.services.policies.presentations import Presentations
from paychain.services.policies.queue import stores
from paychain.services.policies.retry import (
    RetryBudget,
    is_too_long,
    pause_s,
    requested_pause_s,
    wants_retry,
)
from paychain.services.policies.reversal import VOID, Reversals
from paychain.services.policies.route import Channels, Route, own_breaker
from paychain.services.policies.unknown import QUERY, outcome_of_original
from paychain.services.state.background import Background

__all__ = ["CallEnd", "PolicyCall", "SentRequest"]
_APPROVED = HopResult.APPROVED  # looked up once: an enum's member costs as much as a call


class PolicyCall:
    """One declared call of one link.

    Reversals and queries have routes of their own to each target: their breakers are not those of
    the calls whose outcome they resolve, unless the chain declares it.
    """

    def __init__(
        self,
        context: Context,
        operation: str,
        declared: Call,
        *,
        currency: str,
        channels: Channels,
        reversals: Reversals,
        background: Background,
        own_codes: OwnCodes | None = None,
        rejects_unknown: frozenset[str] = frozenset(),
    ) -> None:
        self._context = context
        self._own_codes = own_codes or {}
        self._rejects_unknown = rejects_unknown
        self._operation = operation
        self._declared = declared
        self._reversals = reversals
        self._may_hold = operation == "authorise" or declared.reverses(operation)
        self._has_to_resolve = self._may_hold or operation in RESOLVED
        self._reverses_unknown = declared.reverses(operation)
        # Only such a wait asks when a request was sent.
        asks = declared.on_unknown == "query"
        self._waits_before_queries = asks and bool(declared.query.first_after)
        self._background = background
        self._decisions = Decisions(context, operation)
        self._routes: dict[str, Route] = {}
        self._voids: dict[str, Route] = {}
        self._queries: dict[str, Route] = {}
        self._open_routes(channels)
        # A payment that prefers another link, whatever its health, is not diverted from anything:
        # there it takes its first route.
        self._first = {target: self._routes[target].as_first() for target in declared.preferred}
        prefer = declared.prefer
        self._preferences = Preferences(prefer, context, currency) if prefer else None
        self._budget = RetryBudget.of(declared.retry)
        self._presentations = Presentations()
        self._stores = stores(
            declared,
            currency=currency,
            route=self._routes[declared.to],
            context=context,
            background=background,
            undo=self._undo_stored,
        )
        self._hedged = self._hedge(declared.hedge) if declared.hedge is not None else None
        self._picked = picked(
            declared,
            operation,
            routes=self._routes,
            context=context,
            decisions=self._decisions,
            background=background,
            policy=self,
        )
        self._fallbacks = Fallbacks(
            context,
            operation,
            declared,
            currency,
            self._decisions,
            self._stores,
            own_codes=self._own_codes,
        )
        self._failovers = Failovers(
            operation=operation,
            declared=declared,
            context=context,
            decisions=self._decisions,
            budget=self._budget,
            policy=self,
        )

    @cached_property
    def _clock(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _open_routes(self, channels: Channels) -> None:
        context, declared = self._context, self._declared
        for target in declared.targets:
            route = Route.of(context, channels, self._operation, target, declared)
            own = own_breaker(declared.reversal.breaker, context, VOID, target)
            void = route.breaker if declared.reversal.shares_breaker else own
            query = own_breaker(declared.query.breaker, context, QUERY, target)
            self._routes[target] = route
            self._voids[target] = Route(context, channels, VOID, target, breaker=void)
            self._queries[target] = Route(context, channels, QUERY, target, breaker=query)

    def _hedge(self, hedge: Hedge) -> Hedged:
        return Hedged(
            operation=self._operation,
            to=self._declared.to,
            hedge=hedge,
            attempts=self._declared.attempts,
            shares_keys=self._declared.shares_keys,
            reverses=self._may_hold,
            mark=self._context.mark,
            decisions=self._decisions,
            background=self._background,
            policy=self,
        )

    async def execute(self, request: PaymentRequest, parent: str) -> CallEnd:
        """Reach a final answer by the declared policy, or report how that failed."""
        preference = self._preferences.choose(request) if self._preferences is not None else None
        target = preference.to if preference is not None else self._declared.to
        # A payment whose card was declined before may be at the limit of its scheme: then the call
        # ends with the last decline, and nothing is sent.
        if request.payment in self._presentations and not self.may_present("call", target, request):
            code = self._presentations.last_code(request.payment)
            last = declined(self._context.link, code, self._own_codes)
            return CallEnd(reply=last, request=request)
        if self._budget is not None:
            self._budget.called()
        if preference is not None and preference.when_failing is not None:
            self._decisions.say(DecisionKind.FAILOVER, target, request, "failing")
            end = await self.call_target(target, request, parent)
        elif preference is not None:
            end = await self.call_target(target, request, parent, self._first[target])
        elif self._picked is not None:
            end = await self._picked.execute(request, parent)
        elif self._hedged is None:
            end = await self.call_target(target, request, parent)
        else:
            end = await self._hedged.execute(request, parent)
        if end.reply.result.worked:
            if self._fallbacks.remembers and end.reply.result is _APPROVED:
                self._fallbacks.note_answer()
            return end
        preferred = preference.to if preference is not None else None
        return await self._fall_back(end, request, parent, preferred)

    def void(self, sent: SentRequest) -> None:
        """Reverse what was sent to a target, or is still to be; repeated until acknowledged."""
        for store in self._stores.values():
            store.cancel(sent.request.reference)
        self._reversals.start(self._voids[sent.target], sent.request, self._declared.reversal)

    async def call_target(
        self, target: str, request: PaymentRequest, parent: str, route: Route | None = None
    ) -> CallEnd:
        """Try one target, and settle what stays unknown there."""
        attempt = await self.try_target(
            target, request, parent, self._declared.attempts, route=route
        )
        # Nearly every attempt is approved, and then there is nothing to settle.
        if attempt.reply.result is _APPROVED:
            return attempt.approved()
        return await self.settle_attempt(attempt, parent)

    async def try_target(
        self,
        target: str,
        first: PaymentRequest,
        parent: str,
        max_tries: int,
        *,
        route: Route | None = None,
    ) -> Attempt:
        """Send to one target until there is a final answer, or `max_tries` requests were sent.

        `route`: other than the target's own.
        """
        declared = self._declared
        first = request = self._with_valid_proof(target, first)
        route = self._routes[target] if route is None else route
        preferences = self._preferences if target == declared.to else None
        is_unknown, number = False, 1
        clock, sent_s = self._clock, 0.0

        def note_sent() -> None:
            nonlocal sent_s
            if not is_unknown:
                sent_s = clock.time()

        try:
            while True:
                reply = await route.send(
                    request,
                    parent,
                    timeout_s=declared.timeout,
                    try_number=number,
                    on_send=note_sent if self._waits_before_queries else None,
                )
                if preferences is not None:
                    preferences.note(failed=not reply.result.worked)
                if reply.result is _APPROVED:
                    return Attempt(target, request, reply, False)
                if is_unknown and names_a_duplicate(reply.code):
                    reply = outcome_of_original(request, reply)
                    if reply.result is _APPROVED:
                        return Attempt(target, request, reply, False)
                is_unknown = is_unknown or reply.result.leaves_unknown
                if self._operation == "authorise":
                    self._presentations.note(request, reply, self._context.now_ns())
                retry = declared.retry
                if (
                    retry is None
                    or number >= max_tries
                    or not self._may_retry(retry, target, request, reply)
                    or not self.may_send_again("retry", target, request)
                ):
                    return Attempt(target, request, reply, is_unknown, sent_s)
                self._decisions.say(DecisionKind.RETRY, target, request, reply.result)
                # An answer is final for its key, and the reference may have been reversed below:
                # the retry needs new ones. While a try may still have been executed they stay, so
                # that the target can recognise the repeat.
                if reply.answer is not None and not is_unknown and self._operation == "authorise":
                    reference = f"{first.reference}~{self._context.mark}{number}"
                    request = msgspec.structs.replace(first, reference=reference, key=reference)
                chance = self._context.draw("retry", first.reference, number)
                pause = pause_s(retry, number, chance)
                await asyncio.sleep(max(pause, requested_pause_s(retry, reply)))
                number += 1
        except asyncio.CancelledError:
            # The link dies meanwhile. What is on disk survives it: the reversal goes out when the
            # link is back.
            if self._background.is_kept and self._reverses_unknown:
                self.void(SentRequest(target, request))
            raise

    def _with_valid_proof(self, target: str, request: PaymentRequest) -> PaymentRequest:
        """The request as `target` sees it: an authentication that was made for others is none."""
        if not request.proof_for or self._operation != "authorise":
            return request
        if target in request.proof_for:
            return msgspec.structs.replace(request, proof_for=())
        self._decisions.say(DecisionKind.AUTHENTICATION_LOST, target, request)
        return msgspec.structs.replace(request, proof_for=(), authenticated=False, three_ds="")

    async def settle_attempt(self, attempt: Attempt, parent: str) -> CallEnd:
        """The end of an attempt; an unknown outcome is dealt with as declared."""
        reply, request, declared = attempt.reply, attempt.request, self._declared
        if reply.result is _APPROVED:
            return attempt.approved()
        # Declined, or proved not to have been executed, or an operation that moves no money:
        # nothing to resolve.
        if attempt.worked or not attempt.is_unknown or not self._has_to_resolve:
            return CallEnd(reply=reply, request=request)
        found: Reply | None = None
        match declared.on_unknown:
            case "reverse":
                self.void(attempt.sent)
                return CallEnd(reply=reply, request=request, standing=(attempt.sent,))
            case "query":
                route = self._queries[attempt.target]
                found = await unknown.query(route, declared, attempt, parent, self._rejects_unknown)
            case "resend":
                route = self._routes[attempt.target]
                found = await unknown.resend(route, declared, request, parent)
            case "give_up":
                pass
            case _:
                assert_never(declared.on_unknown)
        # Nothing was found out: the money may be held, and the role has to know it.
        if found is None:
            self._decisions.say(DecisionKind.GAVE_UP, attempt.target, request, reply.result)
            return CallEnd(
                reply=reply, request=request, standing=(attempt.sent,), is_unresolved=True
            )
        if found.result is _APPROVED:
            known = msgspec.structs.replace(attempt, reply=found)
            return CallEnd(reply=found, request=request, standing=(known.sent,), is_found=True)
        # The target does not know the request: it failed as if it had been refused.
        last = reply if found.code == NOT_FOUND else found
        return CallEnd(reply=last, request=request)

    async def _fall_back(
        self, end: CallEnd, request: PaymentRequest, parent: str, preferred: str | None
    ) -> CallEnd:
        """The declared steps one after the other, until one gives an end.

        A payment whose preferred link failed gets the call's own target first, and the link that
        it preferred no second time.
        """
        if preferred is not None:
            own = FailoverTo(to=self._declared.to)
            end = await self._failovers.fail_over(own, end, request, parent)
            if end.reply.result.worked:
                return end
        for number, step in enumerate(self._declared.fallback):
            if isinstance(step, Failover) and self._failovers.was_asked(step, preferred):
                continue
            if isinstance(step, Failover):
                end = await self._failovers.fail_over(step, end, request, parent)
                if end.reply.result.worked:
                    return end
            else:
                assert isinstance(step, LocalStep)  # there are failovers and local steps
                sent = request
                if isinstance(step, Queue):
                    sent = self._with_valid_proof(self._declared.to, request)
                taken = self._fallbacks.apply(number, step, end, sent)
                if taken is not None:
                    return taken
        self._decisions.say(DecisionKind.EXHAUSTED, "", end.request, end.reply.result)
        return end

    def _may_retry(self, retry: Retry, target: str, request: PaymentRequest, reply: Reply) -> bool:
        """Whether such a reply is retried, and there is time for the pause that it asks for."""
        if not wants_retry(retry, reply):
            return False
        requested_s = requested_pause_s(retry, reply)
        if not requested_s:
            return True
        # Only a call that propagates the deadline looks at it, here as in its route.
        has_deadline = self._declared.propagate_deadline
        left_s = deadline.left_s(self._context.now_ns) if has_deadline else None
        why = f"retry after {requested_s:g} s" if is_too_long(requested_s, left_s) else ""
        return not self._decisions.suppressed("retry", why, request, target)

    def may_send_again(self, what: str, target: str, request: PaymentRequest) -> bool:
        """Whether the scheme and the budget have room for one more request."""
        if not self.may_present(what, target, request):
            return False
        is_spent = self._budget is not None and not self._budget.spend()
        why = "the budget is spent" if is_spent else ""
        return not self._decisions.suppressed(what, why, request, target)

    def may_present(self, what: str, target: str, request: PaymentRequest) -> bool:
        """Whether the scheme lets the card be presented once more."""
        limit = self._presentations.forbid(request, self._context.now_ns())
        why = limit.id if limit is not None else ""
        return not self._decisions.suppressed(what, why, request, target)

    def _undo_stored(self, request: PaymentRequest) -> None:
        if self._operation == "authorise":
            self.void(SentRequest(self._declared.to, request))
