"""What a payment does on its way: the calls of a link while the customer waits, and their times."""

from __future__ import annotations

from harness.model.chain import Chain
from harness.model.fallback import FailoverTo, Split
from harness.model.policy import Call

WHILE_WAITING = ("forward", "screen", "authenticate", "tokenise", "authorise")


def calls_in_payment(chain: Chain, link: str) -> dict[str, Call]:
    """The calls a link makes one after the other while the customer waits."""
    calls = chain.calls_of(link)
    return {operation: calls[operation] for operation in WHILE_WAITING if operation in calls}


def longest_work_s(chain: Chain, link: str, *, told: bool = False) -> float:
    """Seconds until a link answers when everything behind it hangs.

    `told`: it knows its caller's deadline; calls that pass it on end in time.
    """
    return chain.links[link].answers_in.p99 + sum(
        longest_call_s(chain, operation, call)
        for operation, call in calls_in_payment(chain, link).items()
        if not (told and call.passes_deadline)
    )


def longest_call_s(chain: Chain, operation: str, call: Call) -> float:
    """Seconds a call takes when every try of it times out.

    A link that only forwards waits as long as what is behind it works.
    """
    if operation == "forward":
        return min(call.timeout, longest_work_s(chain, call.to))
    routes = 1 + sum(isinstance(step, FailoverTo | Split) for step in call.fallback)
    wait_s = call.bulkhead.wait if call.bulkhead is not None and call.bulkhead.queue else 0.0
    one_s = call.timeout + wait_s
    at_one_s = one_s
    if call.retry is not None and "timeout" in call.retry.on:
        retry = call.retry
        pauses = (
            min(retry.backoff * 2.0**number, retry.longest) for number in range(retry.attempts - 1)
        )
        at_one_s = one_s * retry.attempts + sum(pauses)
    if operation == "authorise" and call.on_unknown == "resend":
        at_one_s += one_s
    elif operation == "authorise" and call.on_unknown == "query":
        query = call.query
        each_s = query.timeout or call.timeout
        at_one_s += query.attempts * each_s + (query.attempts - 1) * query.pause
    hedged_s = call.hedge.after if call.hedge is not None else 0.0
    return routes * at_one_s + hedged_s
