"""State of a mocked Braintree merchant: transactions, settlements, refunds, cards and used keys.

Whether money is held, captured or refunded is for the book to say. These records only hold what was
requested, so a lost answer or an error after the work leaves them correct.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from paychain.payments.bounded import BoundedDict
from paychain.payments.cards import Card
from paychain.protocol.dialect import BookEntry
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.vendor_ids import decode, encode
from paychain.protocol.vendor_parts import booked_parts

MAX_TRANSACTIONS = 200_000  # the oldest are forgotten first
MAX_KEYS = 200_000
MAX_CUSTOMERS = 100_000


@dataclass(slots=True, kw_only=True)
class SettlementOrRefund:
    """A requested settlement or refund. Amounts in minor units.

    `of`: the settlement that is refunded. `is_own`: it has its own transaction, unlike the
    settlement of a whole transaction or the void of a submitted one. `state`: its answer, done or
    failed; "" if none came back.
    """

    item: str
    amount_minor: int
    created_s: int
    of: str = ""
    is_own: bool = True
    is_settled: bool = False
    order_id: str = ""
    state: str = ""


@dataclass(slots=True, kw_only=True, frozen=True)
class Keeping:
    """For whom a sale keeps its card: an id, "" for a new customer, of whom `said` is said.

    `steer`: the processor response that the card triggers, whatever the amount.
    """

    customer_id: str
    said: dict[str, str]
    steer: str
    even_if_declined: bool


@dataclass(slots=True, kw_only=True)
class SaleTransaction:
    """A sale as requested. `request` authorises it.

    `rejection`: why the gateway rejects it, "" if it goes to the processor. `steer`: the processor
    response that a test value triggers. `shown`: fields of the request that answers repeat.
    `was_stuck`: it was answered before the link had begun it.
    """

    request: PaymentRequest
    merchant_id: str
    created_s: int
    order_id: str = ""
    rejection: str = ""
    steer: str = ""
    shown: dict[str, Any] = field(default_factory=dict)
    keeps: Keeping | None = None
    answer: Answer | None = None
    was_stuck: bool = False
    settlements: list[SettlementOrRefund] = field(default_factory=list)
    refunds: list[SettlementOrRefund] = field(default_factory=list)

    @property
    def reference(self) -> str:
        """Our reference, by which every link knows the payment."""
        return self.request.reference

    @property
    def id(self) -> str:
        """Braintree's id of the transaction."""
        return encode(self.reference)

    def id_of(self, part: SettlementOrRefund) -> str:
        """Braintree's id of a settlement or refund: its own transaction's, or the sale's."""
        return encode(f"{self.reference}/{part.item}") if part.is_own else self.id

    def settled(self, entry: BookEntry | None) -> list[SettlementOrRefund]:
        """The settlements that the book has; a partial approval is captured in its amount."""
        booked = entry.request if entry is not None else None
        if self.request.is_sale and booked is not None:
            self.settlements[0].amount_minor = booked.amount_minor
        return booked_parts(self.settlements, entry.captured_minor if entry else 0)

    def refunded(self, entry: BookEntry | None, of: str = "") -> list[SettlementOrRefund]:
        """The refunds that the book has, of one settlement or of any."""
        total_minor = entry.refunded_minor if entry is not None else 0
        found = booked_parts(self.refunds, total_minor)
        return [part for part in found if not of or part.of == of]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTarget:
    """What an id names: a transaction, or a settlement or refund with its own transaction."""

    transaction: SaleTransaction
    part: SettlementOrRefund | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """What was requested under a key; a repeat executes the same again, whatever its outcome."""

    named: IdTarget
    operation: str
    request: PaymentRequest
    part: SettlementOrRefund | None = None


