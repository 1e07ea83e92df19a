"""How much: authorised, released, captured, refunded, and that no money is made or lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from paychain.payments.money import share_of, written
from paychain.payments.rules.authorisation import Authorisation
from paychain.payments.rules.in_parts import adds_up
from paychain.payments.rules.position import Position
from paychain.payments.rules.reconciled import Finding, Reconciled
from paychain.payments.rules.rule import money_rule


@money_rule("Amounts and currencies equal", judged="at_any_time", beyond=None)
def amounts_equal(payment: Reconciled) -> Finding | None:
    """Every link books the amount and the currency that the customer agreed to.

    A payment of several tenders is agreed to in parts, and an own service may authorise any parts
    that add up. An issuer may approve less (code 10) when the merchant accepts that: then all links
    book that lesser amount. The amount of a finding is the largest difference.
    Source: docs/domain.md §2.5 (I9).
    """
    if adds_up(payment):
        return None
    for entry in payment.authorisations:
        part_minor = payment.part_minor(entry)
        agreed = (part_minor, payment.currency)
        foreign = entry.currencies - {payment.currency}
        unsold = _stored_in_vain(payment, entry)
        # Another amount than was agreed is wrong wherever it is stored.
        amounts = entry.amounts - (_only_at(unsold, entry) & {agreed})
        if amounts <= {agreed} and not foreign:
            continue
        others = sorted(amounts - {agreed})
        if not foreign and _is_partial_approval(payment, entry, amounts, unsold):
            continue
        booked = (
            ", ".join(written(*other) for other in others) or f"in {', '.join(sorted(foreign))}"
        )
        difference = max((abs(amount - part_minor) for amount, _ in others), default=0)
        of_what = "a tender" if payment.tenders else "an order"
        text = f"{booked} booked for {of_what} of {payment.money(part_minor)}"
        factor = _power_of_ten([amount for amount, _ in others], part_minor)
        if factor is not None:
            text += f", {factor} times as much: an amount with the wrong number of decimals"
        return Finding.of(payment, difference, text)
    return None


def _power_of_ten(amounts: list[int], agreed_minor: int) -> str | None:
    """`100` or `0.1`: by which power of ten all amounts are wrong; None when it is by none."""
    for shift in (1, 2, 3, -1, -2, -3):
        # What a link divides, it rounds: half a minor unit either way.
        low, high = 2 * agreed_minor * 10**shift - 1, 2 * agreed_minor * 10**shift + 1
        if amounts and agreed_minor and all(low <= 2 * amount <= high for amount in amounts):
            return f"{10**shift:g}"
    return None


def _stored_in_vain(payment: Reconciled, entry: Authorisation) -> set[str]:
    """The links that stored it, or relied on that, and undid it; no merchant has heard of it.

    What a store has is nobody's money before it is delivered, and the bank may approve a part then.
    """
    undone = {link for link, position in entry.positions.items() if not position.standing_minor}
    is_stored = any(entry.positions[link].is_stored for link in undone)
    if not is_stored or not payment.merchants.isdisjoint(entry.positions):
        return set()
    return undone - payment.settling


def _only_at(links: set[str], entry: Authorisation) -> set[tuple[int, str]]:
    """The amounts that these links have booked, and no other link."""
    booked = {link: position.first_minor for link, position in entry.positions.items()}
    elsewhere = {minor for link, minor in booked.items() if link not in links}
    only = {booked[link] for link in links} - elsewhere
    return {amount for amount in entry.amounts if amount[0] in only}


def _is_partial_approval(
    payment: Reconciled, entry: Authorisation, amounts: set[tuple[int, str]], unsold: set[str]
) -> bool:
    """Whether all links booked the same lesser amount, as an issuer may approve it."""
    if len(amounts) != 1 or not payment.accepts_partial:
        return False
    ((amount_minor, _),) = amounts
    # When the answer with code 10 was lost, no caller knows: only the issuer's own book says so. A
    # store has what it was asked for, whatever an issuer may give.
    booked = entry.positions.keys() - unsold
    is_issuers = entry.is_partial or (bool(booked) and booked <= payment.gives_parts.keys())
    givers = payment.gives_parts
    given = [of for link, of in givers.items() if link in entry.positions]
    # Where no issuer has booked it, any of them may have given it.
    is_enough = all if given else any
    return is_issuers and any(
        is_enough(
            _may_be_given(amount_minor, part_minor, of)
            for of in given or list(givers.values()) or [None]
        )
        for part_minor in payment.parts_minor(entry)
    )


def _may_be_given(amount_minor: int, part_minor: int, of: float | None) -> bool:
    """Whether an issuer may approve an amount in place of what the customer agreed to.

    One whose share is declared, `of`, approves that share of it.
    """
    if of is None:
        return amount_minor <= part_minor
    return amount_minor == max(1, share_of(part_minor, of))


@money_rule("Captured at most what is held", judged="at_any_time", beyond=None)
def captured_within_authorised(payment: Reconciled) -> Finding | None:
    """A link captures at most what it holds at that moment, or what it may capture beyond it.

    Nothing is held any more after a release or after the hold has expired. A link that declares
    `overcapture` may capture that much more than was authorised. A merchant's book counts only
    where it captured what it had cancelled itself, and no link behind it took too much.
    Source: docs/domain.md §1.7 (no over-capture) and §2.5 (I9).
    """
    over = [
        (entry, link, position, over_minor)
        for entry, link, position in _positions(payment)
        if (over_minor := _over_captured_minor(payment, link, position))
    ]
    behind = [each for each in over if each[1] not in payment.merchants]
    beyond: dict[str, int] = {}  # of each authorisation, where it was first
    texts = []
    for entry, link, position, over_minor in behind or over:
        if entry.reference not in beyond:
            beyond[entry.reference] = over_minor
            took = payment.money(position.captured_minor)
            held = payment.money(max(0, position.captured_minor - over_minor))
            texts.append(f"{link} captured {took} of {held} held under {entry.reference}")
    return Finding.of(payment, sum(beyond.values()), "; ".join(texts)) if texts else None


def _over_captured_minor(payment: Reconciled, link: str, position: Position) -> int:
    """What a link captured beyond what it may.

    A merchant's own book has no money: what it has beyond the hold is what the links behind it
    took, maybe under another name, or what none of them took, and their books differ. But a
    merchant that captures a cancelled payment takes from a hold that should be gone.
    """
    over_minor = position.over_captured(payment.overcapture.get(link, 0.0))
    if link not in payment.merchants:
        return over_minor
    return min(over_minor, position.released_minor) if position.is_cancelled else 0


@money_rule("Refunded at most what was captured", judged="at_any_time", beyond=None)
def refunded_within_captured(payment: Reconciled) -> Finding | None:
    """A link refunds at most what it has captured by then, together with what it charged back.

    A refund and a chargeback of the same payment give the money back twice, and so may a refund
    that a link without idempotency keys books again. The amount of a finding is what customers got
    too much, by all authorisations, or else the most that one link gave too much.
    Source: docs/domain.md §2.5 (I4).
    """
    beyond = [each for each in _positions(payment) if each[2].over_refunded_minor]
    if not beyond:
        return None
    at_customers = [each for each in beyond if each[1] in payment.settling]
    most = max(beyond, key=lambda each: each[2].over_refunded_minor)
    named = at_customers or [most]
    text = "; ".join(_refunded_beyond(payment, *each) for each in named)
    return Finding.of(payment, sum(each[2].over_refunded_minor for each in named), text)


def _refunded_beyond(
    payment: Reconciled, entry: Authorisation, link: str, position: Position
) -> str:
    """`issuer refunded 20.00 EUR of 10.00 EUR captured under p1-1`."""
    over, charged_back = position.over_refunded_minor, position.charged_back_minor
    gave = f"refunded {payment.money(position.returned_minor - charged_back)}"
    if charged_back:
        gave += f" and charged back {payment.money(charged_back)}"
    took = payment.money(max(0, position.returned_minor - over))
    return f"{link} {gave} of {took} captured under {entry.reference}"


@money_rule("Released what is held", judged="at_the_end", beyond=None)
def released_what_is_held(payment: Reconciled) -> Finding | None:
    """A release (a reversal, an expiry, the rest after the last capture) frees all that is held.

    It frees no more, so that held is never below nothing, and no less. What stays of a hold that
    was only released in part is not reported again where it is a double charge or an orphan.
    Source: docs/domain.md §1.9 and §2.5 (I2).
    """
    for entry, link, position in _positions(payment):
        over = position.over_released_minor
        # Where more was captured than held, or a repeat was booked again, the rest of the hold is
        # short by as much.
        if over and not (position.over_captured_minor or position.recaptured_minor):
            text = f"{link} released {payment.money(over)} more than it held"
            return Finding.of(payment, over, f"{text} under {entry.reference}")
        # A link that booked a hold twice, or another amount than the others, releases what the
        # others believe it to hold: that is found already.
        is_comparable = position.holds == 1 and len(entry.amounts) == 1
        left = position.unreleased_minor if is_comparable else 0
        if left and not payment.is_misheld:
            text = f"{link} still held {payment.money(left)} after its release"
            return Finding.of(payment, left, f"{text} of {entry.reference}")
    return None


@money_rule("Cardholder's debit is the merchant's credit", judged="at_the_end", beyond=None)
def money_conserved(payment: Reconciled) -> Finding | None:
    """What the cardholder pays is what the merchant gets.

    Captures less refunds are equal on every link that knows the authorisation; and all that the
    merchant is credited for the payment, by every link that pays merchants, is what the cardholder
    is debited. The amount of a finding is the difference. Source: docs/domain.md §2.5 (I12).
    """
    for entry in payment.authorisations:
        net = {link: position.net_minor for link, position in entry.positions.items()}
        if len(set(net.values())) > 1 and not _is_delivered_again(payment, entry):
            difference = max(net.values()) - min(net.values())
            listed = ", ".join(f"{link} {payment.money(net[link])}" for link in sorted(net))
            refunds = any(position.refunded_minor for position in entry.positions.values())
            what = "captured less refunded" if refunds else "captured"
            return Finding.of(payment, difference, f"{entry.reference} {what}: {listed}")
    decided = [
        entry
        for entry in payment.authorisations
        if entry.positions.keys() & payment.settling or not _is_found_otherwise(payment, entry)
    ]
    credited = _net_at(decided, payment.creditors)
    debited = _net_at(decided, payment.settling)
    # Two gateways that share keys may both capture what the issuer debits once.
    if payment.creditors and credited != debited:
        text = f"the merchant got {payment.money(credited)}, the cardholder paid"
        return Finding.of(payment, abs(credited - debited), f"{text} {payment.money(debited)}")
    return None


def _is_delivered_again(payment: Reconciled, entry: Authorisation) -> bool:
    """Whether the money of what was stored is where it settles under another delivery of it.

    It is delivered until that is answered. A link without keys has each delivery under a name of
    its own, and what is captured of one of them is not what the last one was called.
    """
    if not any(position.is_stored for position in entry.positions.values()):
        return False
    asked = {
        position.net_minor
        for link, position in entry.positions.items()
        if link not in payment.settling
    }
    return asked == {_net_at(payment.authorisations, payment.settling)}


def _is_found_otherwise(payment: Reconciled, entry: Authorisation) -> bool:
    """Whether another rule names the approval that no issuer has: the customer counts on it.

    Of a payment that is not its order's only one, the order may have money all the same.
    """
    lacks_money = payment.lacks_money and not payment.is_part
    return lacks_money or any(position.stood_in for position in entry.positions.values())


def _net_at(entries: Iterable[Authorisation], links: frozenset[str]) -> int:
    """Captured less refunded at these links, over all these authorisations."""
    return sum(
        position.net_minor
        for entry in entries
        for link, position in entry.positions.items()
        if link in links
    )


def _positions(payment: Reconciled) -> Iterator[tuple[Authorisation, str, Position]]:
    for entry in payment.authorisations:
        for link, position in entry.positions.items():
            yield entry, link, position
