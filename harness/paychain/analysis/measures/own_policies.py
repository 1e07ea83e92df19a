"""An own service's policy, as claimed and as observed: timeouts, tries, failover, unknowns."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import median

import msgspec

from paychain.analysis.attribution.hops import named_by_path, operation_of, result_of
from paychain.analysis.attribution.observed import ObservedRequest
from paychain.declaration.quantity import count, seconds_text
from paychain.model.chain import Chain
from paychain.model.policy import Call, Retry
from paychain.payments.outcome import HopResult

SAMPLES = 10_000  # waits and pauses that are kept for a median
SAME_WAIT = 0.05  # waits that differ by less than this share are one timeout
VARIES_S, VARIES_BY = 0.1, 0.25  # pauses that differ by more than this, and this share, do vary
CLAIM_MARGIN_S = 0.05  # a claim holds within this, or within SAME_WAIT
REPEAT = "repeat"  # of the request whose outcome is unknown
# What may follow an unknown outcome, by the operation that the service asks for next.
_FOLLOWS = {"void": "void", "refund": "refund", "query": "query", "authorise": REPEAT}
QUERY_THEN = "query, then "  # a query, and what it led to
_CLAIMED = {
    "reverse": ("void", "refund", f"{QUERY_THEN}void", f"{QUERY_THEN}refund"),
    "query": ("query", *(f"{QUERY_THEN}{what}" for what in ("void", "refund", REPEAT))),
    "resend": (REPEAT, f"{QUERY_THEN}{REPEAT}"),
}
_MOVES = ("void", "refund", "capture")
NOTHING = "nothing"
UNSEEN = "not seen: only the links' own view is available"
UNASKED = "not seen: it sent no requests"


class PolicyLine(msgspec.Struct, kw_only=True, frozen=True):
    """One part of a service's policy: as claimed, and as observed."""

    call: str  # "shop-api.authorise"
    what: str  # "timeout", "tries at one link", "backoff", "failover", "unknown outcome"
    claimed: str  # "" when nothing is claimed
    observed: str
    holds: bool | None  # None: nothing is claimed, or nothing could be observed


@dataclass
class ObservedPolicy:
    """What one service's call showed of its policy so far."""

    is_seen: bool = False  # whether it sent any request
    sees_caller: bool = False  # the engine read some of it: waits and lost requests are known
    waits_s: list[float] = field(default_factory=list)
    endless_s: list[float] = field(default_factory=list)  # waits that only the run's end ended
    most_tries: int = 0
    pauses_s: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    after: Counter[str] = field(default_factory=Counter)  # results that were tried again
    # The last request at its link, from 1, whose result of this kind was tried again.
    repeated_until: dict[str, int] = field(default_factory=dict)
    # Results of requests that failed, each with which request at its link it was, from 1.
    failed_at: Counter[tuple[str, int]] = field(default_factory=Counter)
    meanwhile: Counter[str] = field(default_factory=Counter)  # links asked while one was at work
    meanwhile_s: list[float] = field(default_factory=list)  # how long after that request
    repeated: Counter[str] = field(default_factory=Counter)  # unknown ones, repeated by their key
    orders: Counter[tuple[str, ...]] = field(default_factory=Counter)
    after_declines: int = 0  # how often another link was asked after one had declined
    follows: Counter[str] = field(default_factory=Counter)

    def could_be_repeated(self, result: str) -> int:
        """How many requests with this result were not the last try that the service makes then."""
        until = self.repeated_until.get(result, 0)
        return sum(
            number
            for (failed, place), number in self.failed_at.items()
            if failed == result and place <= until
        )

    def gives_up_sooner(self, result: str) -> bool:
        """Whether fewer tries follow this result than others: one more was possible, and none made.

        Some services try again for longer while they are refused than when they get no answer.
        """
        tries = self.repeated_until.get(result, 0) + 1
        return tries < self.most_tries and self.failed_at[result, tries] > 0


