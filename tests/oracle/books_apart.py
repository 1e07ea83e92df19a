"""By how much the books of a payment's links differ, and what some have and others should."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.oracle.accounts import (
    Account,
    Sale,
    accounts,
    belongs_to,
    is_gone,
    is_named_after,
    sales,
)
from tests.oracle.world import Deal, World

# Which link made a name of an attempt's: `processor-b` of `.processor-b.1`.
MADE_BY = re.compile(r"[+~.]([^+~.]+)")


def books_apart(world: World, deal: Deal) -> int:
    """By how much two books differ most on what is held or taken under one authorisation.

    A hold that has expired is over where it was held, and the others need not know; what was taken
    is the same for all. What was stored may be decided under another reference than it was accepted
    under. What a card holds must be some merchant's sale.
    """
    names = {line.reference for line in deal.lines}
    # Where a request was stored and authorised anew on delivery, what links behind have under the
    # stored reference are tries that were undone.
    undone = {
        (link, line.reference)
        for line in deal.lines
        if line.why == "stored"
        and any(name != line.reference and belongs_to(name, line.reference) for name in names)
        for link in world.behind(line.link)
    }
    by_reference: dict[str, list[Account]] = {}
    for (link, reference), account in accounts(deal.lines).items():
        if (link, reference) not in undone:
            by_reference.setdefault(reference, []).append(account)
    apart = [0, *(card.exposure for card in _unsold(world, deal))]
    apart += [
        max(sale.book.exposure, sale.book.taken)
        for sale in sales(world, deal)
        if not _is_banked(world, sale, deal)
    ]
    apart += _delivered_apart(world, deal)
    # Nor may any link in front of the banks hold what no bank knows of, or have sold it.
    banked = {line.reference for line in deal.of(world.links("issuer"))}
    apart += [
        max(account.exposure, account.taken)
        for (link, reference), account in accounts(deal.lines).items()
        if reference not in deal.alone
        and not any(_is_asked_as(world, link, reference, name) for name in banked)
    ]
    apart += _answered_out_of_nothing(world, deal)
    for books in by_reference.values():
        net = [book.taken - book.given for book in books]
        apart.append(max(net) - min(net))
        # Nor may one have a sale, given back or not, that another one has undone.
        if any(not book.was_held or book.undone == book.was_held for book in books):
            apart.append(max(book.taken for book in books))
        exposure = [book.exposure for book in books if not book.expired]
        apart.append(max(exposure, default=0) - min(exposure, default=0))
    return max(apart)


def _answered_out_of_nothing(world: World, deal: Deal) -> Iterator[int]:
    """What links hold that a card holds, too, while some link on the way to it has nothing of it.

    Who approves in a bank's place says so, and has asked nobody. What has expired on the card
    nobody misses but the merchant who has it.
    """
    books = accounts(deal.lines)
    cards = {name: card for (link, name), card in books.items() if link in world.links("issuer")}
    on_cards = [name for name, card in cards.items() if card.exposure > 0]
    ended = [name for name, card in cards.items() if card.expired]

    def reaches_a_bank(link: str, reference: str) -> bool:
        return link in world.links("issuer") or any(
            other in world.asked_by(link)
            and belongs_to(name, reference)
            and reaches_a_bank(other, name)
            for other, name in books
        )

    for (link, reference), book in books.items():
        known = on_cards + ended if link in world.links("gateway") else on_cards
        is_on_a_card = any(belongs_to(name, reference) for name in known)
        behind = {link} | world.behind(link)
        is_alone = any(
            line.is_alone and line.link in behind and belongs_to(line.reference, reference)
            for line in deal.lines
        )
        if is_on_a_card and not is_alone and not reaches_a_bank(link, reference):
            yield book.exposure


def _is_asked_as(world: World, link: str, reference: str, name: str) -> bool:
    """Whether a bank may have been asked by a name for what a link has under its reference.

    What a link in front of it made of the reference was asked for another way.
    """
    made_by = MADE_BY.match(name.removeprefix(reference)) if belongs_to(name, reference) else None
    if made_by is None or made_by[1] not in world.chain.links:
        return belongs_to(name, reference)
    return made_by[1] in {link} | world.behind(link)


def _delivered_apart(world: World, deal: Deal) -> Iterator[int]:
    """By how much books differ on what was stored under one name and delivered under another.

    It is one sale, whatever name a link has for it. Deliveries that were undone hold nothing of it,
    nor do those that were stored behind and that no bank knows of; and the others need not know
    that it has expired somewhere.
    """
    books = accounts(deal.lines)
    banked = {line.reference for line in deal.of(world.links("issuer"))}
    alone = {name for name in deal.alone if not any(belongs_to(each, name) for each in banked)}
    for line in deal.lines:
        if line.why != "stored":
            continue
        behind = world.behind(line.link)
        by_link: dict[str, list[Account]] = {}
        for (link, name), book in books.items():
            is_undone = link in behind and (book.undone == book.was_held or name in alone)
            if belongs_to(name, line.reference) and not is_undone:
                by_link.setdefault(link, []).append(book)
        exposure = [
            sum(book.exposure for book in own)
            for own in by_link.values()
            if not any(book.expired for book in own)
        ]
        yield max(exposure, default=0) - min(exposure, default=0)


def _is_banked(world: World, sale: Sale, deal: Deal) -> bool:
    """Whether a bank knows of what is sold, and whom its gateway asked by the name that it has.

    Whoever was asked pays the merchant: what it never booked is not paid, though a card holds it.
    Whoever approved in the bank's place says so, and no bank has to know.
    """
    if sale.cards and is_gone(list(sale.cards)):
        return False
    if sale.reference in deal.alone:
        return _stands_without_a_bank(world, sale, deal)
    paid = {line.reference for line in deal.of(world.asked_by(sale.gateway))}
    return bool(sale.cards and sale.reference in paid)


def _stands_without_a_bank(world: World, sale: Sale, deal: Deal) -> bool:
    """Whether what was approved in the bank's place is still somebody's promise.

    It waits for its delivery, or was delivered to whoever may decide and was not undone there.
    """
    behind = {of: book for of, book in accounts(deal.lines).items() if of[0] != sale.gateway}
    own = {of: book for of, book in behind.items() if belongs_to(of[1], sale.reference)}
    # By a trace number it may have been answered as another payment, and is booked as that.
    under_anothers = [
        account
        for (link, name), account in behind.items()
        if link in world.asked_by(sale.gateway) and not is_named_after(name, deal.payment)
    ]
    # What was delivered must be somebody's decision, a bank's or in its place.
    may_decide = world.links("issuer") | {line.link for line in deal.lines if line.is_alone}
    if sale.is_known and own and may_decide.isdisjoint(link for link, _ in own):
        return False
    # What was delivered and undone there is nobody's promise any more.
    if delivered := [*own.values()] or under_anothers:
        return not is_gone(delivered)
    # By another name of the payment, it is among what banks hold or held of that.
    cards = [account for (link, _), account in behind.items() if link in may_decide]
    return not (sale.is_known and cards) or not is_gone(cards)


def _unsold(world: World, deal: Deal) -> list[Account]:
    """What a card holds although no gateway has it in its book, or no longer."""
    standing = [sale.reference for sale in sales(world, deal) if sale.book.exposure > 0]
    return [
        card
        for (_, name), card in accounts(deal.of(world.links("issuer"))).items()
        if card.exposure > 0 and not any(belongs_to(name, sale) for sale in standing)
    ]
