"""What must hold inside one declared call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.model.fallback import DeclineWith, FailoverTo, Split
from harness.model.policy import Breaker, Call
from harness.model.problem import Problem, unknown
from harness.model.text import KeyPath
from harness.payments.codes import is_forbidden, table

if TYPE_CHECKING:
    from harness.model.chain import Link

MOVES_MONEY = frozenset({"authorise", "capture", "refund"})
REVERSIBLE = frozenset({"authorise"})
_STEP_IS_FOR = {
    "exempt": frozenset({"authenticate"}),
    "stand_in": REVERSIBLE,
    "queue": MOVES_MONEY | {"notify"},
    "skip": frozenset({"forward", "screen", "authenticate", "tokenise", "notify"}),
}


def check_call(
    links: Mapping[str, Link], operation: str, call: Call, where: KeyPath
) -> Iterator[Problem]:
    """Unknown names, targets named twice, and policies that cannot work."""
    yield from _targets(links, call, where)
    yield from _steps(operation, call, where)
    yield from _codes(call, where)
    yield from _breaker(call.breaker, (*where, "breaker"))
    yield from _breaker(call.query.breaker, (*where, "query", "breaker"))
    yield from _breaker(call.reversal.breaker, (*where, "reversal", "breaker"))
    if call.reversal.shares_breaker and call.breaker is None:
        yield Problem(
            (*where, "reversal", "shares_breaker"), "the call has no breaker to share",
            "add breaker: or remove it",
        )  # fmt: skip
    yield from _hedge(links, operation, call, where)


def _targets(links: Mapping[str, Link], call: Call, where: KeyPath) -> Iterator[Problem]:
    named: list[tuple[str, KeyPath]] = [(call.to, (*where, "to"))]
    for number, step in enumerate(call.fallback):
        at: KeyPath = (*where, "fallback", number)
        if isinstance(step, FailoverTo):
            named.append((step.to, (*at, "to")))
        elif isinstance(step, Split):
            named += [(name, (*at, "split", name)) for name in step.split]
    seen: set[str] = set()
    for name, at in named:
        if name not in links:
            yield unknown(at, "link", name, links)
        elif name in seen:
            yield Problem(at, f"'{name}' is named twice in one call", "keep one")
        seen.add(name)
    if call.hedge is not None and call.hedge.to is not None and call.hedge.to not in links:
        yield unknown((*where, "hedge", "to"), "link", call.hedge.to, links)


def _steps(operation: str, call: Call, where: KeyPath) -> Iterator[Problem]:
    for number, step in enumerate(call.fallback):
        for kind, operations in _STEP_IS_FOR.items():
            if hasattr(step, kind) and operation not in operations:
                what = f"{kind} is no fallback of {operation}"
                mend = f"it is one of {', '.join(sorted(operations))}"
                yield Problem((*where, "fallback", number, kind), what, mend)


def _codes(call: Call, where: KeyPath) -> Iterator[Problem]:
    for number, step in enumerate(call.fallback):
        if isinstance(step, DeclineWith) and step.decline not in table():
            yield unknown((*where, "fallback", number, "decline"), "response code", step.decline,
                          table())  # fmt: skip
    if call.retry is None:
        return
    for number, code in enumerate(call.retry.codes):
        at: KeyPath = (*where, "retry", "codes", number)
        if code not in table():
            yield unknown(at, "response code", code, table())
        elif is_forbidden(code):
            what = f"a card declined with {code} must never be tried again"
            yield Problem(at, what, "remove it: the schemes forbid it")


def _breaker(breaker: Breaker | None, at: KeyPath) -> Iterator[Problem]:
    if breaker is None:
        return
    if "slow_rate" in breaker.model_fields_set and breaker.slow_after is None:
        mend = "add slow_after: such as 1s"
        yield Problem((*at, "slow_rate"), "no call is slow without slow_after", mend)


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
