"""Findings about transfers over a ledger: signed twice, freed or credited early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from paychain.declaration.quantity import count
from paychain.model.chain import Chain
from paychain.model.ledger_checks import block_interval_s
from paychain.model.operations import LOOKS
from paychain.model.review.calls import DeclaredCall, declared_calls
from paychain.model.review.finding import Weakness, accept, of_setting
from paychain.model.review.remedy import Edit


def signed_twice(chain: Chain) -> Iterator[Weakness]:
    """Wallets that sign a transfer again, with the next nonce, when it has no answer."""
    for name, link in chain.links.items():
        if link.nonces == "each_try":
            yield of_setting(
                "signed_twice",
                name,
                "nonces",
                what=f"when a transfer has no answer, {name} signs it again with the next nonce",
                hint="send the same bytes again: a nonce is used once",
                to="one_per_payment",
            )
    for name, link in chain.links.items():
        if link.replaces is not None and link.replaces.nonce == "new":
            yield of_setting(
                "signed_twice",
                name,
                "replaces",
                "nonce",
                what=f"when a transfer waits for a block, {name} signs it again with the next "
                "nonce",
                hint="replace it: with its own nonce one of the two is mined",
                to="same",
            )


def network_not_checked(chain: Chain) -> Iterator[Weakness]:
    """Wallets whose transfers are valid on any network, and that take whichever a node has."""
    for name, link in chain.links.items():
        if not link.checks_network:
            yield of_setting(
                "network_not_checked",
                name,
                "checks_network",
                what=f"{name} does not check which network a node belongs to",
                hint="sign the network's id with each transfer, and refuse nodes of another one",
                to=True,
            )


def receipt_not_checked(chain: Chain) -> Iterator[Weakness]:
    """Wallets that take whatever is in a block for made."""
    for name, link in chain.links.items():
        if not link.checks_receipt:
            yield of_setting(
                "receipt_not_checked",
                name,
                "checks_receipt",
                what=f"{name} does not read in a receipt whether the transfer failed",
                hint="read the receipt's status: a transfer that was reverted moved nothing",
                to=True,
            )


def reserved_late(chain: Chain) -> Iterator[Weakness]:
    """Exchanges that reserve the money of a payout after it was sent."""
    for name, link in chain.links.items():
        if link.funding is not None and link.funding.reserves == "when_final":
            yield of_setting(
                "reserved_late",
                name,
                "funding",
                "reserves",
                what=f"{name} reserves the money of a payout after it was sent",
                hint="reserve it first: until then the next payout takes the same money",
                to="first",
            )


def deposit_known_by_block(chain: Chain) -> Iterator[Weakness]:
    """Exchanges that take a transfer in another block for another deposit."""
    for name, link in chain.links.items():
        if link.deposits_known_by == "block":
            yield of_setting(
                "deposit_known_by_block",
                name,
                "deposits_known_by",
                what=f"{name} takes a transfer that is mined once more for another deposit",
                hint="know a deposit by its transaction, in whichever block that is",
                to="transaction",
            )


def freed_early(chain: Chain) -> Iterator[Weakness]:
    """Reservations that are freed while their transfer can still be made."""
    for name, link in chain.links.items():
        if link.funding is not None and link.funding.frees == "on_timeout":
            yield of_setting(
                "freed_early",
                name,
                "funding",
                "frees",
                what=f"{name} frees the reservation of a payout whose transfer has no answer",
                hint="keep it until the transfer is final or has been declined",
                to="when_dead",
            )
    for name, link in chain.links.items():
        if link.pauses is not None and link.pauses.begun == "freed":
            yield of_setting(
                "freed_early",
                name,
                "pauses",
                "begun",
                what=f"{name} frees the reservations of payouts that have begun while it pauses "
                "them",
                hint="keep them: what was signed is mined when there are blocks again",
                to="kept",
            )


def credited_early(chain: Chain) -> Iterator[Weakness]:
    """Deposits that are credited while their block can still be replaced."""
    final = chain.links[chain.network].final if chain.network else None
    if final is None:
        return
    needed = final.after or 0
    if final.until is not None:
        needed = ceil(final.until / block_interval_s(chain))
    for name, link in chain.links.items():
        for number, credit in enumerate(link.credits):
            if credit.after >= needed:
                continue
            # A single item stands without a list.
            place = (number,) if len(link.credits) > 1 else ()
            which = f"up to {credit.up_to} " if credit.up_to is not None else ""
            early, late = count(credit.after, "block"), count(needed, "block")
            yield of_setting(
                "credited_early",
                name,
                "credits",
                *place,
                "after",
                what=f"{name} credits deposits {which}after {early}, and {chain.network} can "
                f"replace them until {late} follow",
                hint="wait for the number of blocks that makes a transfer final",
                to=needed,
            )


def captured_before_transfer(chain: Chain) -> Iterator[Weakness]:
    """Gateways that take the card's money before the customer has what is sold for it."""
    for name, link in chain.links.items():
        captures = link.captures
        if captures is None or "transfer" not in link.calls or "delivery" in captures.triggers:
            continue
        key = ("links", name, "captures", "on")
        is_declared = "on" in captures.model_fields_set
        yield Weakness(
            kind="captured_before_transfer",
            path=key if is_declared else key[:-1],
            subject=f"link {name}",
            what=f"{name} captures before {link.calls['transfer'].to} has sent what was bought",
            hint="capture once it is final, and release the hold when it is declined",
            remedy=Edit(key, "delivery"),
        )


