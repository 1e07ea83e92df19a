"""What must hold of the links of an account-to-account transfer."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.declaration.problem import Problem
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain, Link
from paychain.payments.rails import RailLimits, account_rails

# What may follow a transfer without an answer, by the role that sent it, the usual way first. To
# give up is a weakness, which the review reports. What is deemed made is not reversed.
_ON_UNKNOWN = {"bank": ("query", "give_up"), "clearing": ("reverse", "give_up")}
_ON_UNKNOWN_DEEMED = {"bank": ("query", "give_up"), "clearing": ("query", "give_up")}


def check_accounts(chain: Chain) -> Iterator[Problem]:
    """One clearing on a rail of the chain's currency, between banks of payers and of payees."""
    clearings = [name for name, link in chain.links.items() if link.role == "clearing"]
    for name in clearings[1:]:
        what = f"the chain already has a clearing: {clearings[0]}"
        yield Problem(("links", name), what, "remove one of them")
    for name in clearings:
        yield from _clearing(chain, name)
    for name, link in chain.links.items():
        if link.role == "bank":
            yield from _bank(chain, name, link)
        if link.role in _ON_UNKNOWN and "transfer" in link.calls:
            yield from _on_unknown(name, link, chain.rail)


def _clearing(chain: Chain, name: str) -> Iterator[Problem]:
    link = chain.links[name]
    at: KeyPath = ("links", name)
    if link.rail is None:
        yield Problem(at, "the role clearing needs 'rail'", "add rail: sct-inst or upi")
    elif account_rails()[link.rail].currency != chain.currency:
        rail = account_rails()[link.rail]
        what = f"{rail.title} transfers {rail.currency}, and the chain has {chain.currency}"
        yield Problem((*at, "rail"), what, f"write currency: {rail.currency}")
    yield from _queries(chain, name, link)
    if any(other.role in ("issuer", "ledger") for other in chain.links.values()):
        what = "payments to accounts are made neither with cards nor over a ledger"
        yield Problem(at, what, "remove the issuer or ledger, or the clearing")
    yield from _targets(chain, name, "bank", "name the payee's bank")


def _queries(chain: Chain, name: str, link: Link) -> Iterator[Problem]:
    """A clearing permits no more queries than its rail; how soon is the review's to say."""
    limits, rail = link.query_limits, chain.rail
    if limits is None or rail is None or rail.queries is None:
        return
    if limits.attempts is not None and limits.attempts <= rail.queries:
        return
    number = "any number of" if limits.attempts is None else limits.attempts
    what = f"{name} permits {number} queries of a transfer, and {rail.title} {rail.queries}"
    at: KeyPath = ("links", name, "query_limits", "attempts")
    yield Problem(at, what, f"write attempts: {rail.queries}, or less")


def _bank(chain: Chain, name: str, link: Link) -> Iterator[Problem]:
    at: KeyPath = ("links", name)
    is_payers = "transfer" in link.calls
    if chain.rail is None:
        what = f"{name} has no clearing to send or get transfers"
        yield Problem(at, what, "add a link with role: clearing, and rail: sct-inst")
    if not is_payers and (name in chain.entries or _is_forwarded_to(chain, name)):
        what = f"{name} makes no transfers, so nobody can pay there"
        yield Problem(at, what, "add a call transfer: to the clearing, or let payers pay elsewhere")
    if name in chain.reversed_by_callers:
        what = f"a link in front of {name} reverses payments, and a transfer cannot be undone"
        yield Problem(at, what, "remove on_unknown: reverse of its forward:")
    if is_payers:
        yield from _targets(chain, name, "clearing", "name the clearing")
    elif "holds" in link.model_fields_set:
        what = f"{name} makes no transfers, so it holds no money"
        yield Problem((*at, "holds"), what, "add a call transfer: to the clearing, or remove it")
    yield from _of_rail(chain, name, link)
    is_payees = any(
        name in other.calls["transfer"].targets
        for other in chain.links.values()
        if "transfer" in other.calls
    )
    if not is_payers and link.recalls is not None:
        what = f"{name} makes no transfers, so it recalls none"
        yield Problem((*at, "recalls"), what, "add a call transfer: to the clearing, or remove it")
    for key in ("rejected_credits", "double_credits", "returns"):
        if not is_payees and key in link.model_fields_set:
            what = f"no clearing passes transfers to {name}"
            yield Problem((*at, key), what, "remove it")
    holds = link.holds
    if holds.late == "dropped" and holds.spent:
        what = "nobody is debited for a late confirmation, whoever has spent the money"
        yield Problem((*at, "holds", "spent"), what, "remove it, or write late: honoured")


def _of_rail(chain: Chain, name: str, link: Link) -> Iterator[Problem]:
    """A rail either gives held money back, or deems; on one that deems nothing is recalled."""
    rail = chain.rail
    if rail is None:
        return
    others = {"deemed": "rejects what has no answer, and deems nothing to be made"}
    if rail.deems:
        others = {"holds": "debits at once, and holds nothing", "recalls": "has no recalls"}
    for key, why in others.items():
        if key in link.model_fields_set:
            yield Problem(("links", name, key), f"{rail.title} {why}", "remove it")
    if "deemed" in link.model_fields_set and "transfer" not in link.calls:
        what = f"{name} makes no transfers, so none of its own is deemed to be made"
        yield Problem(("links", name, "deemed"), what, "remove it")


def _on_unknown(name: str, link: Link, rail: RailLimits | None) -> Iterator[Problem]:
    """A bank believes the clearing, which rejects by itself what has no answer, or deems it."""
    deems = rail is not None and rail.deems
    ways = _ON_UNKNOWN_DEEMED if deems else _ON_UNKNOWN
    declared, allowed = link.calls["transfer"].on_unknown, ways[link.role]
    if declared in allowed:
        return
    if deems and link.role == "clearing":
        what = f"{name} deems what has no answer to be made, and {declared} would undo or repeat it"
    elif declared == "reverse":
        what = "a transfer cannot be reversed"
    elif link.role == "bank":
        what = "a transfer that is sent again may be made after the time for it is over"
    else:
        what = f"{name} rejects what has no answer, and {declared} leaves the credit with the payee"
    yield Problem(("links", name, "calls", "transfer", "on_unknown"), what, f"write {allowed[0]}")


def _is_forwarded_to(chain: Chain, name: str) -> bool:
    forwards = (chain.calls_of(other).get("forward") for other in chain.links)
    return any(call is not None and name in call.targets for call in forwards)


def _targets(chain: Chain, name: str, role: str, hint: str) -> Iterator[Problem]:
    """Whom a transfer goes to, and fallbacks that a transfer to an account cannot have."""
    call = chain.links[name].calls.get("transfer")
    at: KeyPath = ("links", name, "calls", "transfer")
    for target in call.targets if call is not None else ():
        behind = chain.links.get(target)
        if behind is not None and behind.role != role:
            what = (
                f"the role {behind.role} does not take the transfers of a {chain.links[name].role}"
            )
            yield Problem((*at, "to"), what, hint)
    if call is not None and len(call.targets) > 1:
        what = "a transfer that has another target as well could be made twice"
        yield Problem(at, what, "name one")
    elif call is not None and call.fallback:
        what = "nothing can stand for the clearing's or the payee's bank's word"
        yield Problem((*at, "fallback"), what, "remove it")
