"""Transfers: sent once over a ledger, from money that was set apart, and reported as they were.

Source: docs/crypto.md.
"""

from __future__ import annotations

from itertools import groupby

from paychain.payments.money import PRICE_UNIT
from paychain.payments.rules.beyond import freed, quoted, reserved
from paychain.payments.rules.on_chain import Quoted
from paychain.payments.rules.reconciled import Finding, Reconciled
from paychain.payments.rules.rule import money_rule

_APPROVED = "approved"


@money_rule("Sent once", judged="at_any_time", beyond=None, needs="ledger")
def sent_once(payment: Reconciled) -> Finding | None:
    """One payment is transferred at most once, over all nonces, transactions and nodes.

    A transfer that was undone before the next one stood in a block is not counted. The amount of a
    finding is what was sent beyond the first.
    """
    chain = payment.on_chain
    if chain is None or len(chain.together) < 2:
        return None
    again_minor = sum(chain.amount_of(name) for name in chain.together[1:])
    text = f"sent {len(chain.together)} times: {', '.join(chain.together)}"
    return Finding.of(payment, again_minor, text)


@money_rule("No payout without funding", judged="at_any_time", beyond=reserved, needs="ledger")
def no_payout_without_funding(payment: Reconciled) -> Finding | None:
    """A payout is reserved before it is signed, and all reservations never exceed the funding.

    What was spent counts as well: it is no longer there.
    """
    chain = payment.on_chain
    if chain is None or chain.kind == "deposit":
        return None
    begun = [
        at_ns
        for transaction in chain.transactions
        for at_ns in (transaction.signed_ns, transaction.mined_ns)
        if at_ns is not None
    ]
    first_ns = min((at_ns for at_ns, _ in chain.reserved), default=None)
    if begun and (first_ns is None or min(begun) < first_ns):
        text = f"{payment.money(payment.amount_minor)} sent with nothing reserved for it"
        return Finding.of(payment, payment.amount_minor, text)
    if chain.funded is not None and chain.funded[0] > chain.funded[1]:
        taken, funding = map(payment.money, chain.funded)
        beyond_minor = min(payment.amount_minor, chain.funded[0] - chain.funded[1])
        return Finding.of(payment, beyond_minor, f"{taken} reserved of a funding of {funding}")
    return None


@money_rule("Reservation kept until dead", judged="at_any_time", beyond=freed, needs="ledger")
def reservation_kept_until_dead(payment: Reconciled) -> Finding | None:
    """A reservation is freed only when its transfer can no longer be made.

    What a wallet has signed can be mined at any time from then on: a time-out says nothing. Only
    what a block has as a failed transfer is over.
    """
    chain = payment.on_chain
    if chain is None or not chain.freed:
        return None
    open_then = chain.open_at(min(at_ns for at_ns, _ in chain.freed))
    if not open_then:
        return None
    freed_minor = sum(amount_minor for _, amount_minor in chain.freed)
    names = ", ".join(transaction.name for transaction in open_then)
    text = f"{payment.money(freed_minor)} freed although {names} was signed"
    return Finding.of(payment, freed_minor, text)


@money_rule("Reported once and right", judged="at_the_end", beyond=None, needs="reports")
def reported_once_and_right(payment: Reconciled) -> Finding | None:
    """What the customer sees last is what the books say, and nothing final is taken back.

    The books are the ledger's, or the banks'. Pending is not a final word. A payout or transfer
    that was made is reported as such in the end.
    """
    evidence = payment.on_chain or payment.transfer
    if evidence is None:
        return None
    last = evidence.reported[-1] if evidence.reported else ""
    changes = [word for word, _ in groupby(evidence.reported)]
    saw = f"the customer saw {', then '.join(changes) or 'no outcome'}"
    if len(changes) > 1:
        return Finding.of(payment, payment.amount_minor, saw)
    if payment.transfer is not None and payment.transfer.is_unbalanced:
        return None  # a finding of its own, whatever was reported
    if evidence.made and last != _APPROVED:
        return Finding.of(payment, payment.amount_minor, f"{evidence.made} stands, and {saw}")
    # That an approval has no money behind it is a finding of its own, and so is what was taken for
    # nothing, or credited for nothing.
    chain = payment.on_chain
    has_cause = payment.lacks_money or (
        chain is not None and (chain.credited or (chain.kind == "purchase" and chain.spent))
    )
    if not evidence.made and last == _APPROVED and not has_cause:
        return Finding.of(payment, payment.amount_minor, f"{saw}, and no transfer stands")
    return None


