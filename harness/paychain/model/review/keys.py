"""Findings about requests that may be executed twice: repeats that no idempotency key protects.

Source: docs/domain.md §2.3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from paychain.declaration.quantity import seconds_text
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain, Link
from paychain.model.fallbacks.queue import Queue
from paychain.model.fallbacks.stand_in import StandIn
from paychain.model.fallbacks.step import AnswerInstead, Failover
from paychain.model.operations import MOVES_MONEY, TRANSFERS
from paychain.model.review.calls import (
    DeclaredCall,
    declared_calls,
    paying_links,
    reads_payments,
)
from paychain.model.review.finding import Weakness, accept
from paychain.model.review.remedy import Edit
from paychain.model.roles import ROLES

# Failures after which a link executes an executed key again.
_WORKS_AGAIN_AFTER = {
    "none": frozenset({"reset", "timeout", "http_error", "malformed"}),
    "checkout": frozenset({"http_error"}),
}
_KNOWN_S = 86_400.0  # a key, at most providers: a day
_BUSY_PER_S = 1_000  # payments that one hop may be sent
_COMPANIES = ("processor", "scheme", "bank", "service")  # who runs a link, not where it runs
_FORWARDS_MONEY = MOVES_MONEY | {"forward"}  # a forwarded request is a whole payment


def failover_on_unknown(chain: Chain) -> Iterator[Weakness]:
    """Payments that go on elsewhere while the first target may still hold money."""
    for declared in declared_calls(chain):
        if declared.operation == "authorise":
            yield from _authorisation_goes_on(declared)
        elif declared.operation == "forward":
            yield from _forward_goes_on(chain, declared)
        elif declared.operation in TRANSFERS:
            yield from _transfer_goes_on(chain, declared)


def _authorisation_goes_on(declared: DeclaredCall) -> Iterator[Weakness]:
    call, where = declared.call, declared.subject
    goes_on = [step for step in call.fallback if not isinstance(step, AnswerInstead)]
    # A preferred link that fails is followed by the call's own target.
    if not (goes_on or call.prefer) or call.on_unknown == "reverse":
        return
    is_declared = "on_unknown" in call.model_fields_set
    when = "an unknown outcome"
    if call.on_unknown in ("query", "resend"):
        when = f"a {call.on_unknown} without an answer"
    yield Weakness(
        kind="failover_on_unknown",
        path=declared.at("on_unknown" if is_declared else "fallback" if goes_on else "prefer"),
        subject=where,
        what=f"{where} falls back after {when} without reversing the first authorisation",
        hint="declare on_unknown: reverse",
        remedy=Edit(declared.at("on_unknown"), "reverse"),
    )


def _forward_goes_on(chain: Chain, declared: DeclaredCall) -> Iterator[Weakness]:
    """Another gateway knows nothing of what the first one may have taken."""
    call, where = declared.call, declared.subject
    if call.on_unknown == "reverse":
        return
    others = [name for step in call.fallback if isinstance(step, Failover) for name in step.targets]
    key = "fallback"
    if not others and call.prefer:
        others, key = call.preferred, "prefer"
    if not others and call.hedge is not None and call.hedge.to is not None:
        others, key = [call.hedge.to], "hedge"
    if not others:
        return
    # A gateway recognises what the first one sent only under a shared key and at the same
    # processor: another processor knows nothing of the first one's authorisation.
    routes = {tuple(_routes(chain, name)) for name in (call.to, *others)}
    if call.shares_keys and len(routes) == 1:
        return
    if len(routes) == 1 and _may_be_one_company(chain, [call.to, *others]):
        remedy = Edit(declared.at("shares_keys"), True)
    elif all(_can_reverse(chain.links[name]) for name in call.targets):
        remedy = Edit(declared.at("on_unknown"), "reverse")
    elif all(_is_called_elsewhere(chain, name, declared) for name in others):
        remedy = Edit(declared.at(key), action="remove")
    else:
        # Without the call nothing reaches the other links, which would be a mistake in the file.
        remedy = accept("failover_on_unknown", where)
    yield Weakness(
        kind="failover_on_unknown",
        path=declared.at(key),
        subject=where,
        what=f"{where} sends a payment that {call.to} has not answered to {', '.join(others)}, "
        f"and nothing reverses what {call.to} may have authorised",
        hint="declare on_unknown: reverse, or, where gateways of the same processors really share "
        "their keys, say so (shares_keys: true)",
        remedy=remedy,
    )


def _transfer_goes_on(chain: Chain, declared: DeclaredCall) -> Iterator[Weakness]:
    """Another wallet signs with a nonce of its own: both transfers can be made.

    Whatever `on_unknown` says: while the ledger halts a query finds nothing out. Nodes pass on the
    same bytes, so that another node makes no second transfer.
    """
    call, where = declared.call, declared.subject
    also: dict[str, Sequence[str]] = {
        "fallback": [
            name for step in call.fallback if isinstance(step, Failover) for name in step.targets
        ],
        "prefer": call.preferred,
        "hedge": [call.hedge.to] if call.hedge is not None and call.hedge.to is not None else [],
    }
    for key, names in also.items():
        others = [name for name in names if name != call.to and chain.links[name].role == "wallet"]
        if not others:
            continue
        first, second = call.to, ", ".join(others)
        if key == "prefer":  # the call's own target is the one that gets it second
            first, second = second, first
        yield Weakness(
            kind="failover_on_unknown",
            path=declared.at(key),
            subject=where,
            what=f"{where} sends a transfer that {first} has not answered to {second}, which signs "
            "it with a nonce of its own, and both can be made",
            hint="let the wallet that may have signed it answer: only its nonce is used once",
            remedy=Edit(declared.at(key), action="remove")
            if all(_is_called_elsewhere(chain, name, declared) for name in others)
            else accept("failover_on_unknown", where),
        )


def _can_reverse(link: Link) -> bool:
    """Whether a payment that was forwarded to a link can be reversed there."""
    return not ROLES[link.role].only_forwards and link.service is None


def _routes(chain: Chain, gateway: str) -> list[str]:
    """The links that a gateway sends authorisations to, in their order."""
    call = chain.calls_of(gateway).get("authorise")
    return call.routes if call is not None else [gateway]


def _may_be_one_company(chain: Chain, gateways: list[str]) -> bool:
    """Whether no two gateways are declared to be run by different companies.

    Regions of one gateway run on different clouds; two processors share nothing.
    """
    companies = {
        tuple(name for name in chain.links[gateway].depends_on if _is_company(chain, name))
        for gateway in gateways
    }
    return len(companies - {()}) <= 1


def _is_company(chain: Chain, provider: str) -> bool:
    return chain.providers[provider].kind in _COMPANIES


def _is_called_elsewhere(chain: Chain, target: str, declared: DeclaredCall) -> bool:
    """Whether a link is a target of any other call."""
    return any(
        target in call.targets and (name, operation) != (declared.link, declared.operation)
        for name in chain.links
        for operation, call in chain.calls_of(name).items()
    )


def retry_without_key(chain: Chain) -> Iterator[Weakness]:
    """Retries of money movements at links that would execute them again."""
    for declared in declared_calls(chain):
        call = declared.call
        if declared.operation not in _FORWARDS_MONEY:
            continue
        tries: set[str] = set()
        if call.retry is not None and call.attempts > 1:
            tries = set(call.retry.on)
        for target in call.targets:
            link = chain.links[target]
            model = link.idempotency.model
            repeats: list[str] = sorted(tries & _WORKS_AGAIN_AFTER.get(model, frozenset()))
            key, how = "retry", _why_again(link)
            # Resending repeats whatever is unknown; a link that stores a 5xx is safe then.
            if not repeats and call.on_unknown == "resend" and model == "none":
                repeats, key = ["an unknown outcome"], "on_unknown"
            if not repeats and "timeout" in tries and _forgets_within(link, call.timeout):
                repeats, how = ["timeout"], _forgets(link)
            if not repeats:
                continue
            yield Weakness(
                kind="retry_without_key",
                path=declared.at(key),
                subject=declared.subject,
                what=f"{declared.subject} repeats its request after {', '.join(repeats)}, "
                f"and {target} {how}",
                hint="use idempotency keys, or retry on refused only and set on_unknown: reverse",
                remedy=_keyed(target),
            )


def queue_without_key(chain: Chain) -> Iterator[Weakness]:
    """Stored requests that are delivered again to a link that would execute them again."""
    for declared in declared_calls(chain):
        call, target = declared.call, declared.call.to
        link = chain.links[target]
        for number, step in enumerate(call.fallback):
            if not isinstance(step, Queue) or declared.operation not in _FORWARDS_MONEY:
                continue
            how = _why_again(link) if link.idempotency.model in _WORKS_AGAIN_AFTER else ""
            if not how and _forgets_within(link, step.queue.within):
                how = _forgets(link)
            if how:
                yield Weakness(
                    kind="queue_without_key",
                    path=declared.at("fallback", number),
                    subject=declared.subject,
                    what=f"{declared.subject} delivers stored requests until they are answered, "
                    f"and {target} {how}",
                    hint="give the link that executes them idempotency keys",
                    remedy=_keyed(target),
                )


def customer_retry_without_key(chain: Chain) -> Iterator[Weakness]:
    """Customers who send a payment again to a link that would execute it again."""
    retry = chain.customer.retry
    if retry is None:
        return
    if retry.key == "new":
        targets = {target for name in paying_links(chain) for target in targets_of(chain, name)}
        if refuse_duplicates(chain, targets, chain.deadline):
            return
        yield Weakness(
            kind="customer_retry_without_key",
            path=("customer", "retry", "key"),
            subject="the customer",
            what="customers order again under a new key, and nobody knows that the first payment "
            "of the order may have been taken",
            hint="one key per order, however often the customer retries",
            remedy=Edit(("customer", "retry", "key"), "same"),
        )
        return
    for name in paying_links(chain):
        link = chain.links[name]
        how = _why_again(link) if link.idempotency.model in _WORKS_AGAIN_AFTER else ""
        if not how and _forgets_within(link, retry.after):
            how = _forgets(link)
        if how:
            yield Weakness(
                kind="customer_retry_without_key",
                path=("customer", "retry"),
                subject=f"link {name}",
                what=f"customers send a payment again after {seconds_text(retry.after, digits=4)} "
                f"without an answer, and {name} {how}",
                hint="recognise the customer's idempotency key, or do not let customers retry",
                remedy=_keyed(name),
            )


def targets_of(chain: Chain, link: str) -> list[str]:
    """The links at which a link may authorise."""
    call = chain.calls_of(link).get("authorise")
    return call.targets if call is not None else []


def refuse_duplicates(chain: Chain, targets: Collection[str], gap_s: float) -> bool:
    """Whether one link refuses the second payment of an order after `gap_s` seconds.

    `targets`: where payments are authorised. It has to see all of them: of two windows on two
    routes, neither sees the other's payments.
    """
    ways = [set(_sure_way(chain, target)) for target in targets]
    windows = [chain.links[name].duplicates for name in (set.intersection(*ways) if ways else ())]
    return any(window is not None and window.within > gap_s for window in windows)


def _sure_way(chain: Chain, link: str) -> Iterator[str]:
    """The links that have seen whatever `link` approves, itself first."""
    yield link
    call = chain.calls_of(link).get("authorise")
    while call is not None and len(call.targets) == 1:
        # A link that stands in or stores a payment asks nobody.
        if any(isinstance(step, Queue | StandIn) for step in call.fallback):
            return
        yield call.to
        call = chain.calls_of(call.to).get("authorise")


def no_idempotency(chain: Chain) -> Iterator[Weakness]:
    """Links that move money and would not survive a request that the network sends twice."""
    asked = {
        target
        for name in chain.links
        for operation, call in chain.calls_of(name).items()
        if operation in _FORWARDS_MONEY
        for target in call.targets
    } | set(chain.entries)
    for name, link in chain.links.items():
        # Links that only forward and those that nobody asks for money have nothing to lose.
        has_nothing_to_lose = ROLES[link.role].only_forwards and not reads_payments(chain, name)
        if link.idempotency.model != "none" or name not in asked or has_nothing_to_lose:
            continue
        yield Weakness(
            kind="no_idempotency",
            path=("links", name, "idempotency"),
            subject=f"link {name}",
            what=f"{name} executes a request again that reaches it twice: it has no idempotency "
            "keys",
            hint="recognise repeated requests by a key",
            remedy=_keyed(name),
        )


def trace_used_twice(chain: Chain) -> Iterator[Weakness]:
    """Trace numbers that come again while the callee takes the second for a repeat of the first."""
    for declared in declared_calls(chain):
        trace = declared.call.trace
        if trace is None or trace.with_time:
            continue
        for target in declared.call.targets:
            link = chain.links[target]
            window_s = link.idempotency.window or _KNOWN_S
            most = trace.numbers / window_s
            if link.idempotency.model == "none" or most > _BUSY_PER_S:
                continue
            yield Weakness(
                kind="trace_used_twice",
                path=declared.at("trace", "with_time"),
                subject=declared.subject,
                what=f"{declared.subject} has {trace.numbers:,} trace numbers, and {target} knows "
                f"one for {seconds_text(window_s, digits=5)}: above {most:.2g} payments per second "
                "two requests get the same one",
                hint="make the time of the first try part of it (with_time: true)",
                remedy=Edit(declared.at("trace", "with_time"), value=True),
            )
            break


def _why_again(link: Link) -> str:
    model = link.idempotency.model
    return "has no idempotency keys" if model == "none" else f"({model}) does not store 5xx"


def _forgets_within(link: Link, seconds: float) -> bool:
    """Whether a key is forgotten before a repeat after so many seconds."""
    window = link.idempotency.window
    return window is not None and window <= seconds


def _forgets(link: Link) -> str:
    window = link.idempotency.window
    assert window is not None  # it was found too short
    return f"forgets a key after {seconds_text(window, digits=4)}"


def _keyed(link: str) -> Edit:
    path: KeyPath = ("links", link, "idempotency")
    return Edit(path, "keyed")
