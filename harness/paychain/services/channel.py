"""One hop as its caller sees it: send a request, take the reply, record the hop."""

from __future__ import annotations

import msgspec

from paychain.payments.journal import DecisionKind, HopRecord
from paychain.payments.outcome import HopResult
from paychain.protocol.envelope import headers_of
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.scaling import as_read, as_sent
from paychain.services.traces import TraceNumbers
from paychain.services.transport import Caller


class Channel:
    """The hop from one link to another for one operation."""

    def __init__(
        self,
        context: Context,
        operation: str,
        callee: str,
        caller: Caller,
        exponent: int | None = None,
        traces: TraceNumbers | None = None,
    ) -> None:
        self.operation = operation
        self.callee = callee
        self._context = context
        self._caller = caller
        self._exponent = exponent  # decimals that the link takes every currency for
        self._traces = traces  # in place of idempotency keys

    async def send(
        self,
        request: PaymentRequest,
        parent: str,
        *,
        timeout_s: float,
        connect_timeout_s: float | None = None,
        route: int = 0,
        try_number: int = 1,
        propagate_deadline: bool = False,
    ) -> Reply:
        """Execute the call once and record the hop. Never raises for what the network did.

        `connect_timeout_s`: how much of that it may take until there is a connection. `route`,
        `try_number`: which way the attempt takes, from 0, and which try on it, from 1.
        `propagate_deadline`: the callee learns that its caller waits no longer than `timeout_s`.
        """
        # The link is down: what is on disk goes on when it is back.
        if not self._context.up.is_open:
            await self._context.up.wait()
        span = self._context.new_span()
        started_ns = self._context.now_ns()
        left_s = timeout_s if propagate_deadline else None
        headers = headers_of(request.payment, span, self._context.link, left_s)
        ask, waits_s = self._caller.ask, (timeout_s, connect_timeout_s)
        sent = request
        if self._traces is not None:
            sent = msgspec.structs.replace(request, key=self._traces.of(request.key, started_ns))
        if self._exponent is None:
            reply = await ask(self.operation, sent, headers, *waits_s)
        else:
            sent = as_sent(sent, self._exponent)
            reply = await ask(self.operation, sent, headers, *waits_s)
            reply = as_read(reply, request, sent, self._exponent)
        for _ in range(reply.resent):
            self._note_resent(request, try_number)
        self._record(
            request, parent, span, started_ns, route=route, try_number=try_number, reply=reply
        )
        return reply

    def _note_resent(self, request: PaymentRequest, try_number: int) -> None:
        """The hop has one record: of how it ended."""
        self._context.decided(
            DecisionKind.RESEND,
            self.operation,
            self.callee,
            payment=request.payment,
            attempt=request.attempt,
            detail=f"try {try_number}: its connection was lost",
        )

    def not_tried(self, request: PaymentRequest, parent: str, *, route: int) -> Reply:
        """Record an execution that a policy refused to send."""
        reply = Reply(HopResult.NOT_TRIED)
        now = self._context.now_ns()
        span = self._context.new_span()
        self._record(request, parent, span, now, route=route, try_number=1, reply=reply)
        return reply

    def _record(
        self,
        request: PaymentRequest,
        parent: str,
        span: str,
        started_ns: int,
        *,
        route: int,
        try_number: int,
        reply: Reply,
    ) -> None:
        self._context.journal.append(
            HopRecord(
                payment=request.payment,
                attempt=request.attempt,
                span=span,
                parent=parent,
                caller=self._context.link,
                operation=self.operation,
                callee=self.callee,
                route=route,
                try_number=try_number,
                started_ns=started_ns,
                ended_ns=self._context.now_ns(),
                result=reply.result,
                code=reply.code,
            )
        )

    def drop(self) -> None:
        """Lose the hop's connections: the caller died."""
        self._caller.drop()

    async def close(self) -> None:
        """Close the hop's connections."""
        await self._caller.close()
