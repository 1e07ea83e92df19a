"""Every payment beside every link's book, after the drain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from paychain.analysis.measures.measures import Money, MoneyFinding, MoneyRule, UnknownCall
from paychain.analysis.money.fingerprints import is_plain, stories_to_judge
from paychain.analysis.money.orders import Orders, orders_of_several, wrong_minor
from paychain.analysis.money.parties import Parties
from paychain.analysis.store.store import RunStore, Story
from paychain.model.chain import Chain
from paychain.payments.codes import PARTIAL_APPROVAL
from paychain.payments.journal import (
    DecisionKind,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
)
from paychain.payments.money import parts_of, to_minor, written
from paychain.payments.outcome import Outcome
from paychain.payments.rules import AT_ANY_TIME, RULES, Finding, Reconciled, StoodIn, authorisations
from paychain.payments.rules.follow_ups import follow_ups
from paychain.payments.rules.on_chain import ON_LEDGERS, Funded, funded_by, on_chain
from paychain.payments.rules.own_traces import (
    done_again,
    lost_webhooks,
    merchants_book,
    opened_by_own,
    reused_keys,
    unsigned_webhooks,
)
from paychain.payments.rules.traces import (
    approved_by,
    knows_original,
    opened,
    presentations,
    renamed,
    unauthenticated,
    unresolved,
)

EXAMPLES = 100  # findings of one rule that are listed
MAX_UNKNOWN = 10  # calls of unknown outcome that are listed for one rule
_REPORTS = frozenset({"notify", "dispute"})  # of what happened: no money depends on their answer
# Rules that an approved payment breaks when what should have followed it never did.
COMPLETION = frozenset({"authorisations_settled", "completed"})


class Moves(Protocol):
    """Where movements are recorded."""

    def movements(self, kind: MovementKind) -> Iterator[Movement]:
        """All movements of one kind, in the order they happened."""


StandInOrder = dict[str, tuple[int, int]]
"""By reference: which stand-in of its link it is, and which of the link and the card."""


def stand_in_order(
    movements: Iterable[Movement], payments: Iterable[PaymentRecord], parties: Parties
) -> StandInOrder:
    """Which of a link's stand-ins each is; `movements` in the order they happened."""
    if not parties.stand_in:
        return {}
    stood_in = [
        move
        for move in movements
        if move.kind is MovementKind.STOOD_IN and move.link in parties.stand_in
    ]
    if not stood_in:
        return {}
    paid_by = {move.payment for move in stood_in}
    instruments = {paid.payment: paid.instrument for paid in payments if paid.payment in paid_by}
    counts: Counter[tuple[str, ...]] = Counter()
    order: StandInOrder = {}
    for move in stood_in:
        keys = ((move.link,), (move.link, instruments.get(move.payment, move.payment)))
        counts.update(keys)
        order[move.reference] = (counts[keys[0]], counts[keys[1]])
    return order


def funded(store: Moves, parties: Parties) -> Funded:
    """What every reservation added up to; empty in a chain without payouts."""
    if not parties.funding:
        return {}
    kinds = (MovementKind.RESERVED, MovementKind.FREED)
    moves = [move for kind in kinds for move in store.movements(kind)]
    return funded_by(sorted(moves, key=lambda move: move.at_ns), parties.funding)


def _stood_in(story: Story, parties: Parties, order: StandInOrder) -> Iterator[StoodIn]:
    for move in story.movements:
        limits = parties.stand_in.get(move.link)
        if move.kind is not MovementKind.STOOD_IN or limits is None:
            continue
        nth, nth_of_card = order.get(move.reference, (1, 1))
        up_to_minor = to_minor(str(limits.up_to), parties.currency)
        yield StoodIn(
            link=move.link,
            reference=move.reference,
            amount_minor=move.amount_minor,
            nth=nth,
            nth_of_card=nth_of_card,
            up_to_minor=up_to_minor,
            most=limits.most,
            per_card=limits.per_card,
        )


def _beyond_limits(story: Story, parties: Parties, amount_minor: int) -> Iterator[str]:
    """Fallbacks that went beyond what is declared for them, in words."""
    queued_ns: dict[tuple[str, str, int], int] = {}
    # Of a payment by several means a link stores its part.
    stored_minor: dict[str, int] = {}
    for move in story.movements:
        if move.kind is MovementKind.STORED:
            stored_minor[move.link] = max(stored_minor.get(move.link, 0), move.amount_minor)
    for decision in story.decisions:
        of_attempt = (decision.link, decision.operation, decision.attempt)
        limit = parties.limits.get((decision.link, decision.operation, decision.kind))
        if limit is not None:
            asked_minor = amount_minor
            if decision.kind is DecisionKind.QUEUE:
                asked_minor = stored_minor.get(decision.link, amount_minor)
            if limit.up_to_minor is not None and asked_minor > limit.up_to_minor:
                up_to = written(limit.up_to_minor, parties.currency)
                verb = decision.kind.value
                yield f"{decision.link} used {verb} on {decision.operation}, its limit is {up_to}"
            if decision.kind is DecisionKind.QUEUE:
                queued_ns[of_attempt] = decision.at_ns
        elif decision.kind is DecisionKind.QUEUE_DELIVERED and of_attempt in queued_ns:
            queue = parties.limits[(decision.link, decision.operation, DecisionKind.QUEUE)]
            kept_s = (decision.at_ns - queued_ns[of_attempt]) / 1e9
            if queue.within_s is not None and kept_s > queue.within_s:
                yield f"{decision.link} delivered what it had stored for {kept_s:.1f} s"