def watch(
    policies: Mapping[str, ObservedPolicy],
    requests: Sequence[ObservedRequest],
    stopped_ns: float = inf,
) -> None:
    """What the requests of one payment show of the policies of the services that made them.

    From `stopped_ns` on the services are stopped: what ends then was not given up by them.
    """
    by_caller: dict[str, list[ObservedRequest]] = defaultdict(list)
    for request in requests:
        by_caller[request.caller].append(request)
    for caller, of_caller in by_caller.items():
        policy = policies[caller]
        policy.is_seen = True
        # A provider may be asked in steps, of which only the last one moves money.
        order = tuple(dict.fromkeys(each.callee for each in of_caller if each.method != "GET"))
        if len(order) > 1:
            policy.orders[order] += 1
        for request in of_caller:
            exchange = request.exchange
            policy.sees_caller = policy.sees_caller or exchange is not None
            if exchange is not None and exchange.ended_by == "client":
                is_given_up = exchange.ended_ns < stopped_ns
                waits_s = policy.waits_s if is_given_up else policy.endless_s
                _keep(waits_s, (exchange.ended_ns - exchange.started_ns) / 1e9)
        _watch_tries(policy, of_caller)


def _watch_tries(policy: ObservedPolicy, requests: Sequence[ObservedRequest]) -> None:
    """What one service's requests for a payment show of how it tries to authorise it."""
    tries: Counter[str] = Counter()
    last: dict[str, ObservedRequest] = {}
    newest: ObservedRequest | None = None
    for request in requests:
        if operation_of(request) != "authorise":
            continue
        result, _ = result_of(request)
        if newest is not None and newest.callee != request.callee:
            policy.after_declines += result_of(newest)[0] is HopResult.DECLINED
        is_meanwhile = (
            newest is not None and newest.started_ns < request.started_ns < newest.ended_ns
        )
        if is_meanwhile and newest is not None:
            policy.meanwhile[request.callee] += 1
            _keep(policy.meanwhile_s, (request.started_ns - newest.started_ns) / 1e9)
        newest = request
        link = request.callee
        tries[link] += 1
        policy.failed_at[result.value, tries[link]] += not result.worked
        policy.most_tries = max(policy.most_tries, tries[link])
        before = last.get(link)
        pause_s = (request.started_ns - before.ended_ns) / 1e9 if before is not None else -1.0
        if before is not None and pause_s >= 0:  # else both were at work: nobody waited for one
            repeated = result_of(before)[0].value
            policy.after[repeated] += 1
            until = policy.repeated_until.get(repeated, 0)
            policy.repeated_until[repeated] = max(until, tries[link] - 1)
            _keep(policy.pauses_s[tries[link] - 1], pause_s)
        last[link] = request
        if result.leaves_unknown:
            following = _following(request, requests)
            policy.follows[following] += 1
            policy.repeated[result.value] += following == REPEAT


def _following(unknown: ObservedRequest, requests: Sequence[ObservedRequest]) -> str:
    """What the service did about an unknown outcome first, at the same link; after a query next."""
    queried = ""
    for request in requests:
        if request.started_ns < unknown.ended_ns or request.callee != unknown.callee:
            continue
        operation = operation_of(request)
        # A cancel or a capture of what the provider does not hold moves nothing there, but is not a
        # query either.
        if operation == "query" and (named := named_by_path(request)) in _MOVES:
            operation = named
        if operation == "authorise" and (not request.key or request.key != unknown.key):
            continue  # another attempt does nothing about this one
        if operation != "authorise" and _is_of_another_attempt(unknown, request):
            continue  # after a retry under a new key, a void releases one of the two alone
        if operation == "query":
            queried = QUERY_THEN
        elif operation in _FOLLOWS:
            return queried + _FOLLOWS[operation]
    return "query" if queried else NOTHING


def _is_of_another_attempt(unknown: ObservedRequest, request: ObservedRequest) -> bool:
    of, at = unknown.received, request.received
    return of is not None and at is not None and of.attempt != at.attempt


