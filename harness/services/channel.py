"""One hop as its caller sees it: send a request, classify what comes back, record it."""

from __future__ import annotations

import msgspec

from harness.payments.codes import is_technical
from harness.payments.journal import HopRecord
from harness.payments.outcome import HopResult, Outcome
from harness.services.context import Context
from harness.services.deadline import DEADLINE_HEADER, written
from harness.services.message import (
    TRACE_HEADER,
    Answer,
    PaymentRequest,
    decode_answer,
    encode,
    traceparent,
)
from harness.wire.client import HttpPool
from harness.wire.http import Broken, CallTimeout, HttpResponse, Refused, WireError


class Reply(msgspec.Struct, frozen=True):
    """What one execution of a call brought back."""

    result: HopResult
    code: str = ""
    answer: Answer | None = None


def classify(response: HttpResponse) -> Reply:
    """Read the outcome from the body: a status of 200 alone says nothing about money."""
    if response.status >= 400:
        return Reply(HopResult.HTTP_ERROR, str(response.status))
    try:
        answer = decode_answer(response.body)
    except msgspec.MsgspecError:
        return Reply(HopResult.MALFORMED)
    match answer.outcome:
        case Outcome.APPROVED:
            result = HopResult.APPROVED
        case Outcome.UNKNOWN:
            result = HopResult.UNKNOWN
        case Outcome.DECLINED:
            result = HopResult.TECHNICAL if is_technical(answer.code) else HopResult.DECLINED
    return Reply(result, answer.code, answer)


def failure_of(error: WireError) -> HopResult:
    """What a broken exchange means for the caller."""
    match error:
        case Refused():
            return HopResult.REFUSED
        case CallTimeout():
            return HopResult.TIMEOUT
        case Broken():
            return HopResult.RESET if error.sent else HopResult.REFUSED
        case _:
            return HopResult.MALFORMED


class Channel:
    """The hop from one link to another for one operation."""

    def __init__(self, context: Context, operation: str, callee: str, pool: HttpPool) -> None:
        self.operation = operation
        self.callee = callee
        self._context = context
        self._pool = pool

    async def send(
        self, request: PaymentRequest, parent: str, *, timeout_s: float, route: int = 0,
        try_number: int = 1, tells_deadline: bool = False,
    ) -> Reply:  # fmt: skip
        """Execute the call once and record the hop. Never raises for what the network did.

        `tells_deadline`: the callee learns that nobody waits longer than `timeout_s`.
        """
        if not self._context.up.is_set():  # what is on disk goes on when the link is back
            await self._context.up.wait()
        span = self._context.new_span()
        started_ns = self._context.now_ns()
        headers = {
            TRACE_HEADER: traceparent(request.payment, span),
            "user-agent": self._context.link,
        }
        if tells_deadline:
            headers[DEADLINE_HEADER] = written(timeout_s)
        try:
            response = await self._pool.request(
                "POST",
                f"/{self.operation}",
                encode(request),
                headers=headers,
                timeout_s=timeout_s,
            )
            reply = classify(response)
        except WireError as error:
            reply = Reply(failure_of(error))
        self._record(request, parent, span, started_ns, route, try_number, reply)
        return reply

    def not_tried(self, request: PaymentRequest, parent: str, *, route: int) -> Reply:
        """Record an execution that a policy refused to send."""
        reply = Reply(HopResult.NOT_TRIED)
        now = self._context.now_ns()
        self._record(request, parent, self._context.new_span(), now, route, 1, reply)
        return reply

    def _record(
        self, request: PaymentRequest, parent: str, span: str, started_ns: int, route: int,
        try_number: int, reply: Reply,
    ) -> None:  # fmt: skip
        self._context.journal.append(
            HopRecord(
                request.payment, request.attempt, span, parent, self._context.link,
                self.operation, self.callee, route, try_number, started_ns,
                self._context.now_ns(), reply.result, reply.code,
            )
        )  # fmt: skip

    def drop(self) -> None:
        """Lose the hop's connections: the caller died."""
        self._pool.drop()

    async def close(self) -> None:
        """Close the hop's connections."""
        await self._pool.close()
