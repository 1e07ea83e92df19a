"""What must hold of how customers pay: placeholders, units, and services that they can reach."""

from __future__ import annotations

import json
from collections.abc import Iterator

from paychain.declaration.problem import Problem
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain
from paychain.model.paid_at import paid_link
from paychain.model.pays import Pattern, Pays, needs_no_answer
from paychain.model.pays_problems import IDS, placeholder_problems, unit_problems
from paychain.model.roles import ROLES
from paychain.payments.cards import SCHEMES, TEST_CARDS
from paychain.payments.errors import meant


def check_pays(pays: Pays, at: KeyPath) -> Iterator[Problem]:
    """Unknown placeholders, and requests that cannot be told apart."""
    for number, step in enumerate(pays.every_step):
        key: KeyPath = ("request",) if pays.request is not None else ("steps", number)
        for place, text in step.texts():
            yield from placeholder_problems(text, (*at, *key, *place), has_answer=number > 0)
    # Two payments that look alike to the service are one to it.
    if pays.every_step and not pays.placeholder_names & IDS:
        key = ("request",) if pays.request is not None else ("steps",)
        what = "no request has an id of the payment, so all of them look alike"
        yield Problem((*at, *key), what, 'write "{payment}" where it takes an order id')
    for number, pattern in enumerate(pays.approved):
        place = _in_list((*at, "approved"), number, len(pays.approved))
        yield from unit_problems(pattern.amount, pays, place)
    yield from _alike(pays, at)
    known = [*SCHEMES, *(card.number for card in TEST_CARDS)]
    for name, page in (("look", pays.look), ("returns", pays.returns)):
        if page is not None and not needs_no_answer(page):
            what = "a returning customer has no earlier answer"
            yield Problem((*at, name), what, "name the payment: get: /orders/{payment}")
    for card in pays.tokens:
        if card not in known:
            what = f"unknown scheme or test card '{card}'"
            yield Problem((*at, "tokens", card), what, meant(card, known))


def _alike(pays: Pays, at: KeyPath) -> Iterator[Problem]:
    """Answers that are described alike and mean different things: the first one would count."""
    seen: dict[str, str] = {}
    for kind in ("approved", "declined", "pending"):
        patterns = getattr(pays, kind)
        for number, pattern in enumerate(patterns):
            described = pattern.model_dump(mode="json", include=set(Pattern.model_fields))
            looks = json.dumps(described, sort_keys=True)
            if seen.setdefault(looks, kind) != kind:
                place = _in_list((*at, kind), number, len(patterns))
                what = f"an answer that is {kind} looks like one that is {seen[looks]}"
                yield Problem(place, what, "tell them apart by status: or where:")


def _in_list(at: KeyPath, number: int, count: int) -> KeyPath:
    """The place of an item that stands in a list, or alone without one."""
    return (*at, number) if count > 1 else at


def check_paid(chain: Chain) -> Iterator[Problem]:
    """Own services that customers reach say how they are paid, those behind one edge alike."""
    for entry in chain.entries:
        for name in _reached(chain, entry):
            link = chain.links[name]
            # A service may speak our JSON; then it says so.
            if link.service and link.pays is None and "dialect" not in link.model_fields_set:
                what = f"customers pay {name}, but pays: is missing"
                hint = "add pays: {request: …}, or dialect: paychain if it takes our JSON"
                yield Problem(("links", name), what, hint)
    for name, link in chain.links.items():
        if not ROLES[link.role].only_forwards or "forward" not in chain.calls_of(name):
            continue
        targets = chain.calls_of(name)["forward"].targets
        ways = {target: _way(chain, target) for target in targets if target in chain.links}
        others = [target for target in ways if ways[target] != ways[targets[0]]]
        if targets[0] in ways and others:
            key: KeyPath = ("calls", "forward") if "forward" in link.calls else ("forwards_to",)
            what = f"customers pay {targets[0]} and {others[0]} in different ways"
            hint = "give both the same pays:, with a YAML anchor"
            yield Problem(("links", name, *key), what, hint)


def check_returns(chain: Chain) -> Iterator[Problem]:
    """Customers who come back need a place to look at, wherever they paid."""
    leaves = chain.customer.leaves
    if leaves is None or leaves.returns_after is None:
        return
    yield from check_returning(chain, ("customer", "leaves", "returns_after"))


def check_returning(chain: Chain, at: KeyPath) -> Iterator[Problem]:
    """Customers who come back look somewhere. `at`: where it says that they do.

    Whether a class of the user's can look, its file says.
    """
    for entry in chain.entries:
        if paid_link(chain, entry) is None:
            what = f"customers of {entry} have nowhere to look: it has no pays:"
            yield Problem(at, what, "remove it: they leave and do not return")
    for link in dict.fromkeys(paid_link(chain, entry) for entry in chain.entries):
        pays = chain.links[link].pays if link is not None else None
        if pays is not None and pays.by is None and not (pays.later_look or pays.returns):
            what = f"no place to look is declared for returning customers of {link}"
            yield Problem(at, what, 'add look: {get: "/orders/{payment}"} to its pays:')


def _reached(chain: Chain, entry: str) -> list[str]:
    """The links that customers pay at through an entry: itself, or what its edges pass on to."""
    found: list[str] = []
    waiting, seen = [entry], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in chain.links:
            continue
        seen.add(name)
        if ROLES[chain.links[name].role].only_forwards and "forward" in chain.calls_of(name):
            waiting += chain.calls_of(name)["forward"].targets
        else:
            found.append(name)
    return found


def _way(chain: Chain, link: str) -> Pays | None:
    paid = paid_link(chain, link)
    return chain.links[paid].pays if paid is not None else None