def _keep(samples: list[float], value: float) -> None:
    if len(samples) < SAMPLES:
        samples.append(value)


def policy_lines(chain: Chain, service: str, seen: ObservedPolicy) -> list[PolicyLine]:
    """Each part of a service's policy, claimed beside observed."""
    calls = chain.calls_of(service)
    if not calls:
        return []
    # A service has one way of calling: all of its requests are seen together.
    operation, call = next(iter(calls.items()))
    parts = [
        ("timeout", _timeout(call, seen)),
        ("tries at one link", _tries(call, seen)),
        ("backoff", _pauses(call, seen)),
        ("failover", _failover(call, seen)),
        ("unknown outcome", _unknown(call, seen)),
    ]
    if seen.meanwhile:
        parts.append(("asked meanwhile", ("", _meanwhile(seen), None)))
    return [
        PolicyLine(
            call=f"{service}.{operation}",
            what=what,
            claimed=claimed,
            observed=observed if seen.is_seen else UNASKED,
            holds=holds if seen.is_seen else None,
        )
        for what, (claimed, observed, holds) in parts
    ]


_Line = tuple[str, str, bool | None]
"""Claimed, observed, whether the claim holds."""


def usual_wait_s(waits_s: Sequence[float]) -> tuple[float, int] | None:
    """The most frequent wait, and how many waits are about as long; None without any."""
    if not waits_s:
        return None
    ordered = sorted(waits_s)
    best, first = (0, 0), 0
    for last, wait_s in enumerate(ordered):
        while wait_s > ordered[first] * (1 + SAME_WAIT) + 1e-9:
            first += 1
        if last - first + 1 > best[1] - best[0]:
            best = (first, last + 1)
    alike = ordered[best[0] : best[1]]
    return median(alike), len(alike)


def _timeout(call: Call, seen: ObservedPolicy) -> _Line:
    claimed_s = call.claims.timeout if call.claims is not None else None
    claimed = seconds_text(claimed_s) if claimed_s is not None else ""
    if not seen.sees_caller:
        return claimed, UNSEEN, None
    usual = usual_wait_s(seen.waits_s)
    endless = _endless(seen.endless_s)
    # One that waited for longer than claimed, and was still waiting.
    is_exceeded = claimed_s is not None and any(
        wait_s > claimed_s + _margin_s(claimed_s) for wait_s in seen.endless_s
    )
    if usual is None:
        observed = endless or "it always waited for the answer"
        return claimed, observed, False if is_exceeded else None
    wait_s, alike = usual
    observed = f"{seconds_text(wait_s)} ({alike:,} of {count(len(seen.waits_s), 'wait')})"
    observed += f"; {endless}" if endless else ""
    if claimed_s is None:
        return "", observed, None
    holds = abs(wait_s - claimed_s) <= _margin_s(claimed_s) and not is_exceeded
    return claimed, observed, holds


def _margin_s(claimed_s: float) -> float:
    return max(CLAIM_MARGIN_S, SAME_WAIT * claimed_s)


def _endless(waits_s: Sequence[float]) -> str:
    """Waits that nobody saw the end of, in words."""
    if not waits_s:
        return ""
    still = f"{count(len(waits_s), 'request')} still waited when the service was stopped"
    return f"none within {seconds_text(max(waits_s))}: {still}"


def _tries(call: Call, seen: ObservedPolicy) -> _Line:
    retry = call.claims.retry if call.claims is not None else None
    claimed = _times(retry.attempts) if retry is not None else ""
    if not seen.failed_at.total():
        return claimed, "no failed request was seen", None
    observed = _times(seen.most_tries)
    if seen.after:
        listed = ", ".join(_repeats(seen, result) for result, _ in seen.after.most_common(4))
        observed += f"; again after {listed}"
    if retry is None or (seen.most_tries == 1 and not _was_tested(retry, seen)):
        return claimed, observed, None
    return claimed, observed, seen.most_tries == retry.attempts


