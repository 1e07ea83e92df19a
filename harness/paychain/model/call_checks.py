"""What must hold inside one declared call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.text import KeyPath
from paychain.model.codes import OwnCodes, check_decline_code, may_never_be_retried
from paychain.model.fallbacks import key_of
from paychain.model.fallbacks.decline import DeclineWith
from paychain.model.fallbacks.queue import Queue
from paychain.model.fallbacks.stand_in import StandIn
from paychain.model.fallbacks.step import AnswerInstead, Failover, LocalStep
from paychain.model.named_calls import operation_of
from paychain.model.operations import MOVES_MONEY, REVERSIBLE
from paychain.model.policy import Breaker, Call
from paychain.model.roles import ROLES
from paychain.model.routing import check_preferences
from paychain.payments.codes import is_about_the_request

if TYPE_CHECKING:
    from paychain.model.chain import Link


def check_call(
    links: Mapping[str, Link],
    operation: str,
    call: Call,
    where: KeyPath,
    own_codes: OwnCodes,
) -> Iterator[Problem]:
    """Unknown names, targets named twice, and policies that cannot work."""
    yield from _targets(links, call, where)
    yield from _steps(operation, call, where, own_codes)
    yield from check_preferences(call.prefer, call.to, (*where, "prefer"))
    yield from _codes(call, where, own_codes)
    yield from _pauses(call, where)
    yield from _breaker(call.breaker, (*where, "breaker"))
    yield from _breaker(call.query.breaker, (*where, "query", "breaker"))
    yield from _breaker(call.reversal.breaker, (*where, "reversal", "breaker"))
    if call.reversal.shares_breaker and call.breaker is None:
        yield Problem(
            (*where, "reversal", "shares_breaker"),
            "the call has no breaker to share",
            "add breaker: or remove it",
        )
    yield from _connecting(call, (*where, "connect_timeout"))
    if "query" in call.model_fields_set and call.on_unknown != "query":
        what = f"nothing is queried with on_unknown: {call.on_unknown}"
        yield Problem((*where, "query"), what, "write on_unknown: query, or remove query:")
    yield from _hedge(links, operation, call, where)
    if call.trace is not None and operation not in REVERSIBLE:
        what = f"a repeat of {operation} is recognised by its key"
        yield Problem((*where, "trace"), what, "trace is for: authorise")
    yield from _shared_keys(operation, call, (*where, "shares_keys"))
    if operation == "forward":
        yield from _forward(links, call, (*where, "on_unknown"))
    yield from _tenders(operation, call, where)


def named_targets(call: Call, where: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    """Every link that a call names, each with its place."""
    yield from _alternatives(call, where)
    for number, preference in enumerate(call.prefer):
        yield preference.to, (*where, "prefer", number, "to")
    if call.hedge is not None and call.hedge.to is not None:
        yield call.hedge.to, (*where, "hedge", "to")


def _alternatives(call: Call, where: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    """Those of them that one call may name only once."""
    yield call.to, (*where, "to")
    asked = call.quorum.others if call.quorum is not None else []
    for number, step in enumerate(call.fallback):
        if isinstance(step, Failover):
            for name, key in step.named():
                # What a quorum asks anyway is no second place to go to.
                if name not in asked:
                    yield name, (*where, "fallback", number, *key)
    for number, tender in enumerate(call.tenders):
        # The rest goes to the call's own target, which may be named once more.
        if tender.of is not None or tender.to != call.to:
            yield tender.to, (*where, "tenders", number, "to")
    for number, name in enumerate(asked):
        yield name, (*where, "quorum", "with", number)


def _targets(links: Mapping[str, Link], call: Call, where: KeyPath) -> Iterator[Problem]:
    for name, at in named_targets(call, where):
        if name not in links:
            yield unknown(at, "link", name, links)
    seen: set[str] = set()
    for name, at in _alternatives(call, where):
        if name in links and name in seen:
            yield Problem(at, f"'{name}' is named twice in one call", "keep one")
        seen.add(name)


def _steps(operation: str, call: Call, where: KeyPath, own_codes: OwnCodes) -> Iterator[Problem]:
    for number, step in enumerate(call.fallback):
        at: KeyPath = (*where, "fallback", number)
        yield from step.problems(at)
        if isinstance(step, LocalStep) and not isinstance(step, AnswerInstead) and not step.largest:
            what = "a limit of 0 lets no payment through"
            yield Problem((*at, key_of(step), "up_to"), what, "write an amount above 0")
        if isinstance(step, DeclineWith):
            yield from check_decline_code((*at, "decline"), step.decline, own_codes)
        if step.operations is not None and operation_of(operation) not in step.operations:
            key = key_of(step)
            what = f"{key} is not a fallback for {operation_of(operation)}"
            yield Problem((*at, key), what, f"it is for {', '.join(sorted(step.operations))}")


def _shared_keys(operation: str, call: Call, at: KeyPath) -> Iterator[Problem]:
    if "shares_keys" not in call.model_fields_set:
        return
    if operation != "forward":
        what = f"no idempotency key of {operation} reaches another link"
        yield Problem(at, what, "it is for: forward")
    elif len(call.targets) == 1:
        yield Problem(
            at, "there is no other gateway to share keys with", "add a fallback, or remove it"
        )


def _forward(links: Mapping[str, Link], call: Call, at: KeyPath) -> Iterator[Problem]:
    """Mistakes in how a forwarded payment without an answer is resolved."""
    if call.on_unknown in ("query", "resend"):
        what = f"no link answers a {call.on_unknown} of a forwarded payment"
        yield Problem(at, what, "write reverse or give_up")
    if call.on_unknown != "reverse":
        return
    for name in call.targets:
        if name in links and ROLES[links[name].role].only_forwards:
            what = f"'{name}' only forwards: it has no payment to reverse"
            yield Problem(at, what, f"declare on_unknown: reverse for the forward of {name}")
        elif name in links and links[name].service is not None:
            what = f"'{name}' is an own service: nothing can reverse a payment there"
            yield Problem(at, what, "write give_up")


def _tenders(operation: str, call: Call, where: KeyPath) -> Iterator[Problem]:
    """Parts that are not all of a payment, or more than it."""
    at: KeyPath = (*where, "tenders")
    if "compensates" in call.model_fields_set and not call.tenders:
        yield Problem((*where, "compensates"), "there are no tenders", "add tenders:, or remove it")
    if not call.tenders:
        return
    if operation != "authorise":
        yield Problem(at, f"{operation} takes no money in parts", "it is for: authorise")
    if sum(share for _, share in call.shared_tenders) >= 1:
        what = "the tenders leave nothing for the call's own target"
        yield Problem(at, what, f"lower one, so that {call.to} gets the rest")
    for number, tender in enumerate(call.tenders):
        if tender.of is not None:
            continue
        if tender.to != call.to:
            what = f"the rest goes to '{call.to}', the call's own target"
            yield Problem((*at, number, "to"), what, f"write {call.to}, or add of:")
        if number != len(call.tenders) - 1:
            yield Problem(
                (*at, number), "the tender with the rest is not the last one", "move it to the end"
            )
    for number, step in enumerate(call.fallback):
        if isinstance(step, StandIn | Queue):
            what = "a payment by several tenders allows neither stand-in nor a queue"
            yield Problem((*where, "fallback", number, key_of(step)), what, "remove it")


def _codes(call: Call, where: KeyPath, own_codes: OwnCodes) -> Iterator[Problem]:
    if call.retry is None:
        return
    for number, code in enumerate(call.retry.codes):
        at: KeyPath = (*where, "retry", "codes", number)
        if may_never_be_retried(code, own_codes):
            what = f"a card declined with {code} must never be tried again"
            yield Problem(at, what, "remove it: the schemes forbid it")
        elif code not in own_codes and is_about_the_request(code):
            what = f"{code} declines the same request again"
            yield Problem(
                at, what, f"remove it, or declare what it means here: codes: {{{code!r}: …}}"
            )
        else:
            yield from check_decline_code(at, code, own_codes)


def _pauses(call: Call, where: KeyPath) -> Iterator[Problem]:
    """Pauses between repeats that grow beyond their own limit."""
    for key, declared in (("retry", call.retry), ("reversal", call.reversal)):
        if declared is None or declared.backoff <= declared.max_backoff:
            continue
        given = "backoff" if "backoff" in declared.model_fields_set else "max_backoff"
        what = "backoff is longer than max_backoff"
        yield Problem((*where, key, given), what, "shorten backoff or lengthen max_backoff")


def _connecting(call: Call, at: KeyPath) -> Iterator[Problem]:
    if call.connect_timeout is not None and call.connect_timeout >= call.timeout:
        what = "the call times out before its connection does"
        yield Problem(at, what, "shorten it, or lengthen timeout")


def _breaker(breaker: Breaker | None, at: KeyPath) -> Iterator[Problem]:
    if breaker is None:
        return
    if "slow_rate" in breaker.model_fields_set and breaker.slow_after is None:
        hint = "add slow_after: such as 1s"
        yield Problem((*at, "slow_rate"), "no call is slow without slow_after", hint)
    if breaker.window == 0:
        yield Problem((*at, "window"), "a window of 0s holds no calls", "write one such as 10s")
    for key in ("failure_rate", "slow_rate"):
        if getattr(breaker, key) == 0:
            what = f"{key}: 0% opens the breaker on calls that worked"
            yield Problem((*at, key), what, "write one such as 50%")


def _hedge(
    links: Mapping[str, Link], operation: str, call: Call, where: KeyPath
) -> Iterator[Problem]:
    hedge = call.hedge
    if hedge is None:
        return
    at: KeyPath = (*where, "hedge")
    if hedge.after >= call.timeout:
        yield Problem((*at, "after"), "the call times out before its hedge is sent", "shorten it")
    if operation not in MOVES_MONEY:
        return
    if hedge.to == call.to:
        yield Problem((*at, "to"), "the hedge goes to the call's own target", "remove to:")
    elif hedge.to is not None and operation not in REVERSIBLE:
        what = f"a second {operation} at another link cannot be undone"
        yield Problem((*at, "to"), what, "hedge at the same target, or not at all")
    elif hedge.to is None and call.to in links and links[call.to].idempotency.model == "none":
        what = f"'{call.to}' has no idempotency keys: the hedge would move money twice"
        yield Problem(at, what, "hedge only where requests are keyed")