@dataclass(slots=True, kw_only=True)
class StoredCard:
    """A card in the vault. `steer` and `rejection` apply to each sale with it, as to any sale.

    `details`: what the merchant sent about it.
    """

    token: str
    customer_id: str
    instrument: Card
    created_s: int
    steer: str = ""
    rejection: str = ""
    is_default: bool = False
    details: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class CardVault:
    """The customers of one link by id with their contact fields, and their cards by token."""

    customers: BoundedDict[str, dict[str, Any]] = field(init=False)
    cards: dict[str, StoredCard] = field(default_factory=dict)
    created: int = 0
    _tokens: dict[str, list[str]] = field(default_factory=dict)  # by customer

    def __post_init__(self) -> None:
        self.customers = BoundedDict(MAX_CUSTOMERS, lambda name, _: self._forget_cards(name))

    def cards_of(self, customer_id: str) -> list[StoredCard]:
        """A customer's cards, the oldest first."""
        return [self.cards[token] for token in self._tokens.get(customer_id, ())]

    def default_of(self, customer_id: str) -> StoredCard | None:
        """The card that is charged if a sale names only the customer; None without one."""
        return next((card for card in self.cards_of(customer_id) if card.is_default), None)

    def add(self, card: StoredCard) -> None:
        """Store a card. It becomes the default if it is the customer's first or asks to be."""
        others = [each for each in self.cards_of(card.customer_id) if each is not card]
        card.is_default = card.is_default or not others
        if card.is_default:
            for other in others:
                other.is_default = False
        if card.token not in self.cards:
            self._tokens.setdefault(card.customer_id, []).append(card.token)
        self.cards[card.token] = card

    def remove(self, card: StoredCard) -> None:
        """Forget a card that is kept; another one of its customer's is the default then."""
        if self.cards.get(card.token) is not card:
            return
        del self.cards[card.token]
        self._tokens[card.customer_id].remove(card.token)
        left = self.cards_of(card.customer_id)
        if card.is_default and left:
            left[0].is_default = True

    def choose(self, card: StoredCard) -> None:
        """Make a card its customer's default, unless it has gone."""
        if self.cards.get(card.token) is card:
            card.is_default = True
            self.add(card)

    def forget(self, customer_id: str) -> None:
        """Forget a customer and the cards that are kept for it."""
        self.customers.pop(customer_id, None)
        self._forget_cards(customer_id)

    def _forget_cards(self, customer_id: str) -> None:
        for token in self._tokens.pop(customer_id, ()):
            del self.cards[token]


@dataclass(slots=True)
class Records:
    """The objects of one link."""

    _transactions: BoundedDict[str, SaleTransaction] = field(
        default_factory=lambda: BoundedDict(MAX_TRANSACTIONS)
    )
    _followed: BoundedDict[tuple[str, str], KeyedRequest] = field(
        default_factory=lambda: BoundedDict(MAX_KEYS)
    )
    _failed: BoundedDict[str, None] = field(default_factory=lambda: BoundedDict(MAX_KEYS))

    def add(self, transaction: SaleTransaction) -> SaleTransaction:
        """Register a transaction; for a repeat, return the one registered under its reference."""
        return self._transactions.setdefault(transaction.reference, transaction)

    def remove(self, transaction: SaleTransaction) -> None:
        """Forget a transaction that was never worked on."""
        self._transactions.pop(transaction.reference, None)

    def executed(self, transaction: SaleTransaction, reference: str) -> SaleTransaction:
        """The transaction under the reference with which the link executed it.

        Without idempotency keys the link executes a repeat as another transaction.
        """
        known = self._transactions.get(reference)
        if known is not None or not reference:
            return known or transaction
        again = SaleTransaction(
            request=replace(transaction.request, reference=reference),
            merchant_id=transaction.merchant_id,
            created_s=transaction.created_s,
            order_id=transaction.order_id,
            steer=transaction.steer,
            shown=transaction.shown,
            settlements=[_fresh(part) for part in transaction.settlements if not part.is_own],
        )
        return self.add(again)

    def at(self, reference: str) -> SaleTransaction | None:
        """The transaction with our reference."""
        return self._transactions.get(reference)

    def named(self, name: str) -> IdTarget | None:
        """What a Braintree id names; None if unknown."""
        reference, _, item = (decode(name) or "").partition("/")
        transaction = self._transactions.get(reference)
        if transaction is None:
            return None
        if not item:
            return IdTarget(transaction=transaction)
        parts = [*transaction.settlements, *transaction.refunds]
        part = next((part for part in parts if part.is_own and part.item == item), None)
        return IdTarget(transaction=transaction, part=part) if part is not None else None

    def newest_first(self) -> list[SaleTransaction]:
        """Every transaction, newest first."""
        return list(reversed(self._transactions.values()))

    def followed(self, target: str, key: str) -> KeyedRequest | None:
        """What was requested at this path under this key before, None for a new key."""
        return self._followed.get((target, key)) if key else None

    def follow(self, followed: KeyedRequest, target: str, key: str) -> None:
        """Remember what was requested under a key."""
        if key:
            self._followed[target, key] = followed

    def fail(self, key: str) -> None:
        """Remember that the request of a key was refused."""
        if key:
            self._failed[key] = None

    def has_failed(self, key: str) -> bool:
        """Whether the first request with a key was refused."""
        return key in self._failed


def _fresh(part: SettlementOrRefund) -> SettlementOrRefund:
    return SettlementOrRefund(
        item=part.item,
        amount_minor=part.amount_minor,
        created_s=part.created_s,
        is_own=False,
    )
