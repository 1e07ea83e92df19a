"""Findings about status queries: sooner or more often than the link that is queried permits."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.declaration.quantity import seconds_text
from paychain.model.accounts import QueryLimits
from paychain.model.chain import Chain
from paychain.model.policy import Call, Query
from paychain.model.query_limits import query_limits
from paychain.model.review.calls import DeclaredCall, declared_calls
from paychain.model.review.finding import Weakness
from paychain.model.review.remedy import Edit, duration_text


def query_too_early(chain: Chain) -> Iterator[Weakness]:
    """Callers that query a payment while its outcome may still come by itself."""
    for declared, target, limits in _limited(chain):
        call = declared.call
        asks_s = _first_query_s(call)
        if asks_s >= limits.first_after:
            continue
        key = declared.at("query", "first_after")
        yield Weakness(
            kind="query_too_early",
            path=key if "first_after" in call.query.model_fields_set else declared.at(),
            subject=declared.subject,
            what=f"{declared.subject} queries {target} {seconds_text(asks_s)} after the request "
            f"was sent, which is permitted after {seconds_text(limits.first_after)}",
            hint="wait until the time for the outcome is over",
            remedy=Edit(key, duration_text(max(limits.first_after - call.timeout, 0.05))),
        )


def query_too_often(chain: Chain) -> Iterator[Weakness]:
    """Callers that query a payment more often than the link that is queried permits."""
    for declared, target, limits in _limited(chain):
        call = declared.call
        most = _most_queries(call.query)
        if limits.attempts is None or most <= limits.attempts:
            continue
        yield Weakness(
            kind="query_too_often",
            path=declared.at("query"),
            subject=declared.subject,
            what=f"{declared.subject} queries {target} up to {most} times, which is permitted "
            f"{limits.attempts} times",
            hint="query later and less often",
            remedy=Edit(declared.at("query", "attempts"), limits.attempts),
        )


def _limited(chain: Chain) -> Iterator[tuple[DeclaredCall, str, QueryLimits]]:
    """The calls that are queried at a link with limits."""
    limits = query_limits(chain)
    for declared in declared_calls(chain):
        if declared.call.on_unknown != "query":
            continue
        for target in declared.call.targets:
            if target in limits:
                yield declared, target, limits[target]


def _most_queries(query: Query) -> int:
    """How many queries follow a request when each is answered at once, but not finally."""
    tries = query.most_tries
    if query.within is None or not query.pause:
        assert tries is not None  # the checks require a pause
        return tries
    in_time = 1 + int((query.within - query.first_after) / query.pause + 1e-9)
    return in_time if tries is None else min(in_time, tries)


def _first_query_s(call: Call) -> float:
    """How long after the request was sent the first query may come."""
    return call.timeout + call.query.first_after if call.query.first_after else 0.0
