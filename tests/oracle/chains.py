"""Whole chains as a user declares them, drawn at random: what no example of ours thought of.

Most of what a chain with cards may declare; the rest is in `rarer` and `beside`. The loader may
refuse it.
"""

from __future__ import annotations

from typing import Any

from tests.oracle.beside import add_beside
from tests.oracle.chance import Chance, choose, happens, some
from tests.oracle.rarer import add_to_chain
from tests.oracle.scripted import draw_leaving

Declared = dict[str, Any]
CURRENCIES = {"EUR": 2, "JPY": 0, "KWD": 3}  # digits after the point
IDEMPOTENCY = ("keyed", "none", "stripe-v1", "stripe-v2", "checkout", "adyen", "ietf", "ppro")
GIFT_CARDS = "gift-cards"
LEAVES = 8  # of a hundred chains: whose customers may leave
IMPATIENT = "150ms"  # between two tries, which go on until the deadline
TIPS = 12  # of a hundred chains: whose merchants capture more than was authorised
WRONG_DECIMALS = 8  # of a hundred chains in yen or dinars: with a link that counts in cents
DUPLICATES = 8  # of a hundred books: those that refuse the same payment again
AT_ONCE = {"median": "0s", "p99": "0s"}
SPEEDS = (AT_ONCE, {"median": "2ms", "p99": "10ms"}, {"median": "30ms", "p99": "120ms"})


def amount(minor: int, currency: str) -> str:
    """An amount of minor units as a file has it."""
    digits = CURRENCIES[currency]
    whole, rest = divmod(minor, 10**digits)
    return f"{whole}.{rest:0{digits}d}" if digits else str(whole)


def draw_chain(chance: Chance) -> Declared:
    """A chain: entry, gateways, processors, schemes, issuers, and their policies."""
    currency = choose(chance, ("EUR", "EUR", "EUR", "JPY", "KWD"))
    issuers = _named("issuer", some(chance, 1, 2) if happens(chance, 15) else 1)
    schemes = _named("scheme", choose(chance, (0, 1, 1, 2)))
    processors = _named("processor", choose(chance, (1, 1, 2, 2, 3)))
    has_edge = happens(chance, 55)
    gateways = _named("gateway", choose(chance, (1, 1, 2, 3)) if has_edge else 1)
    screening = ["fraud"] if happens(chance, 25) else []
    authentication = ["acs"] if happens(chance, 30) else []
    links: dict[str, Declared] = {}
    entries = ["edge"] if has_edge else gateways[:1]
    if has_edge:
        links["edge"] = _edge(chance, gateways)
    # A second way in: a shop with an app, or with a gateway of its own for some customers.
    if happens(chance, 15) and has_edge:
        links["edge-b"] = {"role": "edge", "forwards_to": choose(chance, gateways)}
        entries.append("edge-b")
    elif happens(chance, 15) and not has_edge:
        gateways = _named("gateway", 2)
        entries = gateways
    tips = happens(chance, TIPS)
    gift_cards = happens(chance, 8)
    for gateway in gateways:
        links[gateway] = _gateway(
            chance, currency, processors, screening=screening, authentication=authentication
        )
        _more_at_a_gateway(chance, links[gateway], processors, tips=tips, gift_cards=gift_cards)
    if gift_cards:
        links[GIFT_CARDS] = _issuer(chance)
    for name in screening:
        links[name] = {"role": "fraud", **_declines(chance, 10)}
    for name in authentication:
        links[name] = _authentication(chance)
    for processor in processors:
        links[processor] = _relay(chance, "processor", currency, schemes or issuers)
        if happens(chance, 30):
            links[processor]["webhooks"] = _webhooks(chance, choose(chance, gateways))
    for scheme in schemes:
        links[scheme] = _relay(chance, "scheme", currency, issuers)
    for issuer in issuers:
        links[issuer] = _issuer(chance)
    for link in links.values():
        _more_at_a_book(chance, link, tips=tips)
    if currency != "EUR" and happens(chance, WRONG_DECIMALS):
        links[choose(chance, [*gateways, *processors, *schemes])]["exponent"] = 2
    # Two clouds: who is first of each role, and the others.
    for name, link in links.items():
        link["provider"] = "cloud-a" if name == link["role"] else "cloud-b"
    chain: Declared = {
        "chain": "drawn",
        "currency": currency,
        "providers": {"cloud-a": {"kind": "cloud"}, "cloud-b": {"kind": "cloud"}},
        "deadline": choose(chance, ("4s", "2s", "6s", "10s")),
        "entry": entries if len(entries) > 1 else entries[0],
        "links": links,
    }
    if happens(chance, 10):
        chain["propagate_deadline"] = True
    if happens(chance, 25):
        after = choose(chance, ("1s", "500ms", "2s", IMPATIENT))
        chain["customer"] = {"retry": {"after": after, "key": choose(chance, ("same", "new"))}}
        # A dozen tries show what sixty do, and take a fifth of the time.
        if after == IMPATIENT:
            chain["deadline"] = "2s"
    if happens(chance, LEAVES):
        leaves = {"share": "40%", **draw_leaving(chance)}
        chain.setdefault("customer", {})["leaves"] = leaves
    forwards = links["edge"].get("calls", {}) if has_edge else {}
    if forwards and happens(chance, 30):
        forwards["forward"]["on_unknown"] = "reverse"
    add_to_chain(chance, chain)
    add_beside(chance, chain)
    return chain


