"""Every payment beside every link's book, after the drain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from paychain.analysis.money.parties import Parties
from paychain.analysis.store.store import RecordedPayment
from paychain.model.operations import CUSTOMER
from paychain.payments.codes import PARTIAL_APPROVAL
from paychain.payments.journal import (
    DecisionKind,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
)
from paychain.payments.money import parts_of, to_minor, written
from paychain.payments.outcome import HopResult, Outcome
from paychain.payments.rules import Reconciled, StoodIn, authorisations
from paychain.payments.rules.account_transfer import BESIDE_ACCOUNTS, account_transfer
from paychain.payments.rules.authorisation import Authorisation
from paychain.payments.rules.follow_ups import follow_ups
from paychain.payments.rules.on_chain import ON_LEDGERS, Funded, OnChain, funded_by, on_chain
from paychain.payments.rules.own_traces import (
    done_again,
    is_taken_back,
    lost_webhooks,
    merchants_book,
    opened_by_own,
    reused_keys,
    unsigned_webhooks,
)
from paychain.payments.rules.position import REPEAT
from paychain.payments.rules.queries import queried_beyond
from paychain.payments.rules.traces import (
    approved_by,
    knows_original,
    opened,
    presentations,
    renamed,
    unauthenticated,
    unresolved,
)


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


def _stood_in(story: RecordedPayment, parties: Parties, order: StandInOrder) -> Iterator[StoodIn]:
    if not parties.stand_in:
        return
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


def _beyond_limits(story: RecordedPayment, parties: Parties, amount_minor: int) -> Iterator[str]:
    """Fallbacks that went beyond what is declared for them, in words."""
    if not parties.limits:
        return
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
                used = f"{decision.link} used {verb} on {decision.operation}"
                yield f"{used} above its limit of {up_to}"
            if decision.kind is DecisionKind.QUEUE:
                queued_ns[of_attempt] = decision.at_ns
        elif decision.kind is DecisionKind.QUEUE_DELIVERED and of_attempt in queued_ns:
            queue = parties.limits[(decision.link, decision.operation, DecisionKind.QUEUE)]
            kept_s = (decision.at_ns - queued_ns[of_attempt]) / 1e9
            if queue.within_s is not None and kept_s > queue.within_s:
                limit_s = f"its limit is {queue.within_s:g} s"
                yield f"{decision.link} delivered what it had stored for {kept_s:.1f} s; {limit_s}"


def _tenders(
    story: RecordedPayment, parties: Parties, amount_minor: int
) -> dict[tuple[str, str], int]:
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
    story: RecordedPayment,
    parties: Parties,
    order: StandInOrder | None = None,
    reservations: Funded | None = None,
) -> Reconciled:
    """One payment's value for the rules. Without a customer's record nothing is known as wanted.

    What moves on a ledger, or is credited to an account, is not an authorisation: it stands apart.
    """
    customer = story.customer
    movements: Sequence[Movement] = story.movements
    if "ledger" in parties.has:
        movements = [move for move in movements if move.kind not in ON_LEDGERS]
    if "banks" in parties.has:
        movements = [move for move in movements if move.kind not in BESIDE_ACCOUNTS]
    found = authorisations(movements, renamed(story.decisions, movements))
    if customer is None:
        return _of_nobody(story, parties, found)
    calls = [hop for hop in story.hops if hop.operation == "authorise"]
    _add_answers(found, calls, story.hops, parties)
    return Reconciled(
        payment=customer.payment,
        amount_minor=customer.amount_minor,
        currency=customer.currency,
        shown_approved=customer.outcome is Outcome.APPROVED,
        knows_original=knows_original(customer, story.decisions, parties.duplicate_codes),
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
        price_bounds=parties.price_bounds,
        shown_minor=customer.approved_minor,
        scheme=customer.scheme,
        # A provider's account has a name of its own, which only the merchant's service knows.
        merchant="" if parties.providers else customer.merchant,
        instrument=customer.instrument if _gave_card(story, parties) else "",
        gives_parts=parties.gives_parts,
        accepts_partial=any(hop.caller in parties.accept_partial for hop in story.hops),
        presentations=presentations(customer, story.hops, parties.presented_to),
        unresolved=list(_unresolved(story)),
        unauthenticated=list(unauthenticated(story.hops)),
        opened=list(_opened(story, parties)),
        follow_ups=follow_ups(story.decisions),
        stood_in=list(_stood_in(story, parties, order or {})),
        beyond_limits=list(_beyond_limits(story, parties, customer.amount_minor)),
        queried_beyond=list(queried_beyond(story.hops, parties.query_limits)),
        on_chain=_on_chain(story, customer, parties, reservations),
        transfer=account_transfer(customer, story.movements, story.decisions)
        if "banks" in parties.has
        else None,
        **(_of_own_services(story, customer, parties) if parties.without_book else {}),
    )


def _gave_card(story: RecordedPayment, parties: Parties) -> bool:
    """Whether the customer said which card pays: to the service, or on a provider's page.

    Else it is the one in their wallet, or one that the service has, which nobody here knows. On
    their bank's page they only authenticate.
    """
    return parties.gives_card or any(
        decision.kind is DecisionKind.CARD_GIVEN for decision in story.decisions
    )


def _of_nobody(story: RecordedPayment, parties: Parties, found: list[Authorisation]) -> Reconciled:
    """What links did for a payment that no customer made, or whose customer left no record."""
    return Reconciled(
        payment=story.payment,
        amount_minor=0,
        currency=parties.currency,
        shown_approved=False,
        authorisations=found,
        settling=parties.settling,
        merchants=parties.merchants,
        follow_ups=follow_ups(story.decisions),
        book=merchants_book(story.decisions) if parties.without_book else None,
        is_known=False,
    )


def _unresolved(story: RecordedPayment) -> Iterator[str]:
    # What a customer did not learn on a provider's page is no unknown of a link.
    of_links = [hop for hop in story.hops if hop.caller != CUSTOMER]
    return unresolved(of_links, story.decisions)


def _add_answers(
    found: Iterable[Authorisation],
    calls: Sequence[HopRecord],
    hops: Sequence[HopRecord],
    parties: Parties,
) -> None:
    """Add to each authorisation which links its approval passed, and whether it was for a part."""
    found = list(found)
    queries = [hop for hop in hops if hop.operation == "query"]
    for entry in found:
        path = list(approved_by(entry, calls))
        # Whom a book names as having approved it has it, too: also where only a query said so.
        links = {link for hop in path for link in (hop.caller, hop.callee)} | entry.deciders
        if not parties.settling.isdisjoint(entry.positions):
            links |= set(_answered_unbooked(entry, hops, parties.settling))
        # A customer who pays on a provider's page keeps no book, either.
        links -= parties.without_book | {CUSTOMER}
        entry.path = frozenset(links - _booked_another(entry, found))
        # Where the answer was lost, a query brought it.
        answers = [*path, *(hop for hop in queries if hop.attempt == entry.attempt)]
        if any(position.is_stored for position in entry.positions.values()):
            # What was stored is approved, maybe in part, when it is delivered, as a later attempt.
            answers += [hop for hop in calls if _is_delivery(hop, entry)]
        if not path:
            # Its decider was never asked for it: by a trace number a link in front took it for a
            # repeat of another payment, and answered with what was approved of that.
            answers += [hop for hop in calls if _is_answer_to_booker(hop, entry)]
        entry.is_partial = any(hop.code == PARTIAL_APPROVAL for hop in answers)


def _answered_unbooked(
    entry: Authorisation, hops: Iterable[HopRecord], settling: frozenset[str]
) -> Iterator[str]:
    """The links that approved it to one that has booked it, and asked nobody who has.

    A wrong answer makes an approval of what was declined behind, or never answered. Which of its
    calls a link was approved by, their numbers do not always tell.
    """
    approved: dict[str, HopRecord] = {}  # the last one, by who asked
    has_asked: set[str] = set()  # links that have booked it
    for hop in hops:
        if hop.callee in entry.positions and hop.operation in ("authorise", "query", "advise"):
            has_asked.add(hop.caller)
        is_asked = hop.operation in ("authorise", "query") and hop.attempt <= entry.attempt
        if is_asked and hop.result is HopResult.APPROVED:
            approved[hop.caller] = hop
    for booker, position in entry.positions.items():
        # Who settles, or approves in a bank's place, has it of nobody.
        is_alone = booker in settling or position.is_stored or position.stood_in
        if booker in approved and booker not in has_asked and not is_alone:
            yield approved[booker].callee


def _is_delivery(hop: HopRecord, entry: Authorisation) -> bool:
    """Whether both ends of a call, from the attempt of an authorisation on, have that booked."""
    return hop.attempt >= entry.attempt and {hop.caller, hop.callee} <= entry.positions.keys()


def _is_answer_to_booker(hop: HopRecord, entry: Authorisation) -> bool:
    """Whether a link that has booked an authorisation was answered by this call of its attempt."""
    return hop.attempt == entry.attempt and hop.caller in entry.positions


def _booked_another(entry: Authorisation, found: Iterable[Authorisation]) -> set[str]:
    """The links that have another execution of the same request in their books, and not this one.

    A link without keys has carried it out more than once, and answered with one of them.
    """
    asked = entry.reference.partition(REPEAT)[0]
    booked = {
        link
        for other in found
        if other.attempt == entry.attempt and other.reference.partition(REPEAT)[0] == asked
        for link in other.positions
    }
    return booked - entry.positions.keys()


def _opened(story: RecordedPayment, parties: Parties) -> Iterator[str]:
    """Where the payment went on although what the link would have asked first was silent."""
    if parties.closed:
        yield from opened(story.hops, story.decisions, parties.closed)
    if parties.own_closed:
        yield from opened_by_own(story.hops, parties.own_closed)


def _on_chain(
    story: RecordedPayment, customer: PaymentRecord, parties: Parties, reservations: Funded | None
) -> OnChain | None:
    if "ledger" not in parties.has:
        return None
    return on_chain(
        customer,
        story.movements,
        story.decisions,
        reservations,
        settling=parties.settling,
        scale=parties.scale,
    )


def _of_own_services(
    story: RecordedPayment, customer: PaymentRecord, parties: Parties
) -> dict[str, Any]:
    """What only a payment at the user's own services has."""
    book = merchants_book(story.decisions)
    return {
        "is_own": any(
            hop.operation == "authorise" and hop.caller in parties.without_book
            for hop in story.hops
        ),
        "shown_declined": customer.outcome is Outcome.DECLINED,
        "book": book,
        "is_taken_back": customer.outcome is Outcome.APPROVED
        and is_taken_back(book, customer.ended_ns, story.decisions, parties.without_book),
        "done_again": list(done_again(story.decisions)),
        "reused_keys": list(reused_keys(story.decisions)),
        "unsigned_webhooks": list(unsigned_webhooks(story.hops, story.decisions)),
        "lost_webhooks": list(lost_webhooks(story.decisions, parties.without_book)),
    }
