"""What stands beside a card payment: a vault, the services of a page, further means to pay.

It is drawn after everything else, so that a chain without any of it stays as it was.
"""

from __future__ import annotations

from typing import Any

from tests.oracle.chance import Chance, choose, happens, some

Declared = dict[str, Any]
WITH_VAULT = 8  # of a hundred chains: whose card numbers are at a third party
WITH_PAGE = 8  # whose page calls services of others before the payment
WITH_POINTS = 60  # of a hundred chains with gift cards: those that take points as well
CONNECTING = 4  # of a hundred calls: those that give up early on a connection
POINTS = "points"


def add_beside(chance: Chance, chain: Declared) -> None:
    """Declare some of it in a drawn chain."""
    links: dict[str, Declared] = chain["links"]
    gateways = [link for link in links.values() if link["role"] == "gateway"]
    if happens(chance, WITH_VAULT):
        _vaults(chance, links, gateways)
    if happens(chance, WITH_PAGE):
        _page(chance, links, gateways)
    split = [link for link in gateways if "tenders" in link["calls"]["authorise"]]
    if split and happens(chance, WITH_POINTS):
        _points(chance, links, split)
    for link in links.values():
        for call in link.get("calls", {}).values():
            if isinstance(call, dict) and happens(chance, CONNECTING):
                call["connect_timeout"] = choose(chance, ("100ms", "20ms"))


def _link(chance: Chance, role: str) -> Declared:
    link: Declared = {"role": role, "provider": choose(chance, ("cloud-a", "cloud-b"))}
    if happens(chance, 20):
        link["declines"] = {"share": "20%", "code": "05"}
    return link


def _vaults(chance: Chance, links: dict[str, Declared], gateways: list[Declared]) -> None:
    """Card numbers are exchanged before the payment, maybe at another vault, or not at all."""
    links["vault"] = _link(chance, "vault")
    steps: list[Declared] = []
    if happens(chance, 50):
        links["vault-b"] = _link(chance, "vault")
        steps = [{"to": "vault-b"}]
    for gateway in gateways:
        call: Declared = {"to": "vault", "timeout": choose(chance, ("300ms", "1s"))}
        if happens(chance, 30):
            call["retry"] = {"attempts": 2, "backoff": "50ms"}
        gateway["calls"]["tokenise"] = {**call, "fallback": steps}


def _page(chance: Chance, links: dict[str, Declared], gateways: list[Declared]) -> None:
    """What a page asks others first: some of it may fail, and some it does not even wait for."""
    services = ("captcha", "flags", "support")[: some(chance, 1, 3)]
    for name in services:
        links[name] = _link(chance, "service")
    for gateway in gateways:
        skip = choose(chance, ({"skip": {}}, {"skip": {"up_to": "40"}}, {"decline": "91"}))
        gateway["calls"]["serve"] = [
            {"to": "captcha", "timeout": choose(chance, ("200ms", "1s")), "fallback": [skip]},
            {
                "to": "flags",
                "timeout": "50ms",
                "fallback": [{"last_known": "1s"}, {"default": "safe"}],
            },
            {"to": "support", "timeout": "500ms", "aside": True},
        ][: len(services)]


def _points(chance: Chance, links: dict[str, Declared], gateways: list[Declared]) -> None:
    """A third means, which pays a part of its own before the card pays the rest."""
    links[POINTS] = _link(chance, "issuer")
    for gateway in gateways:
        tenders = gateway["calls"]["authorise"]["tenders"]
        tenders.insert(1, {"to": POINTS, "of": choose(chance, ("30%", "10%"))})
