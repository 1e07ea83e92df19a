"""Calls to third parties before or beside a payment: which may fail open, and which must not.

| call | when it fails |
|---|---|
| `serve` (captcha, login, flags, support) | open: the payment goes on without it |
| `screen` for fraud | open up to an amount, else closed |
| `tokenise`, `screen` for sanctions | closed: no payment goes on without it |
"""

from __future__ import annotations

from collections.abc import Iterator

from paychain.declaration.problem import Problem
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain, Link
from paychain.model.fallbacks import key_of
from paychain.model.fallbacks.step import GoOn, LocalStep
from paychain.model.named_calls import operation_of
from paychain.model.policy import Call


def lacking(chain: Chain, link: str, name: str) -> str:
    """What a payment lacks that went on without a call: `authentication`, `captcha`."""
    operation = operation_of(name)
    call = chain.calls_of(link).get(name) if link in chain.links else None
    to = call.to if call is not None else ""
    match operation:
        case "tokenise":
            return "tokenisation"
        case "authenticate":
            return "authentication"
        case "serve" if to:
            return to
        case "screen":
            is_sanctions = to in chain.links and chain.links[to].screens == "sanctions"
            return "sanctions screening" if is_sanctions else "fraud screening"
        case _:
            return operation


def must_fail_closed(chain: Chain, name: str, call: Call) -> bool:
    """Whether no payment may go on when this call fails, whatever it costs."""
    if operation_of(name) == "tokenise":
        return True
    return operation_of(name) == "screen" and any(
        chain.links[target].screens == "sanctions"
        for target in call.targets
        if target in chain.links
    )


def closed_calls(chain: Chain, link: str) -> list[str]:
    """The names of the calls of a link that must fail closed."""
    calls = chain.links[link].calls
    return [name for name, call in calls.items() if must_fail_closed(chain, name, call)]


def goes_on(call: Call) -> bool:
    """Whether payments go on for as long as the call fails, if only the small ones."""
    return any(isinstance(step, GoOn) and step.lasts for step in call.fallback)


def check_third_parties(link: Link, at: KeyPath) -> Iterator[Problem]:
    """A call to a third party: whether the payment waits for its answer."""
    for name, call in link.calls.items():
        if call.aside:
            yield from _aside(operation_of(name), call, (*at, "calls", name))


def _aside(operation: str, call: Call, at: KeyPath) -> Iterator[Problem]:
    """A call that is not waited for decides nothing."""
    if operation != "serve":
        what = f"a payment waits for {operation}"
        yield Problem((*at, "aside"), what, "aside is for: serve")
        return
    for number, step in enumerate(call.fallback):
        if isinstance(step, LocalStep):
            what = f"the call is not waited for: there is nothing to {key_of(step)}"
            yield Problem((*at, "fallback", number, key_of(step)), what, "remove it, or aside:")
