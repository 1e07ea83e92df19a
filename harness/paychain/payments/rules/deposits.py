"""Deposits over a ledger: credited once, for a transfer that there is and that stays.

Source: docs/crypto.md.
"""

from __future__ import annotations

from collections import Counter

from paychain.payments.rules.beyond import credited
from paychain.payments.rules.reconciled import Finding, Reconciled
from paychain.payments.rules.rule import money_rule


@money_rule("Credited once", judged="at_any_time", beyond=None, needs="deposits")
def credited_once(payment: Reconciled) -> Finding | None:
    """A transfer to the exchange is credited once, in however many blocks it was seen."""
    chain = payment.on_chain
    if chain is None:
        return None
    times = Counter(credit.name for credit in chain.credited)
    again = [name for name, number in times.items() if number > 1]
    if not again:
        return None
    all_minor = sum(credit.amount_minor for credit in chain.credited)
    firsts = {credit.name: credit.amount_minor for credit in reversed(chain.credited)}
    text = ", ".join(f"{name} credited {times[name]} times" for name in again)
    return Finding.of(payment, all_minor - sum(firsts.values()), text)


@money_rule("No credit before it is final", judged="at_any_time", beyond=credited, needs="deposits")
def no_credit_before_final(payment: Reconciled) -> Finding | None:
    """Nothing is credited while its transfer can still be undone.

    A credit whose block was replaced afterwards came too early, whether the transfer was mined once
    more or not: until then its customer could have withdrawn money that was not there.
    """
    chain = payment.on_chain
    if chain is None:
        return None
    for credit in chain.credited:
        transaction = chain.transaction(credit.name)
        if transaction is None or not transaction.stood_at(credit.at_ns):
            continue
        if any(undone_ns >= credit.at_ns for undone_ns in transaction.undone_ns):
            text = f"{payment.money(credit.amount_minor)} credited for {credit.name}"
            return Finding.of(payment, credit.amount_minor, f"{text}, which was undone afterwards")
    return None


@money_rule("No credit without a transfer", judged="at_any_time", beyond=credited, needs="deposits")
def no_credit_without_transfer(payment: Reconciled) -> Finding | None:
    """Whatever is credited, a block has a transfer of that amount at that moment.

    The amount of a finding is what was credited beyond it.
    """
    chain = payment.on_chain
    if chain is None:
        return None
    for credit in chain.credited:
        transaction = chain.transaction(credit.name)
        is_there = transaction is not None and transaction.stood_at(credit.at_ns)
        there_minor = transaction.amount_minor if transaction is not None and is_there else 0
        if credit.amount_minor > there_minor:
            text = f"{payment.money(credit.amount_minor)} credited for {credit.name}"
            text += f", which was {payment.money(there_minor)}" if is_there else ", in no block"
            return Finding.of(payment, credit.amount_minor - there_minor, text)
    return None


@money_rule("Deposits are credited", judged="at_the_end", beyond=None, needs="deposits")
def deposits_credited(payment: Reconciled) -> Finding | None:
    """What an exchange got and keeps is credited to who sent it."""
    chain = payment.on_chain
    if chain is None or chain.kind != "deposit":
        return None
    known = {credit.name for credit in chain.credited}
    missing = [each for each in chain.standing if each.name not in known]
    if not missing:
        return None
    text = f"never credited: {', '.join(each.name for each in missing)}"
    return Finding.of(payment, sum(each.amount_minor for each in missing), text)
