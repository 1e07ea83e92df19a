"""The world outside the chain: cardholders' and merchants' accounts, and what customers saw.

The record is made at the world's edge, where an issuer changes a card's account, a processor a
merchant's, and a customer reads the page. It is apart from the journal and from everything that
reads it: nothing here knows a rule, a reconciliation or a measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from paychain.load.traffic.customer import CustomerPayment
from paychain.model.chain import Chain
from paychain.payments.chance import draw
from paychain.payments.codes import PARTIAL_APPROVAL
from paychain.payments.journal import MovementKind
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.context import Context
from paychain.services.policies.call_end import SentRequest
from paychain.services.roles.authorising import Authorising
from paychain.services.roles.merchant import Merchants

HOLD, TAKE, UNTAKE, RELEASE, GIVE_BACK = "hold", "take", "untake", "release", "give back"
CHARGE_BACK = "charge back"
REDUCE = "reduce"
# What each line of a bank's or a processor's book does to the account that it keeps.
_DOES = {
    MovementKind.AUTHORISED: HOLD,
    MovementKind.ADVISED: HOLD,
    MovementKind.STOOD_IN: HOLD,
    MovementKind.STORED: HOLD,
    MovementKind.REDUCED: REDUCE,
    MovementKind.CAPTURED: TAKE,
    MovementKind.UNCAPTURED: UNTAKE,
    MovementKind.VOIDED: RELEASE,
    MovementKind.EXPIRED: RELEASE,
    MovementKind.REFUNDED: GIVE_BACK,
    MovementKind.CHARGED_BACK: CHARGE_BACK,
}


@dataclass(slots=True, kw_only=True)
class Entry:
    """One line of an account. Amounts are minor units."""

    at_ns: int
    link: str
    does: str
    why: str  # the kind of the book's line
    amount_minor: int
    currency: str
    reference: str
    merchant: str
    card: str
    item: str  # which capture or refund it is

    @property
    def is_alone(self) -> bool:
        """Whether its link approved it in another's place: no bank has to know."""
        return self.why in ("stored", "stood_in")


@dataclass(slots=True, kw_only=True)
class Customer:
    """What somebody wanted to pay, and what the page said in the end."""

    amount_minor: int
    currency: str
    merchant: str
    card: str
    saw_approved: bool = False
    saw_minor: int = 0
    saw_part: bool = False  # the page called it an approval of a part
    original: str = ""  # what the page said that the payment repeats: approved before


@dataclass(slots=True, kw_only=True)
class Deal:
    """All that happened around one payment. Lines are in the order in which they were written."""

    payment: str
    customer: Customer | None = None
    lines: list[Entry] = field(default_factory=list)
    # Gateway and reference of what its merchant knows to be paid, and of what was taken back from
    # it by the link that had forwarded the payment.
    sold: set[tuple[str, str]] = field(default_factory=set)
    taken_back: set[tuple[str, str]] = field(default_factory=set)
    # The links that refused it as the repeat of another one.
    refused_at: set[str] = field(default_factory=set)

    def of(self, links: frozenset[str]) -> list[Entry]:
        """The lines of these links' books."""
        return [line for line in self.lines if line.link in links]

    @property
    def alone(self) -> set[str]:
        """The references of what a link approved in another's place: no bank has to know."""
        return {line.reference for line in self.lines if line.is_alone}