def _tenders(story: Story, parties: Parties, amount_minor: int) -> dict[tuple[str, str], int]:
    """The part of a payment that each gateway asks each link for; empty for one means."""
    callers = {hop.caller for hop in story.hops} if parties.tenders else set()
    found: dict[tuple[str, str], int] = {}
    for caller, call in parties.tenders.items():
        if caller not in callers:
            continue
        *shared, rest = parts_of(amount_minor, [share for _, share in call.shared_tenders])
        found |= {(caller, target): rest for target in call.alternatives}
        for (target, _), minor in zip(call.shared_tenders, shared, strict=True):
            found[caller, target] = minor
    return found


def reconcile(
    story: Story,
    parties: Parties,
    order: StandInOrder | None = None,
    reservations: Funded | None = None,
) -> Reconciled:
    """One payment's value for the rules. Without a customer's record nothing is known as wanted.

    What moves on a ledger is not an authorisation: it stands apart.
    """
    customer = story.customer
    movements: Sequence[Movement] = story.movements
    if "ledger" in parties.has:
        movements = [move for move in movements if move.kind not in ON_LEDGERS]
    found = authorisations(movements, renamed(story.decisions, movements))
    if customer is None:
        return Reconciled(
            payment=story.payment,
            amount_minor=0,
            currency=parties.currency,
            shown_approved=False,
            authorisations=found,
            settling=parties.settling,
            is_known=False,
        )
    calls = [hop for hop in story.hops if hop.operation == "authorise"]
    queries = [hop for hop in story.hops if hop.operation == "query"]
    for entry in found:
        path = list(approved_by(entry, calls))
        links = {link for hop in path for link in (hop.caller, hop.callee)}
        entry.path = frozenset(links - parties.without_book)
        # Where the answer was lost, a query brought it.
        answers = [*path, *(hop for hop in queries if hop.attempt == entry.attempt)]
        entry.is_partial = any(hop.code == PARTIAL_APPROVAL for hop in answers)
    callers = {hop.caller for hop in story.hops} if parties.accept_partial else set()
    return Reconciled(
        payment=customer.payment,
        amount_minor=customer.amount_minor,
        currency=customer.currency,
        shown_approved=customer.outcome is Outcome.APPROVED,
        knows_original=knows_original(customer, story.decisions),
        authorisations=found,
        settling=parties.settling,
        merchants=parties.merchants,
        asking=parties.merchants & {hop.caller for hop in calls} - parties.without_book,
        creditors=parties.creditors,
        overcapture=parties.overcapture,
        tenders=_tenders(story, parties, customer.amount_minor),
        order=customer.order,
        order_minor=customer.order_minor,
        price_ages=parties.price_ages,
        quote_times=parties.quote_times,
        shown_minor=customer.approved_minor,
        scheme=customer.scheme,
        # A provider's account has a name of its own, which only the merchant's service knows.
        merchant="" if parties.has_accounts else customer.merchant,
        instrument=customer.instrument,
        gives_parts=parties.gives_parts,
        accepts_partial=bool(callers & parties.accept_partial),
        presentations=presentations(customer, story.hops, parties.presented_to),
        unresolved=list(unresolved(story.hops, story.decisions)),
        unauthenticated=list(unauthenticated(story.hops)),
        opened=[
            *(opened(story.hops, story.decisions, parties.closed) if parties.closed else ()),
            *(opened_by_own(story.hops, parties.own_closed) if parties.own_closed else ()),
        ],
        follow_ups=follow_ups(story.decisions),
        stood_in=list(_stood_in(story, parties, order or {})) if parties.stand_in else (),
        beyond_limits=list(_beyond_limits(story, parties, customer.amount_minor))
        if parties.limits
        else (),
        on_chain=on_chain(
            customer,
            story.movements,
            story.decisions,
            reservations,
            settling=parties.settling,
            scale=parties.scale,
        )
        if "ledger" in parties.has
        else None,
        **(_of_own_services(story, customer, parties) if parties.without_book else {}),
    )


def _of_own_services(story: Story, customer: PaymentRecord, parties: Parties) -> dict[str, Any]:
    """What only a payment at the user's own services has."""
    return {
        "shown_declined": customer.outcome is Outcome.DECLINED,
        "book": merchants_book(story.decisions),
        "done_again": list(done_again(story.decisions)),
        "reused_keys": list(reused_keys(story.decisions)),
        "unsigned_webhooks": list(unsigned_webhooks(story.hops, story.decisions)),
        "lost_webhooks": list(lost_webhooks(story.decisions, parties.without_book)),
    }