def split_quorum(chain: Chain) -> Iterator[Weakness]:
    """Quorums that two different answers can both reach: the first answer is believed."""
    for declared in declared_calls(chain):
        quorum = declared.call.quorum
        if quorum is None:
            continue
        number = 1 + len(quorum.others)
        if 2 * quorum.agree > number:
            continue
        key = declared.at("quorum", "agree")
        yield Weakness(
            kind="split_quorum",
            path=key,
            subject=declared.subject,
            what=f"{declared.subject} believes what {quorum.agree} of {number} links say, and the "
            "others may say something else",
            hint="require more than half of them to agree",
            remedy=_majority(chain, declared),
        )


def _majority(chain: Chain, declared: DeclaredCall) -> Edit:
    """More than half of those that are asked; where both of two would have to agree, a third, too.

    With two of two, one that is wrong or away stops everything.
    """
    quorum = declared.call.quorum
    assert quorum is not None
    asked = (declared.call.to, *quorum.others)
    target = chain.links.get(declared.call.to)
    more = [
        name
        for name, link in chain.links.items()
        if target and link.role == target.role and not link.lies and name not in asked
    ]
    if len(asked) == 2 and more:
        return Edit(declared.at("quorum"), {"with": [*quorum.others, more[0]], "agree": 2})
    return Edit(declared.at("quorum", "agree"), len(asked) // 2 + 1)


def believed_liars(chain: Chain) -> Iterator[Weakness]:
    """Looks at a ledger for which as many links that lie are asked as have to agree."""
    for declared in declared_calls(chain):
        if declared.operation not in LOOKS:
            continue
        asked, agree = _asked(declared)
        liars = [name for name in asked if chain.links[name].lies]
        # With a quorum of half or less that is said of it already.
        is_split = declared.call.quorum is not None and 2 * agree <= len(asked)
        if len(liars) < agree or is_split:
            continue
        lie = "lies" if len(liars) == 1 else "lie"
        yield Weakness(
            kind="split_quorum",
            path=declared.path,
            subject=declared.subject,
            what=f"{declared.subject} believes what {agree} of {count(len(asked), 'link')} say"
            f", and {len(liars)} of them {lie}: {', '.join(liars)}",
            hint=f"ask more than {2 * len(liars)}, and let more than {len(liars)} of them agree",
            remedy=_more_agree(declared, len(asked), len(liars) + 1),
        )


def _asked(declared: DeclaredCall) -> tuple[Sequence[str], int]:
    """Whom a look may believe, and how many of them have to say the same."""
    call = declared.call
    if call.pick is not None:
        return call.pick.of, call.pick.agree
    return call.targets, call.quorum.agree if call.quorum is not None else 1


def _more_agree(declared: DeclaredCall, asked: int, needed: int) -> Edit:
    """So many that have to agree, where so many tell the truth; otherwise others are needed.

    `needed`: one more than there are liars.
    """
    call = declared.call
    truthful = asked - (needed - 1)
    if call.pick is None or needed > min(call.pick.ask, truthful):
        return accept("split_quorum", declared.subject)
    key = ("nodes", "agree") if call.quorum is None else declared.at("quorum", "agree")
    return Edit(key, needed)


def stale_price(chain: Chain) -> Iterator[Weakness]:
    """Gateways that sell at any price, however old or absurd it is."""
    for name, link in chain.links.items():
        if link.price is None or link.price.checked:
            continue
        key = ("links", name, "price", "checked")
        what = "a price is" if link.price.holds_for is None else "a price and a quote are"
        hint = "compare its publication time with the clock, and refuse expired prices"
        if link.price.bounds is not None:
            hint += " and those outside the bounds"
        yield Weakness(
            kind="stale_price",
            path=key,
            subject=f"link {name}",
            what=f"{name} does not check how old {what}"
            + (", nor its bounds" if link.price.bounds is not None else ""),
            hint=hint,
            remedy=Edit(key, value=True),
        )
