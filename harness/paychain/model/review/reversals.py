"""Findings about unknown outcomes: who clears them up, for how long, and what stops it.

Source: docs/domain.md §1.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from paychain.declaration.quantity import seconds_text
from paychain.model.chain import Chain
from paychain.model.fallbacks.queue import Queue
from paychain.model.fallbacks.step import AnswerInstead
from paychain.model.operations import RESOLVED
from paychain.model.review.calls import DeclaredCall, declared_calls
from paychain.model.review.finding import Weakness
from paychain.model.review.remedy import Edit, duration_text
from paychain.payments.rails import ACCOUNT, RAILS
from paychain.payments.rails.rail import WayOut
from paychain.protocol.dialects.vendors import WITHOUT_QUERY

# What is due is sent for at least so long: a process restarts, a standby takes over and DNS names
# change within half a minute.
MIN_PERSISTENCE_S = 30.0
_ENOUGH_S = 60.0


def reversal_behind_breaker(chain: Chain) -> Iterator[Weakness]:
    """Reversals that may be rejected by the breaker of the calls they undo."""
    for declared in declared_calls(chain):
        if declared.call.reversal.shares_breaker:
            path = declared.at("reversal", "shares_breaker")
            yield Weakness(
                kind="reversal_behind_breaker",
                path=path,
                subject=declared.subject,
                what=f"the reversals of {declared.subject} share the breaker of its authorisations",
                hint="remove shares_breaker, or give the reversals their own breaker",
                remedy=Edit(path, action="remove"),
            )


def reversal_given_up_early(chain: Chain) -> Iterator[Weakness]:
    """Reversals that are given up while a link restarts, or before their breaker lets them pass."""
    for declared in declared_calls(chain):
        reversal, breaker = declared.call.reversal, declared.call.reversal.breaker
        if not is_reversed(declared):
            continue
        if reversal.shares_breaker:
            breaker = declared.call.breaker
        open_s = breaker.open_for if breaker is not None else 0.0
        given_up = seconds_text(reversal.give_up_after, digits=4)
        if reversal.give_up_after < MIN_PERSISTENCE_S:
            what = f"{declared.subject} gives up its reversals after {given_up}"
        elif reversal.give_up_after <= open_s:
            what = (
                f"{declared.subject} gives up its reversals after {given_up}, and its breaker "
                f"stays open for {seconds_text(open_s, digits=4)}"
            )
        else:
            continue
        yield Weakness(
            kind="reversal_given_up_early",
            path=declared.at("reversal"),
            subject=declared.subject,
            what=what,
            hint="repeat reversals for longer than an outage lasts",
            remedy=give_up_after(declared, max(_ENOUGH_S, 2 * open_s)),
        )


def queue_given_up_early(chain: Chain) -> Iterator[Weakness]:
    """Stored requests that are given up while a link restarts."""
    for declared in declared_calls(chain):
        for number, step in enumerate(declared.call.fallback):
            if not isinstance(step, Queue) or step.queue.within >= MIN_PERSISTENCE_S:
                continue
            path = declared.at("fallback", number, "queue", "within")
            yield Weakness(
                kind="queue_given_up_early",
                path=path,
                subject=declared.subject,
                what=f"{declared.subject} gives up what it has stored after "
                f"{seconds_text(step.queue.within, digits=4)}",
                hint="try to deliver for longer than an outage lasts",
                remedy=Edit(path, duration_text(_ENOUGH_S)),
            )


def unknown_left_open(chain: Chain) -> Iterator[Weakness]:
    """Authorisations and transfers whose unknown outcome is neither reversed, queried nor resent.

    A link whose callers all reverse needs no reversals of its own: it passes theirs on. Where a
    caller leaves the outcome as it is, too, that caller is the one to change. On a rail that deems
    nothing is left open: the payee's bank confirms or returns it, whoever has queried before.
    """
    if chain.rail is not None and chain.rail.deems:
        return
    covered = _cleared_by_callers(chain)
    for declared in declared_calls(chain):
        call = declared.call
        is_left = declared.operation in RESOLVED and call.on_unknown == "give_up"
        if not is_left or declared.link in covered:
            continue
        # A fallback that continues as well costs more, and is a separate finding.
        if call.prefer or any(not isinstance(step, AnswerInstead) for step in call.fallback):
            continue
        is_declared = "on_unknown" in call.model_fields_set
        yield Weakness(
            kind="unknown_left_open",
            path=declared.at("on_unknown") if is_declared else declared.path,
            subject=declared.subject,
            what=f"{declared.subject} leaves an unknown outcome as it is"
            + ("" if is_declared else ": on_unknown is give_up by default"),
            hint=f"declare on_unknown: {_way_out(chain, declared)}",
            remedy=Edit(declared.at("on_unknown"), _way_out(chain, declared)),
        )


def _way_out(chain: Chain, declared: DeclaredCall) -> WayOut:
    """The usual way out of an unknown outcome on the rail of an operation.

    A clearing resolves what has no answer by itself: its rejection is final.
    """
    if chain.rail is not None:
        is_clearings = chain.links[declared.link].role == "clearing"
        return "reverse" if is_clearings else ACCOUNT.on_unknown[0]
    operation = declared.operation
    return next(rail.on_unknown[0] for rail in RAILS.values() if operation in rail.makes)


def query_not_offered(chain: Chain) -> Iterator[Weakness]:
    """Unknown outcomes that are to be queried at a provider whose API has no query."""
    for declared in declared_calls(chain):
        if declared.operation != "authorise" or declared.call.on_unknown != "query":
            continue
        for target in declared.call.targets:
            dialect = chain.links[target].dialect.name
            if dialect not in WITHOUT_QUERY:
                continue
            yield Weakness(
                kind="query_not_offered",
                path=declared.at("on_unknown"),
                subject=declared.subject,
                what=f"{declared.subject} queries unknown outcomes at {target}, and the API of "
                f"{dialect} has no query",
                hint="cancel by your own reference, or send the request again under the same key",
                remedy=Edit(declared.at("on_unknown"), "reverse"),
            )


def _cleared_by_callers(chain: Chain) -> set[str]:
    """The links whose callers clear up behind them, or are the ones to change.

    An authorisation is reversed there as well; a transfer that is sent again passes them once more.
    """
    policies: dict[str, set[str]] = {}
    for declared in declared_calls(chain):
        if declared.operation in RESOLVED:
            for target in declared.call.targets:
                policies.setdefault(target, set()).add(declared.call.on_unknown)
    return {
        name
        for name, how in policies.items()
        if how <= {"reverse", "give_up"} or how <= {"resend", "give_up"}
    }


def is_reversed(declared: DeclaredCall) -> bool:
    """Whether a call sends reversals that could be given up."""
    call = declared.call
    return call.reverses(declared.operation) or (
        declared.operation == "authorise"
        and (call.on_unknown != "give_up" or "reversal" in call.model_fields_set)
    )


def give_up_after(declared: DeclaredCall, seconds: float) -> Edit:
    """The remedy: reverse for so many seconds."""
    return Edit(declared.at("reversal", "give_up_after"), duration_text(seconds))