def _repeats(seen: ObservedPolicy, result: str) -> str:
    """How many requests with this result were repeated, and of how many where not all were."""
    repeated, of = seen.after[result], seen.could_be_repeated(result)
    return f"{result} ({repeated:,})" if repeated >= of else f"{result} ({repeated:,} of {of:,})"


def _meanwhile(seen: ObservedPolicy) -> str:
    """The links that were asked before another request had ended: a hedge."""
    links = ", ".join(f"{link} ({n:,})" for link, n in seen.meanwhile.most_common())
    return f"{links}, {seconds_text(median(seen.meanwhile_s))} after another request (median)"


def _was_tested(retry: Retry, seen: ObservedPolicy) -> bool:
    """Whether anything failed after which the claim says that it is tried again."""
    # A decline counts as no failure here, so that claimed codes may have come up unnoticed.
    return bool(retry.codes) or any(
        number and result in retry.on for (result, _), number in seen.failed_at.items()
    )


def _times(tries: int) -> str:
    return f"{tries} {'try' if tries == 1 else 'tries'}"


def _pauses(call: Call, seen: ObservedPolicy) -> _Line:
    retry = call.claims.retry if call.claims is not None else None
    # A default of the mocks is nothing that the service's authors claimed.
    is_claimed = retry is not None and "backoff" in retry.model_fields_set
    claimed = seconds_text(retry.backoff) if retry is not None and is_claimed else ""
    if not seen.pauses_s:
        return claimed, "no repeat was seen", None
    kept = [seen.pauses_s[number] for number in sorted(seen.pauses_s)[:4]]
    text = f"{', then '.join(seconds_text(median(pauses)) for pauses in kept)} (median"
    if any(map(varies, kept)):
        shortest, longest = min(map(min, kept)), max(map(max, kept))
        text += f"; from {seconds_text(shortest)} to {seconds_text(longest)}"
    return claimed, f"{text})", None


def varies(pauses_s: Sequence[float]) -> bool:
    """Whether pauses differ by more than a busy machine explains: jitter, or several rules.

    Without the shortest and the longest tenth: one of many may be late by chance.
    """
    ordered = sorted(pauses_s)
    cut = len(ordered) // 10
    shortest, longest = ordered[cut], ordered[-1 - cut]
    return longest - shortest > max(VARIES_S, VARIES_BY * median(ordered))


def _failover(call: Call, seen: ObservedPolicy) -> _Line:
    claimed = " → ".join(call.routes) if len(call.routes) > 1 else ""
    if not seen.orders:
        return claimed, "no payment went to a second link", None
    (order, n), *_ = seen.orders.most_common(1)
    observed = f"{' → '.join(order)} ({count(n, 'payment')})"
    if seen.after_declines:
        observed += f"; {count(seen.after_declines, 'time')} after a decline"
    if not claimed:
        return "", observed, None
    declared = [target for target in call.routes if target in order]
    return claimed, observed, list(order) == declared


def _unknown(call: Call, seen: ObservedPolicy) -> _Line:
    on_unknown = call.claims.on_unknown if call.claims is not None else None
    claimed = on_unknown.replace("_", " ") if on_unknown is not None else ""
    if not seen.sees_caller:
        return claimed, UNSEEN, None
    if not seen.follows:
        return claimed, "no outcome was unknown", None
    observed = ", ".join(f"{what} ({n:,})" for what, n in seen.follows.most_common())
    if on_unknown is None:
        return "", observed, None
    right = set(_CLAIMED.get(on_unknown, (NOTHING,)))
    retry = call.claims.retry if call.claims is not None else None
    # A claimed retry comes before what ends an unknown outcome.
    if retry is not None and all(result in retry.on for result in +seen.repeated):
        right.add(REPEAT)
    return claimed, observed, set(seen.follows) <= right
