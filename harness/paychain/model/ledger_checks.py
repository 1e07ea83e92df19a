"""What must hold of the links around a ledger, and of a chain that has one."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.quantity import seconds_text
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain, Link
from paychain.model.operations import LOOKS, TRANSFERS
from paychain.model.policy import Call
from paychain.model.roles import ROLES
from paychain.payments.money import crypto_assets, pegged


def check_ledgers(chain: Chain) -> Iterator[Problem]:
    """One ledger, an asset that moves on it, and links that have what their role needs."""
    ledgers = [name for name, link in chain.links.items() if link.role == "ledger"]
    for name in ledgers[1:]:
        what = f"the chain already has a ledger: {ledgers[0]}"
        yield Problem(("links", name), what, "remove one of them")
    yield from _asset(chain, ledgers)
    for name, link in chain.links.items():
        yield from _link(chain, name, link)


def _asset(chain: Chain, ledgers: list[str]) -> Iterator[Problem]:
    """What moves on the ledger: the currency itself, or what is meant to be worth one of it."""
    is_crypto = chain.currency in crypto_assets()
    if is_crypto and not ledgers:
        what = f"{chain.currency} moves on a ledger, but the chain has none"
        yield Problem(("currency",), what, "add a link with role: ledger, or write a currency")
    if not ledgers:
        return
    declared = chain.links[ledgers[0]].asset
    at: KeyPath = ("links", ledgers[0], "asset")
    if declared is None and not is_crypto:
        what = f"{chain.currency} does not move on a ledger"
        yield Problem(("currency",), what, f"write one of {', '.join(crypto_assets())}")
    elif declared is not None and declared not in crypto_assets():
        yield unknown(at, "asset", declared, crypto_assets())
    elif declared not in (None, chain.currency, *pegged(chain.currency)) and not any(
        "quote" in link.calls for link in chain.links.values()
    ):
        what = f"one {declared} is not meant to be worth one {chain.currency}"
        known = ", ".join((chain.currency,) * is_crypto + pegged(chain.currency))
        hint = f"write {known}" if known else "let a gateway ask its price: quote: {to: oracle}"
        yield Problem(at, what, hint)
    elif declared not in (None, chain.currency, *pegged(chain.currency)):
        for name, link in chain.links.items():
            if link.role == "exchange":
                what = f"{name} asks no price, and one {declared} is not worth one {chain.currency}"
                hint = f"give the exchange a chain in {declared}: only a gateway sells at a price"
                yield Problem(("links", name), what, hint)


def _sale(chain: Chain, name: str, link: Link, at: KeyPath) -> Iterator[Problem]:
    """A gateway that sells what never comes back."""
    if ROLES[link.role].party != "merchant" or "transfer" not in link.calls:
        what, hint = f"{name} sells nothing that has a price", "remove it"
        if "quote" in link.calls:
            yield Problem((*at, "calls", "quote"), what, hint)
        if link.price is not None:
            yield Problem((*at, "price"), what, hint)
        return
    if not chain.network:
        what = f"{name} moves an asset, but the chain has no ledger"
        yield Problem((*at, "calls", "transfer"), what, "add a link with role: ledger")
    yield from _price(chain, name, link, at)
    for key in ("cancels", "refunds"):
        if getattr(link, key) is not None:
            what = f"{name} sends over a ledger, which cannot be undone"
            yield Problem((*at, key), what, "remove it")
    if link.calls["authorise"].tenders:
        what = f"{name} accepts a single card per sale"
        yield Problem((*at, "calls", "authorise", "tenders"), what, "remove it")
    if name in chain.reversed_by_callers:
        what = f"a link in front of {name} reverses payments, and a transfer cannot be undone"
        yield Problem(
            (*at, "calls", "transfer"), what, "remove on_unknown: reverse of its forward:"
        )


def _price(chain: Chain, name: str, link: Link, at: KeyPath) -> Iterator[Problem]:
    """Who says the price, and how old it may be: both or neither."""
    call = link.calls.get("quote")
    if (call is None) != (link.price is None):
        what = (
            f"{name} has a price but calls no oracle"
            if call is None
            else f"{name} accepts any price"
        )
        hint = "add a call quote: to an oracle" if call is None else "add price: {max_age: 5s}"
        yield Problem(at if call is None else (*at, "calls", "quote"), what, hint)
    for target in call.targets if call is not None else ():
        behind = chain.links.get(target)
        if behind is not None and behind.role != "oracle":
            what = f"the role {behind.role} quotes no prices"
            yield Problem((*at, "calls", "quote", "to"), what, "name an oracle")
        prices = behind.prices if behind is not None else None
        bounds = link.price.bounds if link.price is not None else None
        if prices is not None and bounds is not None:
            deviation = Decimal(str(prices.moves))
            lowest, highest = prices.of * (1 - deviation), prices.of * (1 + deviation)
            if lowest < bounds.lowest or highest > bounds.highest:
                what = f"{target} reports prices from {lowest:f} to {highest:f}, and some of them "
                what += "are refused"
                yield Problem((*at, "price", "bounds"), what, "write wider bounds")
        if prices is None or link.price is None or not link.price.checked:
            continue
        if prices.every > link.price.max_age:
            every, oldest = (
                seconds_text(each, digits=4) for each in (prices.every, link.price.max_age)
            )
            what = (
                f"{target} has a new price every {every}, and older ones than {oldest} are refused"
            )
            yield Problem((*at, "price", "max_age"), what, f"write {every} or more")


def _link(chain: Chain, name: str, link: Link) -> Iterator[Problem]:
    at: KeyPath = ("links", name)
    if link.role == "ledger" and link.blocks is None:
        yield Problem(at, "the role ledger needs 'blocks'", "add blocks: {every: 2s}")
    if link.messages is not None and not link.final.finality.comes_with_block:
        what = f"a message that is on its way in {name} would be undone with the block that it left"
        yield Problem((*at, "messages"), what, "write final: at_once or final: {after: 1}")
    copies = [each for each in chain.links if chain.links[each].dialect.is_vendors]
    if link.messages is not None and copies:
        what = f"{copies[0]} shows transfers that are made in one block"
        yield Problem((*at, "messages"), what, f"remove it, or the dialect of {copies[0]}")
    if link.lies and link.dialect.is_vendors:
        what = f"{name} answers from its copy of the ledger, which says nothing untrue"
        yield Problem((*at, "lies"), what, "remove it, or the dialect")
    if link.role == "oracle" and link.prices is None:
        yield Problem(at, "the role oracle needs 'prices'", "add prices: {of: 1.00}")
    if link.role == "exchange" and link.funding is None and not link.credits:
        hint = "add funding: 250000, or credits: {after: 12}"
        yield Problem(at, "the role exchange needs 'funding', or 'credits'", hint)
    if link.funding is not None and "transfer" not in link.calls:
        what = "payouts need a call 'transfer'"
        yield Problem((*at, "funding"), what, "add transfer: to its calls")
    for needed in ("funding", "scan") if link.pauses is not None else ():
        if getattr(link, needed, None) is None and needed not in link.calls:
            what = f"pausing payouts needs {'a call ' * (needed == 'scan')}'{needed}'"
            yield Problem((*at, "pauses"), what, f"add {needed}: to {name}")
    blocks = chain.links[chain.network].blocks if chain.network else None
    if link.valid_until is not None and copies:
        what = f"{copies[0]} shows transactions that never expire"
        yield Problem((*at, "valid_until"), what, f"remove it, or the dialect of {copies[0]}")
    if link.valid_until is not None and blocks is not None and link.valid_until <= blocks.every:
        every, valid = (seconds_text(each, digits=4) for each in (blocks.every, link.valid_until))
        what = f"{chain.network} makes a block every {every}, and transfers expire after {valid}"
        hint = "write the time of many blocks: otherwise none of them gets it"
        yield Problem((*at, "valid_until"), what, hint)
    if link.pauses is not None and blocks is not None:
        oldest_s = link.pauses.head_older_than
        if oldest_s <= blocks.every:
            every, oldest = (seconds_text(each, digits=4) for each in (blocks.every, oldest_s))
            what = f"{chain.network} makes a block every {every}, and {name} pauses after {oldest}"
            hint = "write the time of a few blocks: otherwise it pauses on a good day"
            yield Problem((*at, "pauses", "head_older_than"), what, hint)
    yield from _credits(chain, link, at)
    yield from _sale(chain, name, link, at)
    if link.role == "depositor" and not any(other.credits for other in chain.links.values()):
        what = "no exchange credits deposits"
        yield Problem(at, what, "add credits: {after: 12} to an exchange")
    for operation, call in link.calls.items():
        yield from _quorum(call, operation, (*at, "calls", operation))
        is_on_ledger = link.role not in ("bank", "clearing")
        if operation in TRANSFERS and call.on_unknown == "reverse" and is_on_ledger:
            what = "a transfer cannot be reversed"
            where: KeyPath = (*at, "calls", operation, "on_unknown")
            yield Problem(where, what, "write resend: the same bytes again, or query")
        for target in call.targets if operation in LOOKS else ():
            behind = chain.links.get(target)
            if behind is not None and behind.role not in ("node", "ledger"):
                what = f"the role {behind.role} has nothing to {operation}"
                yield Problem((*at, "calls", operation, "to"), what, "name a node")
            elif behind is not None and behind.role == "node" and operation not in behind.calls:
                what = f"{target} cannot {operation}: it has no such call"
                yield Problem(
                    (*at, "calls", operation, "to"), what, f"add {operation}: to {target}"
                )


def _credits(chain: Chain, link: Link, at: KeyPath) -> Iterator[Problem]:
    """What an exchange needs for deposits, and amounts that need other numbers of blocks."""
    if not link.credits:
        return
    for operation in LOOKS:
        if operation not in link.calls:
            what = f"deposits need a call '{operation}'"
            yield Problem((*at, "credits"), what, f"add {operation}: to its calls")
    others = [name for name, other in chain.links.items() if other.credits and other is not link]
    if others:
        what = f"{others[0]} credits deposits, too"
        yield Problem((*at, "credits"), what, "let one exchange credit them")
    limits = [credit.up_to for credit in link.credits]
    if limits[-1] is not None:
        what = f"no item covers amounts above {limits[-1]}"
        yield Problem((*at, "credits"), what, "add an item without up_to")
    for number, (before, limit) in enumerate(pairwise(limits), start=1):
        if before is None or (limit is not None and limit <= before):
            what = "an earlier item covers these amounts, too"
            yield Problem(
                (*at, "credits", number), what, "order them by up_to, the last one without it"
            )


def _quorum(call: Call, operation: str, at: KeyPath) -> Iterator[Problem]:
    """A quorum is of looks at a ledger, and cannot want more links than it asks."""
    quorum = call.quorum
    if quorum is None:
        return
    number = 1 + len(quorum.others)
    if operation not in LOOKS:
        what = f"a quorum is for reads of a ledger, not for {operation}"
        yield Problem((*at, "quorum"), what, f"it is for: {', '.join(LOOKS)}")
    if quorum.agree > number:
        what = f"{quorum.agree} links must agree, but {number} are asked"
        yield Problem((*at, "quorum", "agree"), what, "name more links, or lower agree")
    # A fallback to links that are asked anyway is never needed, and no mistake.
    others = {"fallback": call.steps, "hedge": call.hedge, "prefer": call.prefer}
    for key, declared in others.items():
        if declared:
            what = "a quorum calls all of its links at once"
            yield Problem((*at, key), what, "name the link in quorum: {with: …}")


def block_interval_s(chain: Chain) -> float:
    """Seconds from one block of the chain's ledger to the next."""
    blocks = chain.links[chain.network].blocks if chain.network else None
    assert blocks is not None  # the checks ask for both
    return blocks.every


def finality_s(chain: Chain) -> float:
    """How long whoever pays over the chain's ledger waits for it at most; 0 without a ledger.

    The block that takes the transfer, and as many as follow until it is final, or is credited.
    """
    if not chain.network:
        return 0.0
    final = chain.links[chain.network].final.finality
    credited = (credit.after for link in chain.links.values() for credit in link.credits)
    blocks = 1 + max(final.after_blocks, *credited, 0)
    return blocks * block_interval_s(chain) + final.until_s


def transfer_s(chain: Chain) -> float:
    """How long a transfer over the chain's ledger takes at most until it is final."""
    final = chain.links[chain.network].final.finality
    return (1 + final.after_blocks) * block_interval_s(chain) + final.until_s
