"""What went wrong in the world, from its own accounts.

Every question is put to accounts and pages alone: what is on the card in the end, what the page
said, what the merchant was credited. How the chain got there does not matter here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.oracle.accounts import Account, Sale, accounts, is_gone, is_named_after, sales
from tests.oracle.books_apart import books_apart
from tests.oracle.rules_for import RULES_FOR
from tests.oracle.world import GIVE_BACK, HOLD, TAKE, Customer, Deal, World

Wrongs = dict[str, dict[str, int]]  # by what is wrong, then by order: the amount, minor units
MASK = "…"
ID_LENGTH = len("p0000012")
# What a relay or a bank adds to the name of an attempt: a gateway's own next one has a number.
RELAYED = re.compile(r"[+~.]\D.*")
# The parts of one attempt by several tenders: `p0000012-1/1`, `p0000012-1/2`.
TENDER = re.compile(r"([^/]*)/(\d+)")
UNCOLLECTED = "never collected"


def order_of(payment: str) -> str:
    """The order that a payment is for: `p0000012r2` and `p0000012b` pay for `p0000012`, too."""
    return payment[:ID_LENGTH] if payment.startswith("p") else payment


def wrongs(world: World) -> Wrongs:
    """Everything that is wrong when all is over, by order."""
    found: Wrongs = {name: {} for name in RULES_FOR}
    orders: dict[str, list[Deal]] = {}
    for deal in world.deals.values():
        orders.setdefault(order_of(deal.payment), []).append(deal)
    for order, deals in orders.items():
        saw_approved = any(deal.customer and deal.customer.saw_approved for deal in deals)
        missing = _missing(world, deals) if saw_approved else 0
        payer = next((deal.customer for deal in deals if deal.customer), None)
        for deal in deals:
            # Of an order that somebody pays, a payment without a page is one whose record was lost.
            if deal.customer is None and payer is not None:
                wrong = _undone_duties(world, deal, missing, payer) if saw_approved else iter(())
            else:
                wrong = _wrong_with_payment(world, deal, missing, saw_approved=saw_approved)
            for name, amount in wrong:
                before = found[name].get(order, 0)
                # An order is collected once, of however many sales the money did not come.
                found[name][order] = max(before, amount) if name == UNCOLLECTED else before + amount
        for name, amount in _wrong_with_order(world, deals):
            found[name][order] = amount
    return found


def _is_paid_again(references: list[str]) -> bool:
    """Whether an order is paid by two attempts, or one tender of an attempt by two authorisations.

    Two tenders of one attempt are what the customer wants, however much each of them takes.
    """
    parts = [TENDER.match(each) for each in references]
    attempts = {part[1] if part else each for part, each in zip(parts, references, strict=True)}
    tenders = [part.groups() for part in parts if part]
    return len(attempts) > 1 or len(references) > max(1, len(set(tenders)))


def _wrong_with_order(world: World, deals: list[Deal]) -> Iterator[tuple[str, int]]:
    """A customer wants to pay for an order once, with however many payments it is tried."""
    customers = [deal.customer for deal in deals if deal.customer is not None]
    order = order_of(deals[0].payment)
    if not customers:
        return
    lines = [line for deal in deals for line in deal.of(world.links("issuer"))]
    by_name = accounts(lines)
    cards = list(by_name.values())
    # What one card got back too much of is no help to another one.
    standing = [card.exposure for card in cards if card.exposure > 0]
    exposure = sum(standing)
    tips = sum(card.tip for card in cards)
    wanted = max(customer.amount_minor for customer in customers)
    saw_approved = any(customer.saw_approved for customer in customers)
    saw_minor = min(wanted, sum(customer.saw_minor for customer in customers))
    is_every_page_known = len(customers) == len(deals)
    # Who was shown an approval of a part agreed to no more than that.
    agreed = saw_minor if saw_approved and is_every_page_known else wanted
    sold = [sale for deal in deals for sale in sales(world, deal)]
    is_given_back = bool(sold) and not any(sale.book.exposure > 0 for sale in sold)
    # What the bank has charged back since is wrong no more; that it was charged is.
    disputed = sum(min(card.charged_back, card.exposure) for card in cards if card.exposure > 0)
    forgotten = _forgotten(world, deals, sold)
    # Who is told that the order was paid before knows what the merchant sold.
    is_told = any(customer.original[:ID_LENGTH] == order for customer in customers)
    # Of two holds under one name one may have been undone.
    charged = [reference for (_, reference), card in by_name.items() if card.exposure > 0]
    is_again = _is_paid_again(charged) or any(
        card.holds > 1 and card.exposure > card.first for card in cards
    )
    if exposure - tips > agreed and is_again:
        yield "charged twice", max(0, exposure - disputed - agreed)
    # What is held may have been approved on a page that is lost, but for what was given back.
    elif exposure > 0 and not saw_approved and not is_told and is_every_page_known:
        yield "orphaned", exposure - disputed
    elif (is_given_back or (not saw_approved and is_every_page_known)) and forgotten:
        yield (
            "orphaned",
            sum(card.exposure - min(card.charged_back, card.exposure) for card in forgotten),
        )
    # What is sold by another gateway stays sold, whatever the merchant of one of them cancelled.
    is_cancelled = any(sale.is_wanted(world, "cancels") for sale in sold) and not any(
        sale.is_known and sale.book.exposure > 0 and not sale.is_wanted(world, "cancels")
        for sale in sold
    )
    if not saw_approved or is_cancelled:
        return
    # Nobody owes anything for what was approved in the bank's place, and given back.
    given_back = _promised_and_given_back(world, deals)
    if given_back >= saw_minor > 0:
        return
    is_gone_now = is_gone(cards)
    if not any(card.was_held for card in cards) or (is_gone_now and _is_promised(world, deals)):
        yield "approved without a cent", saw_minor
    elif is_gone_now:
        yield "approved and undone", saw_minor
    # Two payments of an order may have been shown one and the same approval.
    elif len(deals) == 1:
        behind = given_back + sum(card.was_held for card in cards if not is_gone([card]))
        if behind < saw_minor:
            yield "approved in part without a cent", saw_minor - behind


def _forgotten(world: World, deals: list[Deal], sold: list[Sale]) -> list[Account]:
    """The cards that hold what nobody ever sold."""
    # Under its reference, or one that a relay made of it: what is worked on once more is another.
    # What was stored is delivered until that is answered, and sold under whatever name it is then.
    stored = {line.reference for deal in deals for line in deal.lines if line.why == "stored"}
    made = {sale.reference: r"[+.~]" if sale.reference in stored else r"[+.]" for sale in sold}
    known = [re.compile(rf"{re.escape(name)}({mark}\D.*)?") for name, mark in made.items()]
    return [
        card
        for deal in deals
        for (_, reference), card in accounts(deal.of(world.links("issuer"))).items()
        if card.exposure > 0 and not any(name.fullmatch(reference) for name in known)
    ]


def _is_promised(world: World, deals: list[Deal]) -> bool:
    """Whether all that was sold was approved in the bank's place, and no card was held for it.

    Another attempt may have been held meanwhile, and undone: nobody sold anything by it.
    """
    sold = [(sale, deal.alone) for deal in deals for sale in sales(world, deal) if sale.is_known]
    return bool(sold) and all(
        sale.reference in alone and not any(card.was_held for card in sale.cards)
        for sale, alone in sold
    )


def _promised_and_given_back(world: World, deals: list[Deal]) -> int:
    """What links approved in a bank's place that never knew of it, and merchants gave back.

    Its customer paid nothing, and its merchant kept nothing. What was only stored was nobody's
    approval.
    """
    given_back = 0
    for deal in deals:
        promised = {(line.link, line.reference) for line in deal.lines if line.why == "stood_in"}
        banked = {line.reference for line in deal.of(world.links("issuer"))}
        given_back += sum(
            account.was_held
            for (link, reference), account in accounts(deal.lines).items()
            if (link, reference) in promised and reference not in banked
            if account.given > 0 and account.exposure <= 0
        )
    return given_back


def _wrong_with_payment(
    world: World, deal: Deal, missing: int, *, saw_approved: bool
) -> Iterator[tuple[str, int]]:
    """`saw_approved`: the customer was shown an approval of its order, by whichever payment.

    `missing`: what the sales of the order have not brought of what one of them should.
    """
    cards = accounts(deal.of(world.links("issuer")))
    customer = deal.customer
    if customer is None:
        moved = sum(line.amount_minor for line in deal.lines if line.does == HOLD)
        yield "nobody's payment", moved
        return
    sold = sales(world, deal)
    was_held = {card.was_held for sale in sold for card in sale.cards} - {0}
    # What no card was ever held for is its merchant's sale all the same, as it was booked first.
    was_held = was_held or {sale.book.first for sale in sold} - {0}
    is_one = world.is_paid_by_one_means()
    if is_one and was_held and customer.saw_minor and customer.saw_minor not in was_held:
        yield "shown another amount", abs(customer.saw_minor - max(was_held))
    # By several means it may be less that is held, and never more than was ordered that is shown.
    elif not is_one and customer.saw_minor > customer.amount_minor:
        yield "shown another amount", customer.saw_minor - customer.amount_minor
    others = [*_held_otherwise(world, deal, customer)]
    if others:
        yield "held another amount", max(abs(amount - customer.amount_minor) for amount in others)
    elif unlike := _held_unlike(world, deal):
        yield "held another amount", unlike
    if any(line.currency != customer.currency for line in deal.lines):
        yield "in another currency", customer.amount_minor
    # Records of real customers have a card only as it is printed.
    is_masked = MASK in customer.card
    if any(
        line.merchant != customer.merchant or (line.card != customer.card and not is_masked)
        for line in deal.lines
    ):
        yield "somebody else's account", customer.amount_minor
    for name, amounts in (
        ("captured beyond the hold", _beyond_holds(world, deal)),
        ("refunded beyond the capture", _beyond_captures(deal, cards)),
        ("released beyond the hold", [card.beyond_held for card in cards.values()]),
    ):
        if any(amounts):
            yield name, sum(amounts)
    taken = sum(card.taken - card.given for card in cards.values())
    payers = world.payers
    credited = sum(each.taken - each.given for each in accounts(deal.of(payers)).values())
    if taken != credited:
        yield "credited otherwise than debited", abs(taken - credited)
    collected = _collected(world, deal)
    if taken != collected:
        yield "collected otherwise than debited", abs(taken - collected)
    again = [each.was_held - each.first for each in accounts(deal.lines).values() if each.holds > 1]
    if again:
        yield "held again under one name", max(again)
    if repeated := _repeated(deal):
        yield "taken or given twice", repeated
    if (apart := books_apart(world, deal)) > 0:
        yield "books differ", apart
    if saw_approved:
        yield from _undone_duties(world, deal, missing, customer)


def _held_otherwise(world: World, deal: Deal, customer: Customer) -> Iterator[int]:
    """The amounts of holds that nobody may have: a gateway has what it asks for itself.

    Or what another one asked for that has the same sale in its book, by keys that they share.
    """
    gateways = world.links("gateway")
    held = {
        (line.link, line.reference, line.amount_minor) for line in deal.lines if line.does == HOLD
    }
    # What was stored may have been delivered for less.
    held |= {(*of, account.first) for of, account in accounts(deal.lines).items() if account.holds}
    for link, reference, amount in held:
        sellers = {line.link for line in deal.of(gateways) if line.reference == reference}
        askers = sellers if link in gateways else {link}
        if not any(amount in world.amounts_of(deal, customer, each) for each in askers):
            yield amount


def _held_unlike(world: World, deal: Deal) -> int:
    """By how much books differ most on what was held under one authorisation at first.

    What was only stored, and was undone or expired before any merchant heard of it, may have been a
    part at the bank.
    """
    sold = {line.reference for line in deal.of(world.links("gateway"))}
    first: dict[str, set[int]] = {}
    for (_, reference), account in accounts(deal.lines).items():
        is_in_vain = reference in deal.alone and reference not in sold
        is_over = account.undone + account.expired == account.was_held
        if account.holds and not (is_in_vain and is_over):
            first.setdefault(reference, set()).add(account.first)
    return max((max(amounts) - min(amounts) for amounts in first.values()), default=0)


def _beyond_holds(world: World, deal: Deal) -> list[int]:
    """What was taken beyond holds and what is permitted on top: of cards, or else at an acquirer.

    One bank may permit what an acquirer in front of it does not. Each attempt and each of several
    means is taken by itself: one bank's excess says nothing of what an acquirer took of another.
    Where neither took too much, who sold it may have cancelled it before and taken it all the same.
    """
    by_name: dict[str, dict[str, int]] = {}
    cancelled = []
    for (link, reference), account in accounts(deal.lines).items():
        more = max(0, account.beyond_allowance(world.tip_at(link)))
        if link not in world.links("gateway"):
            beyond = by_name.setdefault(RELAYED.sub("", reference), {})
            beyond[link] = beyond.get(link, 0) + more
        elif account.undone >= account.was_held:
            cancelled.append(min(more, account.undone))
    found = [
        sum(amount for link, amount in beyond.items() if link in world.links("issuer"))
        or max(beyond.values())
        for beyond in by_name.values()
    ]
    return found if any(found) else cancelled


def _beyond_captures(deal: Deal, cards: dict[tuple[str, str], Account]) -> list[int]:
    """What was given back beyond what was taken: to cards, or else in any book, the most of them.

    A link in front of the banks may give back under a name of which they know nothing.
    """
    to_cards = [card.beyond_taken for card in cards.values()]
    if any(to_cards):
        return to_cards
    return [max((each.beyond_taken for each in accounts(deal.lines).values()), default=0)]


def _collected(world: World, deal: Deal) -> int:
    """What merchants believe to have got.

    Gateways that share keys have one and the same sale in their books, not one each.
    """
    sold: dict[tuple[str, str], list[int]] = {}
    for (gateway, reference), book in accounts(deal.of(world.links("gateway"))).items():
        sale = (world.keys_of(gateway), reference)
        sold.setdefault(sale, []).append(book.taken - book.given)
    return sum(max(nets) for nets in sold.values())


def _missing(world: World, deals: list[Deal]) -> int:
    """What an order should have brought, and no sale of it did that was not given back.

    However often it was sold, merchants may collect it once.
    """
    wanted: dict[tuple[str, str], int] = {}
    brought: dict[tuple[str, str], int] = {}
    for deal in deals:
        # Those that bear the name of another payment come last.
        for sale in sorted(
            sales(world, deal), key=lambda each: not is_named_after(each.reference, deal.payment)
        ):
            declared = world.chain.links[sale.gateway].captures
            if declared is not None and sale.is_wanted(world, "captures"):
                # The means of one attempt are one sale, also one that was answered as another's.
                attempt = (sale.gateway, sale.reference.partition("/")[0])
                if not (world.is_paid_by_one_means() or is_named_after(attempt[1], deal.payment)):
                    own = [known for known in wanted if known[0] == sale.gateway]
                    attempt = own[-1] if own else attempt
                due = int(sale.book.was_held * declared.of + 0.5 + 1e-9)
                wanted[attempt] = wanted.get(attempt, 0) + due
        for name, card in accounts(deal.of(world.links("issuer"))).items():
            brought[name] = card.taken if card.taken > card.given else 0
    return max(wanted.values(), default=0) - sum(brought.values())


def _undone_duties(
    world: World, deal: Deal, missing: int, customer: Customer
) -> Iterator[tuple[str, int]]:
    """What merchants had to do for an approved payment, and what is not on the card in the end."""
    for sale in sales(world, deal):
        left = sum(card.taken - card.given - card.charged_back for card in sale.cards)
        if (sale.gateway, sale.reference) in deal.taken_back and left > 0:
            yield "undone and never given back", left
        held = sum(max(0, card.held) for card in sale.cards)
        if held and sale.is_wanted(world, "cancels"):
            yield "never released", held
        declared = world.chain.links[sale.gateway].captures
        if declared is None or not sale.is_wanted(world, "captures"):
            continue
        # Nobody waits for what was given back before any bank knew of it, and no customer saw.
        is_over = sale.book.given > 0 and sale.book.exposure <= 0 and not sale.cards
        if is_over and not customer.saw_approved:
            continue
        taken = sum(card.taken for card in sale.cards)
        could_be = any(card.held > 0 or card.expired for card in sale.cards)
        # A share of one or two units may be none.
        if int(sale.book.was_held * declared.of + 0.5) == 0:
            continue
        # The parts are together the whole share, which may be rounded up.
        left = int(sale.book.was_held * declared.of) - taken
        if left > 0 or not taken:
            name = "collected in part"
            if not taken:
                name = UNCOLLECTED if could_be else "nothing to collect"
            if missing > 0:
                yield name, min(left, missing)
        # Everything was captured, and nobody gives the rest of the hold back.
        elif any(card.held > 0 for card in sale.cards):
            yield "left on hold", sum(max(0, card.held) for card in sale.cards)
        # A merchant who does not know that it was paid has nothing to give back.
        given = sum(card.given + card.charged_back for card in sale.cards)
        taken = min(taken, sale.book.taken)
        if taken and sale.is_wanted(world, "refunds") and _owes(world, sale, taken, given):
            yield "never refunded", customer.amount_minor


def _owes(world: World, sale: Sale, taken: int, given: int) -> bool:
    """Whether the merchant wanted to refund more of what was taken, as often as that goes."""
    refunds = world.chain.links[sale.gateway].refunds
    assert refunds is not None  # they are wanted
    # Each is a share of the whole: two halves are all of it, and three thirds of 33.3 % are not.
    times = next(n for n in range(refunds.times, -1, -1) if refunds.of * n <= 1 or not n)
    wanted = int(taken * refunds.of * times + 0.5)
    # Of parts that are cut to whole cents the last one may be missing.
    return not given or given < wanted - refunds.times


def _repeated(deal: Deal) -> int:
    """What links took or gave back again for a capture or refund that they had booked before."""
    seen: set[tuple[str, str, str, str]] = set()
    again = 0
    for line in deal.lines:
        if line.does in (TAKE, GIVE_BACK):
            of = (line.link, line.reference, line.does, line.item.partition("~")[0])
            again += line.amount_minor if of in seen else 0
            seen.add(of)
    return again
