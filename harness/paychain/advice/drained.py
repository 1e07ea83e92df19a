"""What to change in the chain so that less is left to do when the load is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from paychain.advice.case import MAX_REMEDIES, Case
from paychain.analysis.measures.measures import ToleranceResult
from paychain.declaration.quantity import duration_seconds
from paychain.model.chain import Chain
from paychain.model.fallbacks.queue import Queue
from paychain.model.review.calls import DeclaredCall, declared_calls
from paychain.model.review.remedy import Edit, Remedy, duration_text

_ROOM = 4  # of a limit: what has several waits, one after the other, has room for them all
_SECOND = 1.0  # as exactly as it is known when something was last done
_LEAST_S = 0.01  # some waits may not be left out


def drained_sooner(tolerance: ToleranceResult, case: Case) -> list[Remedy]:
    """Shorter waits for what links still did after the load."""
    limit_s = case.bound(tolerance.measure)
    return [
        case.remedy(change, of=tolerance.measure, at=where)
        for where, change in shorter_waits(case.chain.model, limit_s, case.last_s)
    ][:MAX_REMEDIES]


def shorter_waits(
    chain: Chain, limit_s: float, last_s: Mapping[str, float]
) -> Iterator[tuple[str, Edit]]:
    """Where links wait for longer than a limit on the drain permits, and how long they may.

    `last_s`: what links still did after the load, by `link operation`, and how long after it, the
    latest first. Each wait that is longer than a part of the limit is shortened to it.
    """
    waits_s = limit_s / _ROOM
    for what, seconds in last_s.items():
        link, _, operation = what.partition(" ")
        if seconds + _SECOND > limit_s and link in chain.links:
            for where, path, declared_s, most_s in _waits(chain, link, operation, waits_s):
                # A file writes it rounded up: to no more than is declared, and never to nothing.
                written = duration_text(max(most_s, _LEAST_S))
                if duration_seconds(written) < declared_s:
                    yield where, Edit(path, written)


_REPEATED = ("void", "capture", "refund", "advise")
_Wait = tuple[str, tuple[str | int, ...], float, float]


def _waits(chain: Chain, name: str, operation: str, waits_s: float) -> Iterator[_Wait]:
    """What a link waits for before it does something: where, how long, and how long at most."""
    link, at = chain.links[name], ("links", name)
    if operation == "capture" and link.captures is not None:
        each_s = waits_s / link.captures.parts
        yield name, (*at, "captures", "after"), link.captures.after, each_s
    elif operation == "refund" and link.refunds is not None:
        yield name, (*at, "refunds", "after"), link.refunds.after, waits_s
        gaps = link.refunds.times - 1
        if gaps:
            yield name, (*at, "refunds", "gap"), link.refunds.gap, waits_s / gaps
    elif operation == "notify" and link.webhooks is not None:
        yield name, (*at, "webhooks", "max_backoff"), link.webhooks.max_backoff, waits_s
    elif operation == "void" and link.cancels is not None:
        yield name, (*at, "cancels", "after"), link.cancels.after, waits_s
    for declared in declared_calls(chain):
        if declared.link == name:
            yield from _waits_of(declared, operation, waits_s)


def _waits_of(declared: DeclaredCall, operation: str, waits_s: float) -> Iterator[_Wait]:
    call, where = declared.call, declared.subject
    # Whatever follows an authorisation is repeated as its reversals are.
    if operation in _REPEATED and declared.operation in ("authorise", "forward"):
        # The pauses grow from one to the other: each may be changed without the other.
        first_s, longest_s = call.reversal.backoff, call.reversal.max_backoff
        yield where, declared.at("reversal", "max_backoff"), longest_s, max(waits_s, first_s)
        yield where, declared.at("reversal", "backoff"), first_s, waits_s
    elif operation == "query" and call.on_unknown == "query":
        yield where, declared.at("query", "pause"), call.query.pause, waits_s
    elif operation == declared.operation:
        for number, step in enumerate(call.fallback):
            if isinstance(step, Queue):
                path = declared.at("fallback", number, "queue", "pause")
                yield where, path, step.queue.pause, waits_s