def _more_at_a_gateway(
    chance: Chance, link: Declared, processors: list[str], *, tips: bool, gift_cards: bool
) -> None:
    """What only some shops do: tips, several refunds, preferred routes, gift cards."""
    call = link["calls"]["authorise"]
    others = [name for name in processors if name != call["to"]]
    if others and "hedge" not in call and happens(chance, 20):
        call["prefer"] = [{"to": choose(chance, others), **_condition(chance)}]
    if gift_cards and "hedge" not in call:
        call["tenders"] = [{"to": GIFT_CARDS, "of": choose(chance, ("20%", "50%", "33%"))}]
        call["tenders"].append({"to": call["to"]})
        if happens(chance, 70):
            call["compensates"] = True
    if "captures" in link:
        if tips:
            link["captures"]["of"] = choose(chance, ("110%", "120%"))
        if happens(chance, 10):
            link["captures"]["final"] = False
        if "on" in link["captures"] and happens(chance, 50):
            link["captures"]["on"] = ["answer", "webhook"]
            link["captures"]["key"] = choose(chance, ("same", "new"))
    if "refunds" in link and happens(chance, 35):
        link["refunds"]["times"] = some(chance, 2, 3)
        link["refunds"]["gap"] = choose(chance, ("0s", "200ms"))


def _condition(chance: Chance) -> Declared:
    """Which payments go to another link first."""
    failing = {"failure_rate": "50%", "window": "5s", "minimum_calls": 3}
    conditions: tuple[Declared, ...] = (
        {"share": "50%"},
        {"when_failing": failing},
        {"cards": {"schemes": ["visa"]}},
    )
    return choose(chance, conditions)


def _more_at_a_book(chance: Chance, link: Declared, *, tips: bool) -> None:
    """What a book behind the gateways permits, refuses or gives back by itself."""
    if link["role"] not in ("processor", "scheme", "issuer"):
        return
    # Who declares nothing takes over what the links in front of it permit, or those behind it.
    if tips and happens(chance, 60):
        link["overcapture"] = choose(chance, ("20%", "20%", "10%"))
    if link["role"] != "scheme" and happens(chance, DUPLICATES):
        link["duplicates"] = {"within": choose(chance, ("2s", "10s"))}
    if link["role"] == "issuer" and happens(chance, 10):
        link["disputes"] = {"share": "40%", "after": choose(chance, ("2s", "500ms"))}
    if happens(chance, 4):
        link["checks_refunds"] = False


def _named(role: str, count: int) -> list[str]:
    return [role, f"{role}-b", f"{role}-c"][:count]


def _shared(chance: Chance) -> Declared:
    """What every link may declare."""
    link: Declared = {}
    speed = choose(chance, SPEEDS)
    if speed is not AT_ONCE:
        link["answers_in"] = speed
    if happens(chance, 30):
        link["idempotency"] = choose(chance, IDEMPOTENCY)
    if happens(chance, 35):
        link["outbox"] = "disk"
    return link


def _declines(chance: Chance, percent: int) -> Declared:
    if not happens(chance, percent):
        return {}
    code = choose(chance, ("51", "05", "91", "43"))
    return {"declines": {"share": choose(chance, ("20%", "50%")), "code": code}}


