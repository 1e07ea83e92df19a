"""What must hold of the links around a ledger, and of a chain that has one."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.declaration.problem import Problem
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain, Link
from paychain.model.operations import TRANSFERS
from paychain.payments.money import crypto_assets

_NEEDED = {"ledger": ("blocks", "{every: 2s}"), "exchange": ("funding", "250000")}


def check_ledgers(chain: Chain) -> Iterator[Problem]:
    """One ledger, an asset that moves on it, and links that have what their role needs."""
    ledgers = [name for name, link in chain.links.items() if link.role == "ledger"]
    for name in ledgers[1:]:
        what = f"there is one ledger already: {ledgers[0]}"
        yield Problem(("links", name), what, "remove one of them")
    is_crypto = chain.currency in crypto_assets()
    if ledgers and not is_crypto:
        what = f"{chain.currency} does not move on a ledger"
        yield Problem(("currency",), what, f"write one of {', '.join(crypto_assets())}")
    if is_crypto and not ledgers:
        what = f"{chain.currency} moves on a ledger, and the chain has none"
        yield Problem(("currency",), what, "add a link with role: ledger, or write a currency")
    for name, link in chain.links.items():
        yield from _link(chain, name, link)


def _link(chain: Chain, name: str, link: Link) -> Iterator[Problem]:
    at: KeyPath = ("links", name)
    key, example = _NEEDED.get(link.role, ("", ""))
    if key and getattr(link, key) is None:
        yield Problem(at, f"the role {link.role} needs '{key}'", f"add {key}: {example}")
    for operation, call in link.calls.items():
        if operation in TRANSFERS and call.on_unknown == "reverse":
            what = "a transfer cannot be reversed"
            where: KeyPath = (*at, "calls", operation, "on_unknown")
            yield Problem(where, what, "write resend: the same bytes again, or query")
        for target in call.targets if operation == "read" else ():
            behind = chain.links.get(target)
            if behind is not None and behind.role not in ("node", "ledger"):
                what = f"the role {behind.role} has nothing to read"
                yield Problem((*at, "calls", operation, "to"), what, "name a node")


def block_interval_s(chain: Chain) -> float:
    """Seconds from one block of the chain's ledger to the next."""
    blocks = chain.links[chain.network].blocks if chain.network else None
    assert blocks is not None  # the checks ask for both
    return blocks.every