@money_rule("Sequence without gaps", judged="at_the_end", beyond=None, needs="ledger")
def sequence_without_gaps(payment: Reconciled) -> Finding | None:
    """What a wallet signed is in a block in the end: a nonce that is left out holds all later ones.

    What was reverted is in one, too. The amount of a finding is what was never transferred; where
    another transfer of the payment was, it is 0.
    """
    chain = payment.on_chain
    if chain is None:
        return None
    used = {each.first for each in chain.transactions if each.is_in_block}
    left = {each.first: each.name for each in chain.transactions if each.first not in used}
    missing = list(left.values())
    if not missing:
        return None
    amount_minor = 0 if chain.standing else payment.amount_minor
    return Finding.of(payment, amount_minor, f"signed and never mined: {', '.join(missing)}")


@money_rule("Legs balance", judged="at_the_end", beyond=None, needs="ledger")
def legs_balance(payment: Reconciled) -> Finding | None:
    """What was spent of the funding, or captured of a card, is what the payee got.

    A transfer that was made twice, or one whose reservation was freed, is a finding of its own.
    What comes in has a rule of its own, too.
    """
    chain = payment.on_chain
    if chain is None or chain.kind == "deposit" or len(chain.standing) > 1 or chain.freed:
        return None
    given_minor = sum(transaction.amount_minor for transaction in chain.standing)
    taken_minor = sum(amount_minor for _, amount_minor in chain.spent)
    if given_minor == taken_minor:
        return None
    given, taken = payment.money(given_minor), payment.money(taken_minor)
    payer = "card" if chain.kind == "purchase" else "funding"
    text = f"the payee got {given}, the {payer} paid {taken}"
    return Finding.of(payment, abs(given_minor - taken_minor), text)


@money_rule("Quote kept", judged="at_any_time", beyond=quoted, needs="quotes")
def quote_kept(payment: Reconciled) -> Finding | None:
    """What is sold at a quote was paid while the quote held.

    A hold that was released again paid for nothing.
    """
    chain = payment.on_chain
    if chain is None or chain.held_ns is None or not chain.transactions:
        return None
    before = [quoted for quoted in chain.quoted if quoted.at_ns <= chain.held_ns]
    holds_ns = payment.quote_times.get(before[-1].link) if before else None
    if holds_ns is None or chain.held_ns - before[-1].at_ns <= holds_ns:
        return None
    took_s, holds_s = (chain.held_ns - before[-1].at_ns) / 1e9, holds_ns / 1e9
    text = f"{before[-1].link} sold at a quote that was paid after {took_s:.1f} s"
    return Finding.of(payment, payment.amount_minor, f"{text}; it was valid for {holds_s:g} s")


def _sold_at(payment: Reconciled) -> Quoted | None:
    """The quote that something was sold at; None where nothing was."""
    chain = payment.on_chain
    return chain.quoted[-1] if chain and chain.quoted and chain.transactions else None


@money_rule("No stale price", judged="at_any_time", beyond=quoted, needs="prices")
def no_stale_price(payment: Reconciled) -> Finding | None:
    """Nothing is sold at a price that is older than its link allows.

    A price that the payment was declined at, or never used, is none.
    """
    used = _sold_at(payment)
    if used is None:
        return None
    max_age_ns = payment.price_ages.get(used.link)
    age_ns = used.at_ns - used.since_ns
    if max_age_ns is None or age_ns <= max_age_ns:
        return None
    text = f"{used.link} sold at a price that was {age_ns / 1e9:.1f} s old"
    return Finding.of(payment, payment.amount_minor, f"{text}; its limit is {max_age_ns / 1e9:g} s")


@money_rule("Price within bounds", judged="at_any_time", beyond=quoted, needs="price bounds")
def price_within_bounds(payment: Reconciled) -> Finding | None:
    """Nothing is sold at a price outside the bounds that its link declares, however new it is.

    A price that the payment was declined at, or never used, is none.
    """
    used = _sold_at(payment)
    if used is None:
        return None
    lowest, highest = payment.price_bounds.get(used.link, (used.price, used.price))
    if lowest <= used.price <= highest:
        return None
    price, least, most = (each / PRICE_UNIT for each in (used.price, lowest, highest))
    text = f"{used.link} sold at a price of {price:g}; its bounds are {least:g} and {most:g}"
    return Finding.of(payment, payment.amount_minor, text)
