"""What the links' books say of each other, and what a repeat must not do to them."""

from __future__ import annotations

from paychain.payments.rules.authorisation import Authorisation
from paychain.payments.rules.reconciled import Finding, Reconciled
from paychain.payments.rules.rule import money_rule


@money_rule("Books of all links agree", judged="at_the_end", beyond=None)
def books_agree(payment: Reconciled) -> Finding | None:
    """An authorisation stands in the books of all links that took part, or in none.

    It stands where it was approved and not released since, however much of it was captured, and
    what is not captured is held by all of them. A link whose hold has expired may differ from the
    others. Books that break a law by themselves are not compared, unless no bank has the
    authorisation. What a card holds stands in some
    merchant's book, too, or nobody collects it. Source: docs/domain.md §2.5 (I5); DORA, Regulation
    (EU) 2022/2554, Art. 12(7).
    """
    # Money that is held twice, or of nobody, or missing, is a finding of its own. Of an order with
    # several payments another one may make up for it, but these books still differ.
    if payment.is_double_charged or (payment.is_misheld and not payment.is_part):
        return None
    for entry in payment.authorisations:
        # What no bank has is missing there, whatever amounts others have of it.
        is_comparable = payment.settling.isdisjoint(entry.positions)
        if not is_comparable and not entry.is_sound(payment.overcapture):
            continue
        expired = {link for link, position in entry.positions.items() if position.is_expired}
        standing = {
            link
            for link, position in entry.positions.items()
            if position.standing_minor > 0 and link not in expired
        }
        missing = (entry.positions.keys() | entry.path) - standing
        # Approved in the issuer's place, which has not learnt of it: other rules look at that, and
        # the links in front of it must still agree.
        if _is_undecided(payment, entry):
            missing -= payment.settling
        # What stands at no settling link was never approved by anybody who may.
        elif not (standing | expired) & payment.settling:
            missing |= payment.settling
        # Where a gateway keeps a book of the payment, it has what the card holds.
        elif standing & payment.settling and not standing & payment.merchants:
            missing |= payment.bookkeepers
        # What ended by itself where it was held, and untouched, nobody misses who never had it,
        # while no merchant relies on it.
        if _has_ended_untouched(entry, expired, payment) and standing.isdisjoint(
            payment.settling | payment.merchants
        ):
            missing &= entry.positions.keys()
        # Nor is what was only stored missed by who never had it, while no merchant has it.
        if _is_stored_for_nobody(payment, entry):
            missing &= entry.positions.keys()
        missing -= expired
        if standing and missing:
            text = f"{entry.reference} is missing in the book of {', '.join(sorted(missing))}"
            return Finding.of(payment, payment.part_minor(entry), text)
        # What stays held after the last capture is an orphan, whoever else has released it.
        finding = None if payment.remainder_minor else _held_apart(payment, entry)
        if finding is not None:
            return finding
    return None


def _has_ended_untouched(entry: Authorisation, expired: set[str], payment: Reconciled) -> bool:
    """Whether its hold expired where it settles, and nothing of it was captured there."""
    ended = expired & payment.settling
    return bool(ended) and not any(entry.positions[link].captured_minor for link in ended)


def _held_apart(payment: Reconciled, entry: Authorisation) -> Finding | None:
    """The rest of an authorisation that one link still holds and another has released.

    Where links took different amounts, what is left to hold differs for that reason alone.
    """
    positions = {
        link: position for link, position in entry.positions.items() if not position.is_expired
    }
    if len({position.net_minor for position in positions.values()}) != 1:
        return None
    by_held = sorted((position.held_minor, link) for link, position in positions.items())
    (least_minor, least), (most_minor, most) = by_held[0], by_held[-1]
    if least_minor == most_minor:
        return None
    held, other = payment.money(most_minor), payment.money(least_minor)
    text = f"{most} holds {held} under {entry.reference}, {least} {other}"
    return Finding.of(payment, most_minor - least_minor, text)


def _is_undecided(payment: Reconciled, entry: Authorisation) -> bool:
    """Approved in the issuer's place, which has not learnt of it: other rules look at that."""
    return not entry.positions.keys() & payment.settling and any(
        position.stood_in or position.is_stored for position in entry.positions.values()
    )


def _is_stored_for_nobody(payment: Reconciled, entry: Authorisation) -> bool:
    """Whether it was stored and never delivered, and no merchant has ever booked it.

    What a store has is nobody's money before it is delivered. A link without keys stores a repeat
    again, and a reversal undoes one of the two.
    """
    return (
        bool(payment.merchants)
        and payment.merchants.isdisjoint(entry.positions)
        and payment.settling.isdisjoint(entry.positions)
        and any(position.is_stored for position in entry.positions.values())
        and not any(position.stood_in for position in entry.positions.values())
    )


@money_rule("An authorisation is booked once", judged="at_the_end", beyond=None)
def booked_once(payment: Reconciled) -> Finding | None:
    """A link books the hold of one authorisation once.

    Where the customer's money is held twice by it, that is a double charge and not reported again.
    Source: docs/domain.md §2.5 (I5, I7).
    """
    # What is held for nobody of one payment may be known of another one of its order.
    if payment.is_double_charged or (payment.is_misheld and not payment.is_part):
        return None
    for entry in payment.authorisations:
        for link, position in entry.positions.items():
            if position.holds > 1:
                again = position.authorised_minor - position.first_minor
                text = f"{link} booked {entry.reference} {position.holds} times"
                return Finding.of(payment, again, text)
    return None


@money_rule("Repeated requests are idempotent", judged="at_any_time", beyond=None)
def repeats_without_effect(payment: Reconciled) -> Finding | None:
    """A capture or refund that is sent again is booked once, and sent under the same key.

    Under a key of its own no link recognises it. Where the hold was used up and it was refused,
    the amount of a finding is 0. Source: docs/domain.md §2.5 (I7).
    """
    for entry in payment.authorisations:
        for link, position in entry.positions.items():
            if repeated := position.rebooked_minor:
                text = f"{link} booked {payment.money(repeated)} again for a repeat"
                return Finding.of(payment, repeated, f"{text} under {entry.reference}")
    for follow_up in payment.follow_ups:
        if follow_up.keys > 1:
            text = f"{follow_up.link} sent the {follow_up.operation} {follow_up.name}"
            return Finding.of(payment, 0, f"{text} under {follow_up.keys} keys")
    if payment.done_again:
        return Finding.of(payment, 0, "; ".join(payment.done_again))
    return None


@money_rule("The right merchant and instrument", judged="at_any_time", beyond=None)
def parties_kept(payment: Reconciled) -> Finding | None:
    """Money moves from the instrument that the customer paid with to the customer's merchant.

    Source: docs/domain.md §2.5 (I12).
    """
    for entry in payment.authorisations:
        for merchant, instrument in sorted(entry.parties):
            # A book that names neither says nothing.
            if merchant and payment.merchant and merchant != payment.merchant:
                text = f"{entry.reference} is booked for {merchant}, not for {payment.merchant}"
                return Finding.of(payment, payment.amount_minor, text)
            if instrument and payment.instrument and instrument != payment.instrument:
                text = f"{entry.reference} is booked on {instrument}, not on {payment.instrument}"
                return Finding.of(payment, payment.amount_minor, text)
    return None