@dataclass(kw_only=True)
class World:
    """The accounts of one run, by payment, and which link keeps whose."""

    chain: Chain
    seed: int = 0
    deals: dict[str, Deal] = field(default_factory=dict)
    # By link; like all that the declaration says: every payment asks again.
    _tips: dict[str, float] = field(default_factory=dict)

    @cached_property
    def _by_role(self) -> dict[str, frozenset[str]]:
        links = self.chain.links
        return {
            role: frozenset(name for name, link in links.items() if link.role == role)
            for role in {link.role for link in links.values()}
        }

    @cached_property
    def _targets(self) -> dict[str, list[str]]:
        """The links that each asks for money."""
        calls = {name: link.calls.get("authorise") for name, link in self.chain.links.items()}
        return {name: call.targets if call is not None else [] for name, call in calls.items()}

    def links(self, role: str) -> frozenset[str]:
        """The links of one role."""
        return self._by_role.get(role, frozenset())

    @cached_property
    def payers(self) -> frozenset[str]:
        """The links that pay merchants: those that their gateways ask for money."""
        return frozenset(target for name in self.links("gateway") for target in self._targets[name])

    def asked_by(self, link: str) -> frozenset[str]:
        """The links that one asks for money."""
        return frozenset(self._targets[link])

    def behind(self, link: str) -> frozenset[str]:
        """The links that an authorisation may reach from a link on."""
        targets = frozenset(self._targets[link])
        return targets.union(*(self.behind(target) for target in targets))

    def tip_at(self, link: str) -> float:
        """How much more than it holds a link behind the gateways lets merchants take.

        As it says itself, or the widest of those that ask it, or else of those that it asks.
        """
        if link not in self._tips:
            found = self._tip(link, self._asking) or self._tip(link, self._targets.__getitem__)
            self._tips[link] = found or 0.0
        return self._tips[link]

    def _tip(self, link: str, others: Callable[[str], list[str]]) -> float | None:
        own = self.chain.links[link].overcapture
        if own is not None:
            return own
        tips = [self._tip(other, others) for other in others(link)]
        return max((tip for tip in tips if tip is not None), default=None)

    def _asking(self, link: str) -> list[str]:
        relays = self.links("processor") | self.links("scheme")
        return [name for name in relays if link in self._targets[name]]

    def amounts_of(self, deal: Deal, customer: Customer, link: str) -> set[int]:
        """What a link may have held: all of it, one of its means, a part that a bank gave.

        A gateway has no more than the means that it asks for itself.
        """
        gateways = self.links("gateway")
        asking = gateways & {link} or gateways
        calls = [self.chain.links[name].calls.get("authorise") for name in asking]
        wanted = customer.amount_minor
        found = {wanted}
        for call in calls:
            # Each share is rounded by itself; the call's own target is paid what is left.
            left = wanted
            for tender in (call.tenders if call is not None else None) or ():
                paid = min(left, int(wanted * (tender.of or 0) + 0.5 + 1e-9))
                found.add(paid or wanted)
                left -= paid
            found.add(left or wanted)
        # A bank gives a part only to who accepts one, and declines everybody else. Another amount
        # that happens to be as much is no part: nobody gave it, nor does the page say so.
        accepted = any(self.chain.links[name].accepts_partial for name in gateways)
        banks = self.links("issuer") if accepted else frozenset()
        held = {line.amount_minor for line in deal.of(banks) if line.does == HOLD}
        for given in (self.chain.links[name].partial_approvals for name in banks):
            if given is not None:
                parts = {max(1, int(amount * given.of + 0.5)) for amount in found}
                found |= parts if customer.saw_part else parts & held
        return found

    def is_paid_by_one_means(self) -> bool:
        """Whether no gateway splits a payment over several cards."""
        calls = [self.chain.links[name].calls.get("authorise") for name in self.links("gateway")]
        return not any(call is not None and call.tenders for call in calls)

    def keys_of(self, gateway: str) -> str:
        """By whose name the keys of a gateway are known: gateways may share them."""
        for link in self.chain.links.values():
            call = link.calls.get("forward")
            if call is not None and call.shares_keys and gateway in call.targets:
                return call.to
        return gateway

    def deal(self, payment: str) -> Deal:
        """The payment's deal, begun when it is first heard of."""
        if payment not in self.deals:
            self.deals[payment] = Deal(payment=payment)
        return self.deals[payment]

    def booked(self, context: Context, kind: MovementKind, request: PaymentRequest) -> None:
        """A link wrote a line into its book."""
        self.seed = context.seed
        self.deal(request.payment).lines.append(line_of(context, kind, request))

    def sold(self, gateway: str, payment: str, reference: str) -> None:
        """A gateway reports to its merchant that a payment was approved."""
        self.deal(payment).sold.add((gateway, reference))

    def taken_back(self, gateway: str, payment: str, reference: str) -> None:
        """A gateway tells its merchant that the link that forwarded a payment has reversed it."""
        self.deal(payment).taken_back.add((gateway, reference))

    def refused(self, link: str, payment: str) -> None:
        """A link refuses a payment as the repeat of another one."""
        self.deal(payment).refused_at.add(link)

    def asked(self, request: PaymentRequest) -> None:
        """A customer sends a payment, maybe not for the first time."""
        deal = self.deal(request.payment)
        if deal.customer is None:
            deal.customer = Customer(
                amount_minor=request.amount_minor,
                currency=request.currency,
                merchant=request.merchant,
                card=request.instrument.identity,
            )

    def answered(self, payment: str, answer: Any) -> None:
        """The customer's page after a try; None: no answer that can be read."""
        deal = self.deal(payment)
        customer = deal.customer
        assert customer is not None
        customer.saw_approved = answer is not None and answer.outcome is Outcome.APPROVED
        customer.saw_minor = answer.amount_minor if customer.saw_approved else 0
        customer.saw_part = customer.saw_approved and answer.code == PARTIAL_APPROVAL
        # The refusal of a duplicate has the amount of its original, once that was approved.
        refused = {link.duplicates.code for link in self.chain.links.values() if link.duplicates}
        is_repeat = answer is not None and answer.outcome is Outcome.DECLINED
        is_repeat = is_repeat and answer.code in refused and answer.amount_minor > 0
        # A wrong answer may have such a code and the amount of what was approved.
        is_repeat = is_repeat and answer.decided_by in deal.refused_at
        customer.original = answer.reference if is_repeat else ""

    def drawn(self, link: str, what: str, payment: str) -> float:
        """What chance the link has for a payment: the same draw as the link's own."""
        return draw(self.seed, link, what, payment)


