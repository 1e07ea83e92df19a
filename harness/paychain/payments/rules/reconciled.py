"""One payment beside all books: what the customer wanted and saw, and what every link holds.

An authorisation is what all movements with one reference say: see `authorisation`.

    order ─┬─ payment p1 ─┬─ authorisation p1-1 ── position at gateway, processor-a, scheme, issuer
           │              └─ authorisation p1-2 ── position at gateway, processor-b, scheme, issuer
           └─ payment p2 ─── …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from paychain.payments.money import written
from paychain.payments.retry_limits import Presentation
from paychain.payments.rules.account_transfer import AccountTransfer
from paychain.payments.rules.authorisation import Authorisation, times_charged
from paychain.payments.rules.evidence import MerchantsBook, StoodIn
from paychain.payments.rules.follow_ups import FollowUp
from paychain.payments.rules.on_chain import OnChain
from paychain.payments.rules.position import PART, Position


@dataclass(kw_only=True)
class Reconciled:
    """One payment, or all payments of one order: what the customer wanted and saw, and the books.

    Amounts are minor units. `shown_minor` is the amount that the customer was shown as approved, 0
    when none was. `settling`: links whose book says whether money exists. `merchants`: links that
    keep a merchant's book, `asking`: those that asked for an authorisation; `creditors`: links that
    pay merchants. `is_known`: there is a customer who made the payment; without one, nothing is
    known of what was wanted. `overcapture`: how much more than it holds a link may capture, as a
    share of the hold. `tenders`: the part of a payment by several means that each gateway asks each
    link for; empty when one takes all. `is_own`: an own service asked, in whatever parts it likes.

    The rest is evidence beside the books (see `traces`): presentations of the instrument with
    whether each was declined, calls that stayed unknown, authorisations after a failed
    authentication or without a call that must fail closed (`opened`), what had to follow, stand-in
    approvals, fallbacks taken beyond a limit, queries sooner or more often than permitted.
    """

    payment: str
    amount_minor: int
    currency: str
    shown_approved: bool
    authorisations: Sequence[Authorisation]
    settling: frozenset[str] = frozenset()
    merchants: frozenset[str] = frozenset()
    asking: frozenset[str] = frozenset()
    creditors: frozenset[str] = frozenset()
    is_known: bool = True
    order: str = ""
    order_minor: int = 0  # of the whole order; 0: this payment's amount
    several: Sequence[Reconciled] = ()  # of an order with several payments, in order of their ids
    is_part: bool = False  # its order has other payments, too
    is_unrecorded: bool = False  # what the customer was shown of a payment of it is not known
    unshown: frozenset[str] = frozenset()  # references of an order's payments not seen approved
    shown_minor: int = 0
    shown_declined: bool = False  # by an own service: a final "no", not merely no approval
    knows_original: bool = False  # declined as a repeat of what was approved for the order
    overcapture: Mapping[str, float] = field(default_factory=dict)
    tenders: Mapping[tuple[str, str], int] = field(default_factory=dict)
    is_own: bool = False
    scheme: str = ""
    merchant: str = ""
    instrument: str = ""
    accepts_partial: bool = False
    # Settling links that may approve less, and which share: None where nothing says how much.
    gives_parts: Mapping[str, float | None] = field(default_factory=dict)
    presentations: Sequence[tuple[Presentation, bool]] = ()
    unresolved: Sequence[str] = ()
    unauthenticated: Sequence[str] = ()
    opened: Sequence[str] = ()
    follow_ups: Sequence[FollowUp] = ()
    stood_in: Sequence[StoodIn] = ()
    beyond_limits: Sequence[str] = ()
    queried_beyond: Sequence[str] = ()
    book: MerchantsBook | None = None
    is_taken_back: bool = False  # an own service cancelled what it had shown as approved
    on_chain: OnChain | None = None
    transfer: AccountTransfer | None = None
    price_ages: Mapping[str, int] = field(default_factory=dict)
    quote_times: Mapping[str, int] = field(default_factory=dict)
    price_bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    reused_keys: Sequence[str] = ()
    done_again: Sequence[str] = ()
    unsigned_webhooks: Sequence[str] = ()
    lost_webhooks: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Hold what every rule may rely on."""
        assert self.amount_minor >= 0
        assert self.shown_approved or not self.shown_minor  # only an approval shows an amount
        assert not (self.shown_approved and self.shown_declined)

    @property
    def payments(self) -> list[str]:
        """The names of an order's payments, where it has several."""
        return [payment.payment for payment in self.several]

    @property
    def parts(self) -> Sequence[Reconciled]:
        """The payments of an order, each by itself; a payment that is its order's only one."""
        return self.several or [self]

    def part_minor(self, entry: Authorisation) -> int:
        """What one authorisation should be about, first of `parts_minor`: all, or its tender."""
        return self.parts_minor(entry)[0]

    def parts_minor(self, entry: Authorisation) -> list[int]:
        """What one authorisation may be about: any of these, as far as the books tell.

        Where only a link further behind has booked it, no book says which tender it was: any that
        has its amount will do, or else each may be it. Nor does a name that only a merchant has.
        """
        is_merchants = bool(self.tenders) and entry.positions.keys() <= self.merchants
        if PART not in entry.reference and not is_merchants:
            return [self.amount_minor]
        askers = {gateway for gateway, _ in self.tenders if gateway in entry.positions}
        parts = [
            minor
            for (gateway, target), minor in self.tenders.items()
            if target in entry.positions and (gateway in askers or not askers)
        ]
        whole = [] if PART in entry.reference else [self.amount_minor]
        parts = [*whole, *(parts or self.tenders.values())] or [self.amount_minor]
        booked = {minor for minor, _ in entry.amounts}
        return [minor for minor in parts if minor in booked] or parts

    @property
    def bookkeepers(self) -> frozenset[str]:
        """The merchants' links that have booked anything of this payment, or should have.

        Where none has, and the customer knows of an approval, each that asked for one should.
        """
        booked = {link for entry in self.authorisations for link in entry.positions}
        return self.merchants & booked or (self.asking if self.shown_approved else frozenset())

    @cached_property
    def charges(self) -> list[tuple[Authorisation, Position]]:
        """The authorisations that hold or took the customer's money, each with its position."""
        return [
            (entry, position)
            for entry in self.authorisations
            if entry.leg == "in"
            for position in entry.charged(self.settling)
            if position.exposure_minor > 0
        ]

    @cached_property
    def exposure_minor(self) -> int:
        """How much of the customer's money is held or taken, over all links together."""
        return sum(position.exposure_minor for _, position in self.charges)

    @property
    def agreed_minor(self) -> int:
        """What the customer agreed to: less than was asked once a partial approval was shown.

        The rest of an order may have been approved where a record is missing.
        """
        return self.amount_minor if self.is_unrecorded else self._known_minor

    @property
    def _known_minor(self) -> int:
        """What the customer is known to be shown as approved, or asked to pay."""
        shown_minor = self.shown_minor
        return shown_minor if 0 < shown_minor < self.amount_minor else self.amount_minor

    @cached_property
    def is_double_charged(self) -> bool:
        """More than one hold together takes more than the customer agreed to.

        What a capture took beyond its own hold (a tip) is not a second charge, nor is a tender that
        is held for too much.
        """
        beyond_minor = sum(
            max(0, position.captured_minor - position.authorised_minor)
            for _, position in self.charges
        )
        has_tenders = any(part.tenders for part in self.parts)
        is_again = times_charged(self.charges, has_tenders=has_tenders) > 1
        return is_again and self.exposure_minor - beyond_minor > self.agreed_minor

    @property
    def is_orphaned(self) -> bool:
        """Whether money is held that no one knows of: see `orphans`."""
        return bool(self.orphans)

    @property
    def orphans(self) -> list[Position]:
        """What is held, and the customer knows of no approval, nor does the merchant's book.

        Whoever was refused as a repeat knows of the original that the merchant has. Once all that
        was sold for an order is cancelled, refunded or expired, that is also what an authorisation
        holds of which no merchant ever booked anything. So is, of an order that another payment was
        approved for, what a payment holds that the customer did not see approved.
        """
        if self.is_double_charged:
            return []
        is_known = self.shown_approved or (self.book is not None and self.book.is_paid)
        # What is paid out is known to whoever asks, however late that was.
        for evidence in (self.on_chain, self.transfer):
            is_known |= evidence is not None and "approved" in evidence.reported
        if is_known and not self.is_unsold_again:
            return self._unshown_and_unsold
        if self.is_unrecorded and not self.is_unsold_again:
            return []  # what the customer was shown is not known
        is_sold_known = is_known or self.knows_original or self.is_unrecorded
        return [
            position
            for entry, position in self.charges
            if not is_sold_known or self.merchants.isdisjoint(entry.positions)
        ]

    @property
    def _unshown_and_unsold(self) -> list[Position]:
        # An own service keeps no book here: its order may be paid by any of its payments.
        if not self.asking:
            return []
        return [
            position
            for entry, position in self.charges
            if entry.reference in self.unshown and self.merchants.isdisjoint(entry.positions)
        ]

    @property
    def is_unsold_again(self) -> bool:
        """Merchants booked what was approved, and nothing of it is held or taken any more."""
        sold = [
            position
            for entry in self.authorisations
            for link, position in entry.positions.items()
            if link in self.merchants
        ]
        return bool(sold) and not any(position.exposure_minor > 0 for position in sold)

    @property
    def remainder_minor(self) -> int:
        """What stays held of an approved payment although everything was captured of it.

        The last capture should have released it. A capture that is not done is a finding of its
        own: then more may be captured of its payment, though not of the others of the order. Nor is
        it here what a release left behind.
        """
        if not self.shown_approved:
            return 0
        return sum(map(self._remainder_of, self.parts))

    def _remainder_of(self, part: Reconciled) -> int:
        """What stays held of one payment of the order once everything was captured of it."""
        captures = [
            entry
            for entry in part.follow_ups
            if entry.operation == "capture" and entry.end != "cancelled"
        ]
        # Without recorded captures it is not known whether another one follows.
        is_over = captures and all(
            entry.end == "done" or self.is_booked(entry) for entry in captures
        )
        if not is_over:
            return 0
        return sum(
            max(0, position.held_minor - position.unreleased_minor)
            for entry in part.authorisations
            for position in entry.money(self.settling)
            if position.captured_minor
        )

    def is_booked(self, follow_up: FollowUp) -> bool:
        """Whether the link that was asked has it in its book: its answer may say otherwise."""
        is_capture = follow_up.operation == "capture"
        return any(
            follow_up.item in (position.captured if is_capture else position.refunded)
            for entry in self.followed_by(follow_up)
            if (position := entry.positions.get(follow_up.target)) is not None
        )

    def followed_by(self, follow_up: FollowUp) -> list[Authorisation]:
        """The authorisations that a follow-up is about: relays may have made more of the one."""
        return [entry for entry in self.authorisations if follow_up.follows(entry)]

    @property
    def lacks_money(self) -> bool:
        """The customer knows of an approval, and no money is or was where it settles.

        Money that was refunded or expired was there. Nobody needs any once the merchant cancelled,
        whether what was stored had been delivered by then or not.
        """
        if not self.shown_approved or self.is_cancelled:
            return False
        return not self.has_had_money

    @property
    def has_had_money(self) -> bool:
        """Money is held or taken for it, or was, wherever it went since.

        A payout has its money on the ledger, whatever became of its reservation. Who was credited
        for a deposit has it, whatever became of the transfer. A payee who was credited has it,
        whoever paid, also once that was returned.
        """
        chain = self.on_chain
        if chain is not None and chain.kind != "purchase":
            return bool(chain.standing or chain.credited)
        if self.transfer is not None:
            return self.transfer.kept_minor > 0
        return any(position.was_there for position in self.moneys())

    @property
    def missing_minor(self) -> int:
        """What the customer was shown, and no money is or was behind; 0 when all of it has some.

        Of a payment by several means one may have money and another none.
        """
        if not self.shown_approved or self.is_cancelled:
            return 0
        if self.lacks_money:
            return self._known_minor
        if not self.tenders and (self.payments or not self._is_sold_otherwise):
            return 0
        # Who was shown more than the order has agreed to the order.
        return max(0, min(self.amount_minor, self.shown_minor) - self.behind_minor)

    @property
    def behind_minor(self) -> int:
        """What was authorised wherever there is money, or was."""
        return sum(position.authorised_minor for position in self.moneys() if position.was_there)

    @property
    def _is_sold_otherwise(self) -> bool:
        """What had money is an attempt that no merchant knows, maybe for a part of the amount."""
        return bool(self.asking) and all(
            self.merchants.isdisjoint(entry.positions)
            for entry in self.authorisations
            if any(position.was_there for position in entry.money(self.settling))
        )

    def moneys(self) -> Iterator[Position]:
        """Where the money of each authorisation is."""
        for entry in self.authorisations:
            yield from entry.money(self.settling)

    @property
    def is_cancelled(self) -> bool:
        """Whether the merchant cancelled the approved payment, and sold the order by no other.

        What another gateway sold and gave back was sold, where its customer saw that approved.
        """
        voids = [follow_up for follow_up in self.follow_ups if follow_up.operation == "void"]
        if not voids:
            return self.is_taken_back and not self.exposure_minor
        return not any(
            (book.exposure_minor if entry.reference in self.unshown else book.standing_minor) > 0
            for entry in self.authorisations
            for link, book in entry.positions.items()
            if link in self.merchants
            and not any(void.link == link and void.follows(entry) for void in voids)
        )

    @property
    def is_misheld(self) -> bool:
        """Money is held twice, or of a customer who knows nothing, or is missing.

        That is a finding of its own. What the books say of each other is then no second one.
        """
        return self.is_double_charged or self.is_orphaned or self.missing_minor > 0

    def money(self, amount_minor: int) -> str:
        """An amount in the payment's currency, such as `92.30 EUR`."""
        return written(amount_minor, self.currency)


@dataclass(frozen=True)
class Finding:
    """One payment that broke a money rule.

    `amount_minor` is the money that is wrong, `references` every authorisation that a link holds.
    """

    payment: str
    amount_minor: int
    text: str
    references: tuple[str, ...]

    @classmethod
    def of(cls, payment: Reconciled, amount_minor: int, text: str) -> Finding:
        """A finding with every authorisation that any link still holds."""
        references = tuple(
            f"{entry.reference} at {', '.join(holding)}"
            for entry in payment.authorisations
            if (
                holding := sorted(
                    link
                    for link, position in entry.positions.items()
                    if position.exposure_minor > 0
                )
            )
        )
        return cls(payment.payment, amount_minor, text, references)
