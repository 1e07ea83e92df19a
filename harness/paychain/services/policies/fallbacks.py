"""The steps a link takes by itself when a call got no final answer: all but asking another link."""

from __future__ import annotations

import msgspec

from paychain.model.codes import OwnCodes
from paychain.model.fallbacks import key_of
from paychain.model.fallbacks.last_known import LastKnown
from paychain.model.fallbacks.queue import Queue
from paychain.model.fallbacks.stand_in import StandIn
from paychain.model.fallbacks.step import AnswerInstead, GoOn, LocalStep
from paychain.model.policy import Call
from paychain.payments.journal import DecisionKind
from paychain.payments.money import to_minor
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.reply import Reply, reply_of
from paychain.services.context import Context
from paychain.services.policies.call_end import CallEnd, next_attempt
from paychain.services.policies.decisions import Decisions
from paychain.services.policies.queue import Store
from paychain.services.policies.stand_in import StandInCount


class Fallbacks:
    """The local steps of one call, with what is used of their limits."""

    def __init__(
        self,
        context: Context,
        operation: str,
        declared: Call,
        currency: str,
        decisions: Decisions,
        stores: dict[int, Store],
        *,
        own_codes: OwnCodes,
    ) -> None:
        self._context = context
        self._operation = operation
        self._target = declared.to
        self._currency = currency
        self._decisions = decisions
        self._own_codes = own_codes
        self._stores = stores  # by the number of their step
        self.remembers = any(isinstance(step, LastKnown) for step in declared.fallback)
        self._answered_ns: int | None = None  # when the call was last approved
        self._stand_ins = {
            number: StandInCount(step.stand_in, currency)
            for number, step in enumerate(declared.fallback)
            if isinstance(step, StandIn)
        }

    def note_answer(self) -> None:
        """Remember that the call brought an answer just now, where `remembers` is true."""
        self._answered_ns = self._context.now_ns()

    def apply(
        self, number: int, step: LocalStep, end: CallEnd, request: PaymentRequest
    ) -> CallEnd | None:
        """The end of the call with this step taken, None when a limit forbids it."""
        match step:
            case GoOn():
                return self._go_on(step, end, request)
            case AnswerInstead():
                self._decisions.say(step.decision, "", request, end.reply.result)
                answer = classified(step.answer(self._context.link, request), self._own_codes)
                return msgspec.structs.replace(end, reply=reply_of(answer))
            case StandIn():
                return self._stand_in(self._stand_ins[number], end, request)
            case Queue():
                return self._queue(self._stores[number], end, request)
            case _:
                raise AssertionError(f"{step!r} has no behaviour")

    def _go_on(self, step: GoOn, end: CallEnd, request: PaymentRequest) -> CallEnd | None:
        if self._decisions.suppressed(key_of(step), self._why_not(step, request), request):
            return None
        self._decisions.say(step.decision, "", request, end.reply.result)
        return msgspec.structs.replace(end, **{step.marks: True})

    def _why_not(self, step: GoOn, request: PaymentRequest) -> str:
        """Why a payment may not go on by a step; "" when it may."""
        if isinstance(step, LastKnown):
            if self._answered_ns is None:
                return "no answer is known"
            age_s = (self._context.now_ns() - self._answered_ns) / 1e9
            return f"the last answer is {age_s:.1f} s old" if age_s > step.last_known else ""
        up_to = step.largest
        is_over = up_to.is_finite() and request.amount_minor > to_minor(str(up_to), self._currency)
        return f"over {up_to}" if is_over else ""

    def _stand_in(
        self, count: StandInCount, end: CallEnd, request: PaymentRequest
    ) -> CallEnd | None:
        if self._decisions.suppressed("stand_in", count.refuse(request), request):
            return None
        count.stood_in(request)
        again = next_attempt(self._operation, request, end.attempts, self._context.mark)
        self._decisions.say(DecisionKind.STAND_IN, "", again, end.reply.result)
        return msgspec.structs.replace(
            end, request=again, attempts=end.attempts + 1, is_stood_in=True
        )

    def _queue(self, store: Store, end: CallEnd, request: PaymentRequest) -> CallEnd | None:
        if self._decisions.suppressed("queue", store.refuse(request), request):
            return None
        again = next_attempt(self._operation, request, end.attempts, self._context.mark)
        self._decisions.say(DecisionKind.QUEUE, self._target, again, end.reply.result)
        return msgspec.structs.replace(
            end, request=again, attempts=end.attempts + 1, is_queued=True, later=store.put(again)
        )


def declined(link: str, code: str, own_codes: OwnCodes) -> Reply:
    """A decline that a link makes up itself."""
    return reply_of(classified(Answer(Outcome.DECLINED, code, link), own_codes))


def classified(answer: Answer, own_codes: OwnCodes) -> Answer:
    """An answer with what its code means in this chain, where that is not the table's meaning."""
    own = own_codes.get(answer.code)
    return answer if own is None else msgspec.structs.replace(answer, code_class=own.class_)
