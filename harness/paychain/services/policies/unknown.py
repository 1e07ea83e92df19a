"""Resolving an unknown outcome: query the target, or send the same request again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec

from paychain.model.fallbacks.step import Failover
from paychain.model.policy import Call
from paychain.payments.codes import APPROVED, NOT_FOUND
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.delivery import deliver
from paychain.services.policies.call_end import Attempt
from paychain.services.policies.route import Route
from paychain.services.state.idempotency import is_made_again

QUERY = "query"


def outcome_of_original(request: PaymentRequest, reply: Reply) -> Reply:
    """What "duplicate" says about a request whose first try had no answer.

    The refusal names the original and the amount that it holds. When that is this request, a try
    was executed and approved; otherwise its outcome stays unknown.
    """
    answer = reply.answer
    if answer is None:
        return reply
    # A target without keys has a name of its own for what it made of a second try.
    is_own = answer.reference == request.reference or is_made_again(
        answer.reference, request.reference, answer.decided_by
    )
    if is_own and answer.amount_minor > 0:
        approval = msgspec.structs.replace(
            answer, outcome=Outcome.APPROVED, code=APPROVED, code_class=""
        )
        return Reply(HopResult.APPROVED, APPROVED, approval)
    return Reply(HopResult.UNKNOWN, reply.code)


def not_found_doubted_s(declared: Call, target: str, *, is_final: bool = False) -> float:
    """Seconds from an unknown outcome on in which "not found" may mean "not yet".

    A request may begin after the query for it, unless the target rejects it from then on
    (`is_final`). Where no other link is asked next nothing is gained by believing that nothing was
    done, so only the last answer counts. Another link has to be asked while the customer still
    waits: so once the request has had its timeout a second time, it is over.
    """
    if is_final:
        return 0.0
    return declared.timeout if _asks_another_after(declared, target) else float("inf")


def _asks_another_after(declared: Call, target: str) -> bool:
    """Whether a payment that failed at a target goes to another link; local steps ask none."""
    failovers = [step for step in declared.fallback if isinstance(step, Failover)]
    is_last = not failovers or target in failovers[-1].targets
    return target in declared.preferred or not is_last


async def query(
    route: Route,
    declared: Call,
    attempt: Attempt,
    parent: str,
    rejects_unknown: Collection[str] = (),
) -> Reply | None:
    """The target's own word on a request, None when it gave none in the declared tries or time.

    A wait before the first query begins when the time for the answer is over: rails count from the
    request, however soon its connection broke.
    `rejects_unknown`: the links whose "not found" is final.
    """
    request, tries = attempt.request, declared.query
    timeout_s = tries.timeout or declared.timeout
    clock = asyncio.get_running_loop()
    began_s = asks_from_s = clock.time()
    if tries.first_after:
        asks_from_s = max(attempt.sent_s + declared.timeout, began_s)
    until_s = asks_from_s + tries.within if tries.within is not None else float("inf")
    doubted_until_s = began_s + not_found_doubted_s(
        declared, route.target, is_final=route.target in rejects_unknown
    )
    if tries.first_after:
        await asyncio.sleep(asks_from_s + tries.first_after - began_s)

    async def send(number: int) -> Reply:
        route.say(DecisionKind.QUERY, request)
        return await route.send(request, parent, timeout_s=timeout_s, try_number=number)

    def pause_s(number: int) -> float | None:
        is_last = tries.most_tries is not None and number >= tries.most_tries
        return None if is_last or clock.time() + tries.pause > until_s else tries.pause

    def is_final(reply: Reply) -> bool:
        is_doubted = reply.code == NOT_FOUND and clock.time() < doubted_until_s
        return reply.result.worked and not is_doubted

    delivered = await deliver(send, is_final=is_final, pause_s=pause_s)
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
