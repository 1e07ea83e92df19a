"""Status queries of a payment that its rail does not permit: too soon, or too many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from paychain.payments.journal import HopRecord
from paychain.payments.outcome import HopResult, Proof
from paychain.payments.rules.traces import MOVES

GRACE_NS = 50_000_000  # a caller counts from before its record of the request begins
_NEVER_CAME = (HopResult.NOT_TRIED, HopResult.REFUSED)  # to the link that was to be queried


def queried_beyond(
    hops: Sequence[HopRecord], limits: Mapping[str, tuple[int, int | None]]
) -> Iterator[str]:
    """What a link asked another one sooner or more often than that permits, in words.

    `limits`: by link, how long after a request its first query may come, in ns, and how many may
    follow it. Each attempt is a request of its own, from its first try that may have been executed.
    """
    if not limits:
        return
    came = [hop for hop in hops if hop.callee in limits and hop.result not in _NEVER_CAME]
    queries: dict[tuple[str, str, int], list[HopRecord]] = {}
    for hop in came:
        if hop.operation == "query":
            queries.setdefault((hop.caller, hop.callee, hop.attempt), []).append(hop)
    for (caller, callee, attempt), asked in queries.items():
        first_after_ns, most = limits[callee]
        sent_ns = min(
            (
                hop.started_ns
                for hop in hops
                if (hop.caller, hop.callee, hop.attempt) == (caller, callee, attempt)
                and hop.operation in MOVES
                and hop.result.proves is not Proof.NOT_EXECUTED
            ),
            default=None,
        )
        who = f"{caller} queried {callee}"
        after_ns = min(hop.started_ns for hop in asked) - sent_ns if sent_ns is not None else None
        if after_ns is not None and after_ns + GRACE_NS < first_after_ns:
            yield (
                f"{who} {after_ns / 1e9:.1f} s after the request, which is permitted after "
                f"{first_after_ns / 1e9:g} s"
            )
        if most is not None and len(asked) > most:
            yield f"{who} {len(asked)} times, which is permitted {most} times"