def _edge(chance: Chance, gateways: list[str]) -> Declared:
    first, *others = gateways
    if not others and happens(chance, 50):
        return {"role": "edge", "forwards_to": first}
    call = _call(chance, first, moves_money=False)
    call["timeout"] = choose(chance, ("3s", "1500ms", "800ms"))
    call["fallback"] = _failovers(chance, others)
    if others and happens(chance, 15):
        call["shares_keys"] = True
    return {"role": "edge", **_shared(chance), "calls": {"forward": call}}


def _failovers(chance: Chance, others: list[str]) -> list[Declared]:
    """Steps that reach every one of the other targets."""
    if len(others) == 2 and happens(chance, 25):
        return [{"split": {others[0]: 3, others[1]: 1}}]
    steps: list[Declared] = []
    for other in others:
        step: Declared = {"to": other}
        if happens(chance, 10):
            step["cards"] = {"schemes": ["visa", "mastercard"]}
        steps.append(step)
    return steps


def _gateway(
    chance: Chance,
    currency: str,
    processors: list[str],
    *,
    screening: list[str],
    authentication: list[str],
) -> Declared:
    calls: Declared = {}
    for name in screening:
        calls["screen"] = _check(chance, name, currency, "skip")
    for name in authentication:
        calls["authenticate"] = _check(chance, name, currency, choose(chance, ("exempt", "skip")))
    calls["authorise"] = _authorise(chance, processors, currency)
    gateway: Declared = {"role": "gateway", **_shared(chance), "calls": calls}
    if happens(chance, 60):
        gateway["captures"] = _captures(chance)
        if happens(chance, 50):
            gateway["refunds"] = {
                "share": choose(chance, ("100%", "50%")),
                "after": choose(chance, ("100ms", "600ms")),
                "of": choose(chance, ("100%", "50%", "33%")),
            }
    if happens(chance, 20):
        share = choose(chance, ("30%", "100%"))
        gateway["cancels"] = {"share": share, "after": choose(chance, ("100ms", "1s"))}
    if happens(chance, 15):
        gateway["accepts_partial"] = True
    if happens(chance, 10):
        gateway["deduplicates"] = False
    if happens(chance, 15):
        gateway["reauthentications"] = some(chance, 0, 3)
    return gateway


def _captures(chance: Chance) -> Declared:
    captures: Declared = {
        "after": choose(chance, ("100ms", "0s", "500ms", "2s")),
        "share": choose(chance, ("100%", "100%", "60%")),
    }
    if happens(chance, 25):
        captures["of"] = choose(chance, ("90%", "50%", "33%"))
    if happens(chance, 25):
        captures["parts"] = some(chance, 2, 4)
    if happens(chance, 15):
        captures["on"] = "webhook"
    return captures


def _check(chance: Chance, to: str, currency: str, step: str) -> Declared:
    """A call before the authorisation."""
    call = _call(chance, to, moves_money=False)
    call["timeout"] = choose(chance, ("1s", "300ms", "2s"))
    if happens(chance, 40):
        limit = amount(choose(chance, (5_000, 100_000, 1_000)), currency)
        call["fallback"] = [{step: {"up_to": limit}}]
    elif happens(chance, 20):
        call["fallback"] = [{"decline": "91"}]
    return call


def _authentication(chance: Chance) -> Declared:
    link: Declared = {"role": "authentication", **_shared(chance)}
    if happens(chance, 60):
        link["outcomes"] = {
            "challenge": choose(chance, ("20%", "50%")),
            "unavailable": choose(chance, ("0%", "10%")),
            "failed": choose(chance, ("0%", "10%")),
        }
    return link


