"""The calls of a link while the customer waits, and how long they can take."""

from __future__ import annotations

from typing import Literal

from paychain.model.chain import Chain
from paychain.model.fallbacks.step import Failover
from paychain.model.named_calls import named
from paychain.model.operations import RESOLVED
from paychain.model.policy import Call

Known = dict[str, float]  # seconds by link
_ROUNDING_S = 1e-6
# In the order in which they are made.
WHILE_WAITING = (
    "forward",
    "serve",
    "tokenise",
    "screen",
    "quote",
    "authenticate",
    "authorise",
    "transfer",
)


def exceeds(sum_s: float, limit_s: float) -> bool:
    """Whether a sum of seconds is above a limit: 50 ms and 10 ms are not above 60 ms."""
    return sum_s - limit_s > _ROUNDING_S


def calls_in_payment(chain: Chain, link: str) -> dict[str, Call]:
    """The calls a link makes one after the other while the customer waits."""
    calls = chain.calls_of(link)
    return {
        name: calls[name]
        for operation in WHILE_WAITING
        for name in named(operation, calls)
        if not calls[name].aside
    }


def longest_work_s(
    chain: Chain, link: str, *, has_deadline: bool = False, known: Known | None = None
) -> float:
    """Seconds until a link answers when everything behind it hangs.

    `has_deadline`: it knows its caller's deadline, so calls that propagate it end in time.
    `known`: of the links behind it, each of which may be reached on many paths.
    """
    known = {} if known is None else known
    return chain.links[link].answers_in.p99 + sum(
        longest_wait_s(chain, link, operation, call, known)
        for operation, call in calls_in_payment(chain, link).items()
        if not (has_deadline and call.propagate_deadline)
    )


def longest_wait_s(
    chain: Chain, link: str, operation: str, call: Call, known: Known | None = None
) -> float:
    """Seconds that the payment waits for a call of a link.

    A bank answers that a transfer is pending once the hold has ended, and its call goes on.
    """
    call_s = longest_call_s(chain, operation, call, known)
    if chain.rail is None or chain.links[link].role != "bank":
        return call_s
    return min(call_s, chain.links[link].holds.lasts_s(chain.rail))


def longest_call_s(chain: Chain, operation: str, call: Call, known: Known | None = None) -> float:
    """Seconds a call takes when every try of it times out.

    A link that only forwards waits as long as the link behind it works. `known`: of the links
    behind the call.
    """
    if operation == "forward":
        known = {} if known is None else known
        for target in (call.to, *call.preferred):
            if target not in known:
                known[target] = longest_work_s(chain, target, known=known)
        works_s = max(known[target] for target in (call.to, *call.preferred))
        # Without a time-out of its own it waits as long as the customer does: nothing is cut short.
        return works_s if call.timeout >= chain.deadline else min(call.timeout, works_s)
    if call.pick is not None:  # those asked at once, then the others one after the other
        return call.pick.timeout * (1 + call.pick.most - min(call.pick.ask, call.pick.most))
    routes = 1 + sum(isinstance(step, Failover) for step in call.fallback) + bool(call.prefer)
    wait_s = call.bulkhead.wait if call.bulkhead is not None and call.bulkhead.queue else 0.0
    try_s = call.timeout + wait_s
    route_s = try_s
    retry = call.retry
    if retry is not None:
        pauses_s = sum(
            min(retry.backoff * 2.0**number, retry.max_backoff)
            for number in range(retry.attempts - 1)
        )
        if "timeout" in retry.on:
            route_s = try_s * retry.attempts + pauses_s
        # Without a connection in time it is tried again; the last try may wait for its answer.
        elif "refused" in retry.on and call.connect_timeout is not None:
            route_s += (call.connect_timeout + wait_s) * (retry.attempts - 1) + pauses_s
    if operation in RESOLVED and call.on_unknown == "resend":
        route_s += try_s
    elif operation in RESOLVED and call.on_unknown == "query":
        route_s += call.query.longest_s(call.timeout)
    hedged_s = call.hedge.after if call.hedge is not None else 0.0
    return (routes + len(call.shared_tenders)) * route_s + hedged_s


def typical_work_s(
    chain: Chain, link: str, at: Literal["median", "p99"], known: Known | None = None
) -> float:
    """Seconds until a link answers while nothing fails, every link at this percentile."""
    known = {} if known is None else known
    if link not in known:
        own = chain.links[link].answers_in
        known[link] = (own.median if at == "median" else own.p99) + sum(
            typical_work_s(chain, call.to, at, known)
            for call in calls_in_payment(chain, link).values()
        )
    return known[link]
