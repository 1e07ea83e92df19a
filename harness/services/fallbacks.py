"""The steps a link takes by itself when a call got no final answer: all but asking another link."""

from __future__ import annotations

from typing import assert_never

import msgspec

from harness.model.fallback import (
    DeclineWith,
    Exempt,
    Limit,
    Local,
    Queue,
    Skip,
    StandIn,
)
from harness.model.policy import Call
from harness.payments.codes import is_technical
from harness.payments.journal import DecisionKind
from harness.payments.money import to_minor
from harness.payments.outcome import HopResult, Outcome
from harness.services.call_end import CallEnd, next_attempt
from harness.services.channel import Reply
from harness.services.context import Context
from harness.services.decisions import Decisions
from harness.services.message import Answer, PaymentRequest
from harness.services.queue import Store
from harness.services.stand_in import StandInCount


class Fallbacks:
    """The local steps of one call, with what is used of their limits."""

    def __init__(
        self, context: Context, operation: str, declared: Call, currency: str, decisions: Decisions,
        stores: dict[int, Store],
    ) -> None:  # fmt: skip
        self._context = context
        self._operation = operation
        self._target = declared.to
        self._currency = currency
        self._decisions = decisions
        self._stores = stores  # by the number of their step
        self._stand_ins = {
            number: StandInCount(step.stand_in, currency)
            for number, step in enumerate(declared.fallback)
            if isinstance(step, StandIn)
        }

    def take(
        self, number: int, step: Local, end: CallEnd, request: PaymentRequest
    ) -> CallEnd | None:
        """The end of the call with this step taken, None when a limit forbids it."""
        why = end.reply.result
        match step:
            case Skip():
                if self._is_over(step.skip, "skip", request):
                    return None
                self._decisions.say(DecisionKind.SKIP, "", request, why)
                return msgspec.structs.replace(end, is_skipped=True)
            case Exempt():
                if self._is_over(step.exempt, "exempt", request):
                    return None
                self._decisions.say(DecisionKind.EXEMPT, "", request, why)
                return msgspec.structs.replace(end, is_exempt=True)
            case StandIn():
                return self._stand_in(self._stand_ins[number], end, request)
            case Queue():
                return self._queue(self._stores[number], end, request)
            case DeclineWith():
                self._decisions.say(DecisionKind.DECLINE, "", request, why)
                return msgspec.structs.replace(
                    end, reply=declined(self._context.link, step.decline)
                )
            case _:
                assert_never(step)

    def _is_over(self, limit: Limit, what: str, request: PaymentRequest) -> bool:
        is_over = request.amount_minor > to_minor(str(limit.up_to), self._currency)
        return self._decisions.withheld(what, f"over {limit.up_to}" if is_over else "", request)

    def _stand_in(
        self, count: StandInCount, end: CallEnd, request: PaymentRequest
    ) -> CallEnd | None:
        if self._decisions.withheld("stand_in", count.refuse(request), request):
            return None
        count.stood_in(request)
        again = next_attempt(self._operation, request, end.attempts, self._context.mark)
        self._decisions.say(DecisionKind.STAND_IN, "", again, end.reply.result)
        return msgspec.structs.replace(
            end, request=again, attempts=end.attempts + 1, is_stood_in=True
        )

    def _queue(self, store: Store, end: CallEnd, request: PaymentRequest) -> CallEnd | None:
        if self._decisions.withheld("queue", store.refuse(request), request):
            return None
        again = next_attempt(self._operation, request, end.attempts, self._context.mark)
        self._decisions.say(DecisionKind.QUEUE, self._target, again, end.reply.result)
        return msgspec.structs.replace(
            end, request=again, attempts=end.attempts + 1, is_queued=True, later=store.put(again)
        )


def declined(link: str, code: str) -> Reply:
    """A decline that a link makes up itself."""
    result = HopResult.TECHNICAL if is_technical(code) else HopResult.DECLINED
    return Reply(result, code, Answer(Outcome.DECLINED, code, link))
