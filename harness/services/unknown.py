"""An unknown outcome: ask the target what became of it, or send the same request again."""

from __future__ import annotations

import asyncio

from harness.model.policy import Call
from harness.payments.journal import DecisionKind
from harness.services.channel import Reply
from harness.services.message import PaymentRequest
from harness.services.route import Route

QUERY = "query"


async def query(route: Route, declared: Call, request: PaymentRequest, parent: str) -> Reply | None:
    """The target's own word on a request, None when it gave none in the declared tries."""
    timeout_s = declared.query.timeout or declared.timeout
    for number in range(1, declared.query.attempts + 1):
        if number > 1:
            await asyncio.sleep(declared.query.pause)
        route.say(DecisionKind.QUERY, request)
        reply = await route.send(request, parent, timeout_s=timeout_s, try_number=number)
        if reply.result.worked:
            return reply
    return None


async def resend(
    route: Route, declared: Call, request: PaymentRequest, parent: str
) -> Reply | None:
    """The answer to the same request under the same key, None when there was none again."""
    route.say(DecisionKind.RESEND, request)
    reply = await route.send(
        request, parent, timeout_s=declared.timeout, try_number=declared.attempts + 1
    )
    return reply if reply.result.worked else None