def line_of(context: Context, kind: MovementKind, request: PaymentRequest) -> Entry:
    """What a link writes into its book, as a line of an account."""
    return Entry(
        at_ns=context.now_ns(),
        link=context.link,
        does=_DOES[kind],
        why=kind.value,
        amount_minor=request.amount_minor,
        currency=request.currency,
        reference=request.reference,
        merchant=request.merchant,
        card=request.instrument.identity,
        item=request.item,
    )


@contextmanager
def watched(chain: Chain) -> Iterator[World]:
    """Keep the world's own books while a chain of this declaration is played in this process."""
    world = World(chain=chain)
    moved, approved, undo = Context.moved, Merchants.approved, Merchants.undo
    start_try, end_try = CustomerPayment.start_try, CustomerPayment.end_try
    refuse = Authorising._refused_as_duplicate

    def booking(self: Context, kind: MovementKind, request: PaymentRequest, *rest: Any) -> None:
        world.booked(self, kind, request)
        moved(self, kind, request, *rest)

    def asking(self: CustomerPayment, now_ns: int) -> Any:
        sent = start_try(self, now_ns)
        world.asked(sent.request)
        return sent

    def reading(self: CustomerPayment, reply: Any, now_ns: int) -> Any:
        hop = end_try(self, reply, now_ns)
        world.answered(hop.payment, reply.answer)
        return hop

    def selling(self: Merchants, sent: SentRequest, reference: str) -> None:
        world.sold(self._context.link, sent.request.payment, reference)
        approved(self, sent, reference)

    async def taking_back(self: Merchants, sent: SentRequest, reference: str) -> None:
        world.taken_back(self._context.link, sent.request.payment, reference)
        await undo(self, sent, reference)

    def refusing(self: Authorising, request: PaymentRequest) -> Answer | None:
        refusal = refuse(self, request)
        if refusal is not None:
            world.refused(self.name, request.payment)
        return refusal

    swaps: list[tuple[type[Any], str, Callable[..., Any]]] = [
        (Context, "moved", booking),
        (Merchants, "approved", selling),
        (Merchants, "undo", taking_back),
        (Authorising, "_refused_as_duplicate", refusing),
        (CustomerPayment, "start_try", asking),
        (CustomerPayment, "end_try", reading),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in swaps]
    for owner, name, instead in swaps:
        setattr(owner, name, instead)
    try:
        yield world
    finally:
        for owner, name, honest in before:
            setattr(owner, name, honest)