def _authorise(chance: Chance, targets: list[str], currency: str) -> Declared:
    """The call that moves money, with everything that may follow its failure."""
    first, *others = targets
    call = _call(chance, first, moves_money=True)
    call["timeout"] = choose(chance, ("600ms", "1s", "300ms", "2s"))
    on_unknown = choose(chance, ("reverse", "reverse", "query", "resend", "give_up"))
    if on_unknown != "give_up":
        call["on_unknown"] = on_unknown
    if on_unknown == "query" and happens(chance, 50):
        call["query"] = {"attempts": some(chance, 1, 4), "pause": "100ms"}
    if happens(chance, 20):
        call["reversal"] = _reversal(chance, has_breaker="breaker" in call)
    if others and happens(chance, 12):
        # The hedge takes the place of a fallback to the same link.
        call["hedge"] = {"after": choose(chance, ("100ms", "250ms")), "to": others.pop(0)}
    call["fallback"] = _failovers(chance, others)
    last = choose(chance, ("", "", "", "stand_in", "queue", "decline"))
    limit = amount(choose(chance, (5_000, 100_000, 1_000)), currency)
    if last == "stand_in":
        stand_in: Declared = {"up_to": limit}
        if happens(chance, 40):
            stand_in["most"] = some(chance, 1, 5)
        if happens(chance, 30):
            stand_in["per_card"] = some(chance, 1, 3)
        call["fallback"].append({"stand_in": stand_in})
    elif last == "queue":
        queue: Declared = {"pause": choose(chance, ("200ms", "1s"))}
        if happens(chance, 50):
            queue["up_to"] = limit
        if happens(chance, 50):
            queue["within"] = choose(chance, ("1s", "5s"))
        if happens(chance, 30):
            queue["most"] = some(chance, 1, 5)
        call["fallback"].append({"queue": queue})
    elif last == "decline":
        call["fallback"].append({"decline": "91"})
    return call


def _reversal(chance: Chance, *, has_breaker: bool) -> Declared:
    reversal: Declared = {
        "timeout": choose(chance, ("500ms", "2s")),
        "backoff": "100ms",
        "max_backoff": choose(chance, ("500ms", "2s")),
        "give_up_after": choose(chance, ("5s", "1s", "10s")),
    }
    if has_breaker and happens(chance, 30):
        reversal["shares_breaker"] = True
    return reversal


def _call(chance: Chance, to: str, *, moves_money: bool) -> Declared:
    """What any call may declare."""
    call: Declared = {"to": to}
    if happens(chance, 35):
        retry: Declared = {"attempts": some(chance, 2, 3)}
        retry["backoff"] = choose(chance, ("50ms", "200ms"))
        if happens(chance, 40):
            retry["on"] = choose(
                chance,
                (
                    ["refused", "reset", "timeout", "http_error", "technical"],
                    ["refused"],
                    ["timeout"],
                    ["refused", "reset", "malformed", "rejected"],
                ),
            )
        if moves_money and happens(chance, 15):
            retry["codes"] = ["51"]
        if happens(chance, 20):
            retry["budget"] = {"share": "20%", "burst": 3}
        call["retry"] = retry
    if happens(chance, 25):
        call["breaker"] = {
            "failure_rate": "50%",
            "window": "5s",
            "minimum_calls": some(chance, 3, 8),
            "open_for": choose(chance, ("500ms", "2s")),
            "probes": some(chance, 1, 2),
        }
    if happens(chance, 12):
        call["bulkhead"] = {
            "size": some(chance, 1, 4),
            "queue": some(chance, 0, 3),
            "wait": "200ms",
        }
    if happens(chance, 7):
        call["hedge"] = {"after": choose(chance, ("100ms", "250ms"))}
    return call


def _relay(chance: Chance, role: str, currency: str, targets: list[str]) -> Declared:
    link: Declared = {"role": role, **_shared(chance), **_declines(chance, 5)}
    link["calls"] = {"authorise": _authorise(chance, targets, currency)}
    if happens(chance, 8):
        link["expires_after"] = choose(chance, ("1s", "4s"))
    return link


def _webhooks(chance: Chance, to: str) -> Declared:
    webhooks: Declared = {"to": to, "backoff": "200ms", "max_backoff": "1s"}
    if happens(chance, 30):
        webhooks["duplicates"] = "50%"
    if happens(chance, 20):
        webhooks["bad_signatures"] = "30%"
    if happens(chance, 30):
        webhooks["give_up_after"] = choose(chance, ("5s", "1s"))
    return webhooks


def _issuer(chance: Chance) -> Declared:
    link: Declared = {"role": "issuer", **_shared(chance), **_declines(chance, 30)}
    if happens(chance, 15):
        link["partial_approvals"] = {"share": "30%", "of": choose(chance, ("50%", "33%"))}
    if happens(chance, 15):
        link["soft_declines"] = {"share": "30%"}
    if happens(chance, 10):
        link["expires_after"] = choose(chance, ("3s", "1s", "6s"))
    return link
