"""What the books say of a payment over a ledger: reserved, signed, transferred, credited, reported.

            payout                          purchase                      deposit
in          exchange: reserved ──▶ spent    issuer: held ──▶ captured     ledger: transferred
out         ledger: transferred             ledger: transferred           exchange: credited

What is reserved or held may be freed, what is transferred may be undone. Each signed transaction is
one of its own. The customer sees the answer to the request, then what a link reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from paychain.payments.journal import (
    Decision,
    DecisionKind,
    Movement,
    MovementKind,
    PaymentRecord,
)
from paychain.payments.money import PRICE_UNIT, coins_for, worth_of
from paychain.payments.outcome import Outcome

_RESERVATIONS = (MovementKind.RESERVED, MovementKind.FREED, MovementKind.SPENT)
# What a card's hold is to a purchase: the reservation of what is sent for it.
_OF_CARDS = {
    MovementKind.AUTHORISED: MovementKind.RESERVED,
    MovementKind.VOIDED: MovementKind.FREED,
    MovementKind.EXPIRED: MovementKind.FREED,
    MovementKind.CAPTURED: MovementKind.SPENT,
    MovementKind.REFUNDED: MovementKind.SPENT,
}
# What only a ledger's link books, and whoever credits by it: no authorisation of anybody.
ON_LEDGERS = frozenset({MovementKind.TRANSFERRED, MovementKind.UNDONE, MovementKind.CREDITED})
Kind = Literal["payout", "purchase", "deposit"]
Funded = Mapping[str, tuple[int, int]]
"""By reference of a reservation: what was reserved or spent with it in total, and the funding."""


@dataclass(slots=True, kw_only=True)
class TransactionHistory:
    """Signed bytes and what a ledger made of them. `blocks`: how many have it: 0 or 1.

    `first`: the name of the first transaction with its nonce, which is its own unless it replaces
    another one: of all with one nonce at most one is ever mined.
    """

    name: str
    first: str
    signed_ns: int | None = None  # None: no wallet says that it signed them
    mined_ns: int | None = None  # for the first time
    blocks: int = 0
    amount_minor: int = 0
    came_ns: list[int] = field(default_factory=list)  # when a block had it
    undone_ns: list[int] = field(default_factory=list)  # when that block was replaced
    reverted_ns: int | None = None  # since then a block has it as one that failed

    def stood_at(self, at_ns: int) -> bool:
        """Whether a block had it at that moment. What was undone just then stood."""
        came = sum(came_ns <= at_ns for came_ns in self.came_ns)
        return came > sum(undone_ns < at_ns for undone_ns in self.undone_ns)

    @property
    def stands(self) -> bool:
        """Whether a block has it in the end, and it moved its amount."""
        return self.blocks > 0

    @property
    def is_in_block(self) -> bool:
        """Whether a block has it in the end, if only as one that failed."""
        return self.stands or self.reverted_ns is not None


@dataclass(frozen=True, slots=True)
class Credited:
    """What a customer was credited with for a transaction, by its name, and when."""

    name: str
    at_ns: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Quoted:
    """A price that something was sold at: by whom, when, and when it was published."""

    link: str
    at_ns: int
    price: int
    since_ns: int

    @classmethod
    def of(cls, decision: Decision) -> Quoted:
        """As it was written down: `PRICE since NANOSECONDS`."""
        price, _, since = decision.detail.partition(" since ")
        return cls(decision.link, decision.at_ns, int(price), int(since))


@dataclass(kw_only=True)
class OnChain:
    """Everything about one payment's way over a ledger. Times are ns since the run's epoch.

    Amounts are minor units of the payment's own currency.
    `together`: the names of the transactions that blocks had at the moment when they had most.
    `held_ns`: when the card's hold that stands in the end was booked, None without one.
    `reserved`, `freed` and `spent`: times of such movements with their amounts. `reported`: what
    the customer saw, in this order: approved or declined; nothing while it was pending. `funded`:
    see `Funded`, of this payment's reservation.
    """

    transactions: Sequence[TransactionHistory]
    kind: Kind = "payout"
    credited: Sequence[Credited] = ()
    quoted: Sequence[Quoted] = ()
    together: Sequence[str] = ()
    held_ns: int | None = None
    reserved: Sequence[tuple[int, int]] = ()
    freed: Sequence[tuple[int, int]] = ()
    spent: Sequence[tuple[int, int]] = ()
    reported: Sequence[str] = ()
    funded: tuple[int, int] | None = None

    @property
    def standing(self) -> list[TransactionHistory]:
        """The transactions that a block has in the end."""
        return [transaction for transaction in self.transactions if transaction.stands]

    def open_at(self, at_ns: int) -> list[TransactionHistory]:
        """The transactions that could still be made then: none of their nonce had failed."""
        dead = {
            each.first
            for each in self.transactions
            if each.reverted_ns is not None and each.reverted_ns <= at_ns
        }
        return [each for each in self.transactions if each.first not in dead]

    @property
    def made(self) -> str:
        """What stands in the end, in words; "" for nothing."""
        return ", ".join(transaction.name for transaction in self.standing)

    def amount_of(self, name: str) -> int:
        """The amount of a transaction, in minor units."""
        return next(each.amount_minor for each in self.transactions if each.name == name)

    def transaction(self, name: str) -> TransactionHistory | None:
        """A transaction by its name, None if none was signed or in a block."""
        return next((each for each in self.transactions if each.name == name), None)


def on_chain(
    customer: PaymentRecord,
    movements: Iterable[Movement],
    decisions: Iterable[Decision],
    funded: Funded | None = None,
    *,
    settling: frozenset[str] = frozenset(),
    scale: int = 1,
) -> OnChain:
    """A payment's records, as the rules about ledgers read them.

    Movements come in the order of the ledger's book: what is undone and mined at one moment keeps
    its order there. `settling`: links whose book says what a card is charged. `scale`: minor units
    of the ledger's asset in one of the payment's currency.
    """
    records = _LedgerRecords(settling, scale, customer.amount_minor)
    if customer.outcome is not Outcome.UNKNOWN:
        records.reported.append((customer.ended_ns, customer.outcome.value))
    for decision in decisions:
        records.add_decision(decision)
    for move in movements:
        records.add_movement(move)
    return records.on_chain(funded or {})


@dataclass
class _LedgerRecords:
    """What the records of one payment add up to, one after the other."""

    settling: frozenset[str]
    scale: int
    asked_minor: int  # by the customer
    kind: Kind = "payout"
    transactions: dict[str, TransactionHistory] = field(default_factory=dict)
    reservations: dict[MovementKind, list[tuple[int, int]]] = field(
        default_factory=lambda: {kind: [] for kind in _RESERVATIONS}
    )
    reference: str = ""  # of the reservation
    together: list[str] = field(default_factory=list)
    reported: list[tuple[int, str]] = field(default_factory=list)
    credited: list[Credited] = field(default_factory=list)
    quoted: list[Quoted] = field(default_factory=list)
    of_card: dict[str, list[Movement]] = field(default_factory=dict)  # by reference

    def add_decision(self, decision: Decision) -> None:
        if decision.kind is DecisionKind.SIGNED:
            self._transaction(decision.detail).signed_ns = decision.at_ns
            if decision.operation == "pay":
                self.kind = "deposit"
        elif decision.kind in (DecisionKind.REPLACED, DecisionKind.RENEWED):
            old, _, new = decision.detail.partition(" by ")
            self._transaction(new).first = self._transaction(old).first
        elif decision.kind is DecisionKind.REVERTED:
            self._transaction(decision.detail).reverted_ns = decision.at_ns
        elif decision.kind is DecisionKind.REVERT_UNDONE:
            self._transaction(decision.detail).reverted_ns = None
        elif decision.kind is DecisionKind.QUOTED:
            self.quoted.append(Quoted.of(decision))
        elif decision.kind is DecisionKind.REPORTED:
            self.reported.append((decision.at_ns, decision.detail))

    def add_movement(self, move: Movement) -> None:
        if move.kind in self.reservations:
            self.reservations[move.kind].append((move.at_ns, move.amount_minor))
            self.reference = move.reference
        elif move.kind in _OF_CARDS and move.link in self.settling:
            self.kind = "purchase"
            self.of_card.setdefault(move.reference, []).append(move)
        elif move.kind is MovementKind.CREDITED:
            self.kind = "deposit"
            self.credited.append(Credited(move.reference, move.at_ns, move.amount_minor))
        elif move.kind in ON_LEDGERS:
            self._transfer(move)

    def _worth(self, coins_minor: int) -> int:
        """What coins were sold for: the amount that was paid, if it buys as many.

        Where a coin's smallest unit costs more than the currency's, several amounts do.
        """
        price = self.quoted[-1].price if self.quoted else PRICE_UNIT
        held = (move.amount_minor for hold in self.of_card.values() for move in hold)
        for paid_minor in (self.asked_minor, *held):
            if coins_for(paid_minor, self.scale, price) == coins_minor:
                return paid_minor
        return worth_of(coins_minor, self.scale, price)

    def _transfer(self, move: Movement) -> None:
        """A block got a transaction, or was replaced with it."""
        transaction = self._transaction(move.reference)
        transaction.amount_minor = self._worth(move.amount_minor)
        if move.kind is MovementKind.UNDONE:
            transaction.blocks -= 1
            transaction.undone_ns.append(move.at_ns)
            return
        transaction.blocks += 1
        transaction.came_ns.append(move.at_ns)
        if transaction.mined_ns is None:
            transaction.mined_ns = move.at_ns
        now = [each.name for each in self.transactions.values() if each.stands]
        self.together = max(self.together, now, key=len)

    def _transaction(self, name: str) -> TransactionHistory:
        return self.transactions.setdefault(name, TransactionHistory(name=name, first=name))

    def on_chain(self, funded: Funded) -> OnChain:
        """All of it, as the rules read it."""
        holds = list(self.of_card.values())
        _book_cards(self.reservations, holds)
        return OnChain(
            transactions=list(self.transactions.values()),
            kind=self.kind,
            credited=self.credited,
            quoted=self.quoted,
            together=self.together,
            held_ns=_held_ns(holds),
            reserved=self.reservations[MovementKind.RESERVED],
            freed=self.reservations[MovementKind.FREED],
            spent=self.reservations[MovementKind.SPENT],
            reported=[word for _, word in sorted(self.reported)],
            funded=funded.get(self.reference),
        )


def _book_cards(
    reservations: Mapping[MovementKind, list[tuple[int, int]]], holds: Sequence[Sequence[Movement]]
) -> None:
    """What an issuer booked of a purchase, by authorisation.

    While one of them stands nothing was freed that anybody needs, nor was it by the release of the
    rest after a capture.
    """
    stands = any(map(_stands, holds))
    for move in (move for hold in holds for move in hold):
        kind = _OF_CARDS[move.kind]
        if kind is MovementKind.FREED and (stands or reservations[MovementKind.SPENT]):
            continue
        sign = -1 if move.kind is MovementKind.REFUNDED else 1
        reservations[kind].append((move.at_ns, sign * move.amount_minor))


def _stands(hold: Iterable[Movement]) -> bool:
    """Whether nothing of a hold was released."""
    freeing = (MovementKind.VOIDED, MovementKind.EXPIRED)
    return all(move.kind not in freeing for move in hold)


def _held_ns(holds: Iterable[Sequence[Movement]]) -> int | None:
    """When the first hold that stands was booked."""
    booked = (
        move.at_ns
        for hold in holds
        if _stands(hold)
        for move in hold
        if move.kind is MovementKind.AUTHORISED
    )
    return min(booked, default=None)


def funded_by(
    movements: Iterable[Movement], funding: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """What each reservation added up to; `movements` of reservations, in the order they happened.

    `funding`: what there is, by the link that pays out, in minor units.
    """
    taken: dict[str, int] = {}
    found: dict[str, tuple[int, int]] = {}
    for move in movements:
        if move.link not in funding:
            continue
        before = taken.get(move.link, 0)
        if move.kind is MovementKind.RESERVED:
            taken[move.link] = before + move.amount_minor
            found[move.reference] = taken[move.link], funding[move.link]
        elif move.kind is MovementKind.FREED:
            taken[move.link] = before - move.amount_minor
    return found