@dataclass
class _Tally:
    """One rule's findings so far."""

    count: int = 0
    amount: int = 0
    listed: list[MoneyFinding] = field(default_factory=list)
    unknown: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, finding: Finding, unknown: Iterable[tuple[str, ...]]) -> None:
        """One more payment that broke the rule, with its calls of unknown outcome."""
        self.count += 1
        self.amount += finding.amount_minor
        self.unknown.update(unknown)
        if len(self.listed) < EXAMPLES:
            self.listed.append(
                MoneyFinding(
                    finding.payment, finding.amount_minor, finding.text, list(finding.references)
                )
            )


def _unknown_calls(hops: Iterable[HopRecord]) -> set[tuple[str, ...]]:
    """The calls whose outcome their caller did not learn, as the fields of `UnknownCall`."""
    return {
        (hop.caller, hop.operation, hop.callee, hop.result.value, hop.code)
        for hop in hops
        if hop.result.leaves_unknown and hop.operation not in _REPORTS
    }


def _unknown_of(store: RunStore, judged: Reconciled, story: Story) -> set[tuple[str, ...]]:
    """Those of a payment, or of all payments of an order. `story`: the newest of them."""
    found = _unknown_calls(story.hops)
    for payment in judged.payments:
        if payment != story.payment:
            found |= _unknown_calls(store.story(payment).hops)
    return found


def money(
    store: RunStore, chain: Chain, *, is_final: bool = True, pending: Sequence[str] = ()
) -> Money:
    """All rules about payments judged over all of them, one at a time, and each link's totals.

    `is_final`: the run was drained. Otherwise rules about what is left in the end are not judged;
    neither are they for the payments that were still `pending` after the drain.
    """
    undecided = frozenset(pending)
    parties = Parties.of(chain)
    order = stand_in_order(
        store.movements(MovementKind.STOOD_IN), store.rows(PaymentRecord), parties
    )
    reservations = funded(store, parties)
    tallies: dict[str, _Tally] = {name: _Tally() for name in RULES}
    sound: set[str] = set()
    orders = Orders(orders_of_several(store))
    wrong = uncompleted = 0
    for story, fingerprint in stories_to_judge(store, sound, orders):
        payment = reconcile(story, parties, order, reservations)
        is_decided = is_final and story.payment not in undecided
        for judged, broken in orders.judge(payment, is_final=is_decided):
            unknown = _unknown_of(store, judged, story) if broken else set()
            for name, finding in broken.items():
                tallies[name].add(finding, unknown)
                store.keep(finding.payment)
            wrong += wrong_minor(broken)
            is_measured = story.customer is not None and not story.customer.warm_up
            if is_measured and judged.shown_approved and broken.keys() & COMPLETION:
                uncompleted += 1
            if not payment.is_known:
                store.keep(payment.payment)
            # A payment that was not judged by every rule says nothing about those with its records,
            # unless none of them is.
            elif (
                fingerprint
                and not broken
                and is_decided == is_final
                and judged is payment
                and is_plain(story)
            ):
                sound.add(fingerprint)
    rules = [
        MoneyRule(
            rule=name,
            title=rule.title,
            findings=tallies[name].count,
            amount=tallies[name].amount,
            payments=tallies[name].listed,
            is_judged=is_final or name in AT_ANY_TIME,
            undecided=len(undecided) if is_final and name not in AT_ANY_TIME else 0,
            unknown=[
                UnknownCall(
                    caller=caller,
                    operation=operation,
                    callee=callee,
                    result=result,
                    code=code,
                    payments=payments,
                )
                for (caller, operation, callee, result, code), payments in tallies[
                    name
                ].unknown.most_common(MAX_UNKNOWN)
            ],
        )
        for name, rule in RULES.items()
        if rule.needs in parties.has
    ]
    return Money(
        rules=rules,
        books=_books(store, chain),
        wrong=wrong,
        uncompleted=uncompleted if is_final else None,
        undecided=len(undecided),
        undecided_payments=sorted(undecided)[:EXAMPLES],
    )


def unjudged(store: RunStore, chain: Chain, why: str) -> Money:
    """What the books say as far as they are known, and no rule judged by them."""
    parties = Parties.of(chain)
    rules = [
        MoneyRule(rule=name, title=rule.title, findings=0, amount=0, payments=[], is_judged=False)
        for name, rule in RULES.items()
        if rule.needs in parties.has
    ]
    return Money(rules=rules, books=_books(store, chain), wrong=0, unjudged=why)


def _books(store: RunStore, chain: Chain) -> dict[str, dict[str, int]]:
    """What each link's book adds up to, by kind of movement."""
    books: dict[str, dict[str, int]] = {name: {} for name in chain.links}
    for total in store.totals(Movement):
        link, kind, _ = total.alike
        if link in books:
            books[link][kind] = books[link].get(kind, 0) + total.amount_minor
    return {link: mine for link, mine in books.items() if mine}
