"""Every payment beside every link's book, after the drain."""

from __future__ import annotations

from collections import defaultdict

from harness.analysis.measured import Money, MoneyFinding, MoneyRule
from harness.analysis.store import RunStore
from harness.model.chain import Chain
from harness.payments.journal import HopRecord, Movement, PaymentRecord
from harness.payments.outcome import HopResult, Outcome
from harness.payments.rules import RULES, Reconciled, authorisations

EXAMPLES = 100  # findings of one rule that are listed


def reconcile(store: RunStore, chain: Chain) -> list[Reconciled]:
    """One value per payment the customer made."""
    issuers = frozenset(name for name, link in chain.links.items() if link.role == "issuer")
    movements: dict[str, list[Movement]] = defaultdict(list)
    for move in store.rows(Movement):
        movements[move.payment].append(move)
    # Who approved an attempt towards whom: those links must have it in their books.
    approved: dict[tuple[str, int], set[str]] = defaultdict(set)
    for hop in store.rows(HopRecord):
        if hop.operation == "authorise" and hop.result is HopResult.APPROVED:
            approved[hop.payment, hop.attempt].update((hop.caller, hop.callee))
    reconciled = []
    for payment in store.rows(PaymentRecord):
        moves = movements[payment.payment]
        attempts = {move.reference: move.attempt for move in moves}
        found = authorisations(moves)
        for one in found:
            one.path = frozenset(approved[payment.payment, attempts[one.reference]])
        reconciled.append(
            Reconciled(
                payment.payment, payment.amount_minor, payment.currency,
                payment.outcome is Outcome.APPROVED, found, issuers,
            )
        )  # fmt: skip
    return reconciled


def money(store: RunStore, chain: Chain) -> Money:
    """All money rules judged over all payments, and each link's totals."""
    payments = reconcile(store, chain)
    rules = []
    for name, (title, rule) in RULES.items():
        findings = [found for payment in payments if (found := rule(payment)) is not None]
        listed = [
            MoneyFinding(one.payment, one.amount_minor, one.text, list(one.references))
            for one in findings[:EXAMPLES]
        ]
        amount = sum(one.amount_minor for one in findings)
        rules.append(MoneyRule(name, title, len(findings), amount, listed))
    books: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for move in store.rows(Movement):
        books[move.link][move.kind.value] += move.amount_minor
    plain = {link: dict(books[link]) for link in chain.links if link in books}
    return Money(rules, plain, sum(rule.amount for rule in rules))
