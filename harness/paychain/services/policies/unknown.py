"""Resolving an unknown outcome: query the target, or send the same request again."""

from __future__ import annotations

import asyncio

import msgspec

from paychain.model.policy import Call
from paychain.payments.codes import APPROVED, NOT_FOUND
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.delivery import deliver
from paychain.services.policies.route import Route

QUERY = "query"


def outcome_of_original(request: PaymentRequest, reply: Reply) -> Reply:
    """What "duplicate" says about a request whose first try had no answer.

    The refusal names the original and the amount that it holds. When that is this request, the
    first try was executed and approved; otherwise its outcome stays unknown.
    """
    answer = reply.answer
    if answer is None:
        return reply
    if answer.reference == request.reference and answer.amount_minor > 0:
        approval = msgspec.structs.replace(
            answer, outcome=Outcome.APPROVED, code=APPROVED, code_class=""
        )
        return Reply(HopResult.APPROVED, APPROVED, approval)
    return Reply(HopResult.UNKNOWN, reply.code)


async def query(route: Route, declared: Call, request: PaymentRequest, parent: str) -> Reply | None:
    """The target's own word on a request, None when it gave none in the declared tries or time."""
    tries, timeout_s = declared.query, declared.query.timeout or declared.timeout
    clock = asyncio.get_running_loop()
    until_s = clock.time() + tries.within if tries.within is not None else float("inf")
    if tries.first_after:
        await asyncio.sleep(tries.first_after)

    async def send(number: int) -> Reply:
        route.say(DecisionKind.QUERY, request)
        return await route.send(request, parent, timeout_s=timeout_s, try_number=number)

    def pause_s(number: int) -> float | None:
        is_last = tries.most_tries is not None and number >= tries.most_tries
        return None if is_last or clock.time() + tries.pause > until_s else tries.pause

    # A request that is not known yet may still be on its way: only the last answer can say that
    # nothing was done.
    delivered = await deliver(
        send,
        is_final=lambda reply: reply.result.worked and reply.code != NOT_FOUND,
        pause_s=pause_s,
    )
    return delivered.reply if delivered.reply.result.worked else None


async def resend(
    route: Route, declared: Call, request: PaymentRequest, parent: str
) -> Reply | None:
    """The answer to the same request under the same key, None when there was none again."""
    route.say(DecisionKind.RESEND, request)
    reply = await route.send(
        request, parent, timeout_s=declared.timeout, try_number=declared.attempts + 1
    )
    return reply if reply.result.worked else None
