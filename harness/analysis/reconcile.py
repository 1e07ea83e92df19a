"""Every payment beside every link's book, after the drain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.analysis.leaks import no_card_number_in_a_file
from harness.analysis.measured import Money, MoneyFinding, MoneyRule
from harness.analysis.outlines import is_plain, remember, unlike
from harness.analysis.store import RunStore, Story
from harness.model.chain import Chain
from harness.model.fallback import StandIn, StandInLimits
from harness.payments.codes import PARTIAL_APPROVAL
from harness.payments.journal import Movement, MovementKind, PaymentRecord
from harness.payments.money import to_minor
from harness.payments.outcome import HopResult, Outcome
from harness.payments.rules import AT_ANY_TIME, RULES, Finding, Reconciled, StoodIn, authorisations
from harness.payments.rules.evidence import (
    presentations,
    unauthenticated,
    unresolved,
    unsettled,
)

EXAMPLES = 100  # findings of one rule that are listed


@dataclass(frozen=True)
class Parties:
    """Which links of a chain play which part for its money."""

    issuers: frozenset[str]
    gateways: frozenset[str]
    presented_to: frozenset[str]  # who counts as the scheme a card is presented to
    stand_in: dict[str, StandInLimits]  # by the link that may stand in
    currency: str

    @classmethod
    def of(cls, chain: Chain) -> Parties:
        """By the roles of the links; without a scheme, cards are presented to the issuer."""

        def those(role: str) -> frozenset[str]:
            return frozenset(name for name, link in chain.links.items() if link.role == role)

        issuers = those("issuer")
        limits = {
            name: step.stand_in
            for name, link in chain.links.items()
            for call in link.calls.values()
            for step in call.fallback
            if isinstance(step, StandIn)
        }
        return cls(issuers, those("gateway"), those("scheme") or issuers, limits, chain.currency)


Order = dict[str, tuple[int, int]]  # reference: n-th stand-in of its link, and of link and card


def stand_in_order(
    movements: Iterable[Movement], payments: Iterable[PaymentRecord], parties: Parties
) -> Order:
    """Which of a link's stand-ins each is; `movements` in the order they happened."""
    if not parties.stand_in:
        return {}
    stood_in = [
        move
        for move in movements
        if move.kind is MovementKind.STOOD_IN and move.link in parties.stand_in
    ]
    paid_by = {move.payment for move in stood_in}
    cards = {one.payment: one.card for one in payments if one.payment in paid_by}
    counts: Counter[tuple[str, ...]] = Counter()
    order: Order = {}
    for move in stood_in:
        keys = ((move.link,), (move.link, cards.get(move.payment, move.payment)))
        counts.update(keys)
        order[move.reference] = (counts[keys[0]], counts[keys[1]])
    return order


def _stood_in(story: Story, parties: Parties, order: Order) -> Iterator[StoodIn]:
    for move in story.movements:
        limits = parties.stand_in.get(move.link)
        if move.kind is not MovementKind.STOOD_IN or limits is None:
            continue
        nth, nth_of_card = order.get(move.reference, (1, 1))
        up_to_minor = to_minor(str(limits.up_to), parties.currency)
        yield StoodIn(move.link, move.reference, move.amount_minor, nth, nth_of_card, up_to_minor,
                      limits.most, limits.per_card)  # fmt: skip


def reconcile(story: Story, parties: Parties, order: Order | None = None) -> Reconciled | None:
    """One payment's value for the rules; None when the customer's side has no record of it."""
    customer = story.customer
    if customer is None:
        return None
    found = authorisations(story.movements)
    for one in found:
        path: set[str] = set()
        for hop in story.hops:
            is_approval = hop.operation == "authorise" and hop.result is HopResult.APPROVED
            if is_approval and hop.attempt == one.attempt:
                path.update((hop.caller, hop.callee))
                one.is_partial = one.is_partial or hop.code == PARTIAL_APPROVAL
        one.path = frozenset(path)
    return Reconciled(
        customer.payment, customer.amount_minor, customer.currency,
        customer.outcome is Outcome.APPROVED, found, parties.issuers, parties.gateways,
        customer.approved_minor, customer.scheme,
        presentations(customer, story.hops, parties.presented_to),
        list(unresolved(story.hops, story.decisions)),
        list(unauthenticated(story.hops)),
        list(unsettled(story.decisions)),
        list(_stood_in(story, parties, order or {})) if parties.stand_in else (),
    )  # fmt: skip


@dataclass
class _Tally:
    """One rule's findings so far."""

    count: int = 0
    amount: int = 0
    listed: list[MoneyFinding] = field(default_factory=list)

    def add(self, one: Finding) -> None:
        """One more payment that broke the rule."""
        self.count += 1
        self.amount += one.amount_minor
        if len(self.listed) < EXAMPLES:
            self.listed.append(
                MoneyFinding(one.payment, one.amount_minor, one.text, list(one.references))
            )


def money(store: RunStore, chain: Chain, *, is_final: bool = True) -> Money:
    """All money rules judged over all payments, one at a time, and each link's totals.

    `is_final`: the run was drained. Otherwise rules about what is left in the end are not judged.
    """
    parties = Parties.of(chain)
    order = stand_in_order(store.rows(Movement, "at_ns"), store.rows(PaymentRecord), parties)
    tallies: dict[str, _Tally] = {name: _Tally() for name in RULES}
    judged = {name: rule for name, (_, rule) in RULES.items() if is_final or name in AT_ANY_TIME}
    sound: set[str] = set()
    wrong = 0
    for story, outline in unlike(store, sound):
        payment = reconcile(story, parties, order)
        if payment is None:
            store.keep(story.payment)
            continue
        findings = [(name, found) for name, rule in judged.items() if (found := rule(payment))]
        for name, finding in findings:
            tallies[name].add(finding)
            store.keep(finding.payment)
        # Money is wrong once, however many rules say so.
        wrong += max((finding.amount_minor for _, finding in findings), default=0)
        if not findings and is_plain(story):
            remember(sound, outline)
    rules = [
        MoneyRule(
            name,
            title,
            tallies[name].count,
            tallies[name].amount,
            tallies[name].listed,
            name in judged,
        )
        for name, (title, _) in RULES.items()
    ]
    if store.folder is not None:
        rules.append(no_card_number_in_a_file(store.folder))
    return Money(rules, _books(store, chain), wrong)


def _books(store: RunStore, chain: Chain) -> dict[str, dict[str, int]]:
    """What each link's book adds up to, by kind of movement."""
    books: dict[str, dict[str, int]] = {name: {} for name in chain.links}
    for total in store.totals(Movement):
        link, kind, _ = total.alike
        if link in books:
            books[link][kind] = books[link].get(kind, 0) + total.amount_minor
    return {link: mine for link, mine in books.items() if mine}
