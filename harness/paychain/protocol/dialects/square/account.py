"""State of a mocked Square account: payments and refunds by our reference, and their keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import msgspec

from paychain.payments.bounded import BoundedDict
from paychain.payments.instrument import Instrument
from paychain.payments.rules.position import REPEAT
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.square.errors import Invalid
from paychain.protocol.dialects.square.order_sums import OrderSums
from paychain.protocol.json_text import decoded
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import Backend, known_key
from paychain.protocol.vendor_attempts import Attempts
from paychain.protocol.vendor_ids import decode, encode
from paychain.protocol.vendor_ignored import Ignored
from paychain.protocol.vendor_keyed import Keyed, Made, MadeByKey
from paychain.wire.http import HttpRequest

HOSTS = ("connect.squareup.com", "connect.squareupsandbox.com")  # where its real API is
MAX_PAYMENTS = 200_000  # the oldest are forgotten first
MAX_KEYS = 200_000
MAX_LINKS = 100_000
MAX_ORDERS = 200_000
MAX_CUSTOMERS = 100_000
LOCATION = "LPAYCHAIN0001"
CANCEL_BY_KEY = "v2/payments/cancel"


@dataclass(slots=True, kw_only=True)
class Refund:
    """A refund as requested. `item`: its name within the payment; `is_refused`: declined here."""

    item: str
    amount_minor: int
    reason: str
    requested_s: int
    is_refused: bool = False


@dataclass(slots=True, kw_only=True)
class Payment:
    """A payment as requested. `request` authorises it, amount and tip together.

    `to_capture_minor`: what completing it captures. `failure`: Square's code for its decline, "" if
    it was not declined.
    """

    request: PaymentRequest
    tip_minor: int
    to_capture_minor: int
    requested_s: int
    updated_s: int
    echoed: dict[str, Any]  # fields of the request that the payment repeats
    failure: str = ""
    refunds: list[Refund] = field(default_factory=list)

    @property
    def reference(self) -> str:
        """Our reference, by which every link knows the payment."""
        return self.request.reference


@dataclass(slots=True, kw_only=True)
class Order:
    """What is sold. `asked`: as it was requested, each of its parts with a uid.

    `attempts`: the payments that name it.
    """

    id: str
    asked: dict[str, Any]
    sums: OrderSums
    created_s: int
    updated_s: int
    version: int = 1
    is_canceled: bool = False
    is_marked_paid: bool = False  # one that costs nothing
    attempts: Attempts = field(default_factory=Attempts)

    @property
    def texts(self) -> tuple[str, ...]:
        """What the merchant wrote about it."""
        metadata = self.asked.get("metadata")
        values = metadata.values() if isinstance(metadata, dict) else ()
        return tuple(
            each for each in (self.asked.get("reference_id"), *values) if isinstance(each, str)
        )


@dataclass(slots=True, kw_only=True)
class PaymentLink:
    """A page of Square's where one customer pays an order."""

    id: str
    order: Order
    echoed: dict[str, Any]  # fields of the request that the link repeats
    redirect_url: str
    created_s: int


@dataclass(slots=True, kw_only=True)
class StoredCard:
    """A card on file. `shown`: as the API shows it."""

    instrument: Instrument
    customer: str
    shown: dict[str, Any]
    declined_as: str = ""  # a card that is declined is not kept


@dataclass(slots=True, kw_only=True)
class Account:
    """The account of one link. `notification_url`: the URL its webhooks are signed for."""

    backend: Backend
    location: str
    notification_url: str
    payments: BoundedDict[str, Payment] = field(default_factory=lambda: BoundedDict(MAX_PAYMENTS))
    links: BoundedDict[str, PaymentLink] = field(default_factory=lambda: BoundedDict(MAX_LINKS))
    links_by_key: MadeByKey[PaymentLink] = field(default_factory=lambda: MadeByKey(MAX_LINKS))
    orders: BoundedDict[str, Order] = field(default_factory=lambda: BoundedDict(MAX_ORDERS))
    orders_by_key: MadeByKey[Order] = field(default_factory=lambda: MadeByKey(MAX_ORDERS))
    ids_made: int = 0
    customers: BoundedDict[str, dict[str, Any]] = field(
        default_factory=lambda: BoundedDict(MAX_CUSTOMERS)
    )
    cards: BoundedDict[str, StoredCard] = field(default_factory=lambda: BoundedDict(MAX_CUSTOMERS))
    customers_by_key: MadeByKey[dict[str, Any]] = field(
        default_factory=lambda: MadeByKey(MAX_CUSTOMERS)
    )
    cards_by_key: MadeByKey[StoredCard] = field(default_factory=lambda: MadeByKey(MAX_CUSTOMERS))
    _keys: BoundedDict[str, str] = field(default_factory=lambda: BoundedDict(MAX_KEYS))
    _refunds: BoundedDict[str, Refund] = field(default_factory=lambda: BoundedDict(MAX_KEYS))
    _numbers: Counter[str] = field(default_factory=Counter)
    ignored: Ignored = field(default_factory=Ignored)

    @classmethod
    def of(cls, backend: Backend, settings: Mapping[str, Any]) -> Account:
        """The account that a chain declares."""
        return cls(
            backend=backend,
            location=settings.get("location", LOCATION),
            notification_url=settings.get("notification_url", ""),
        )

    def key(self, http: HttpRequest) -> str:
        """The idempotency key of a request, which is in its body; "" when it has none.

        The key in a cancel by key belongs to the request to be cancelled.
        """
        if http.method == "GET" or http.target.strip("/") == CANCEL_BY_KEY:
            return ""
        try:
            body = decoded(http.body) if http.body else {}
        except msgspec.MsgspecError:
            return ""
        key = body.get("idempotency_key") if isinstance(body, dict) else ""
        return key if isinstance(key, str) else ""

    def add(self, payment: Payment, key: str) -> Payment:
        """Register a payment; for a repeat, return the one registered under its reference."""
        known = self.payment(payment.reference)
        if known is not None:
            return known
        self.payments[payment.reference] = payment
        if key:
            self._keys[self.backend.key_now(key)] = payment.reference
        return payment

    def payment(self, reference: str) -> Payment | None:
        """The payment with our reference, also for the reference of a repeated execution."""
        return self.payments.get(reference.partition(REPEAT)[0])

    def by_key(self, key: str) -> Payment | None:
        """The payment requested under a key."""
        return self.payments.get(self._keys.get(self.backend.key_now(key), ""))

    def executed_by_key(self, key: str) -> Payment | None:
        """The payment that the link has executed under a key, where it knows keys."""
        known = self.by_key(key) if self.backend.knows_keys else None
        return known if known and self.backend.entry(known.reference) is not None else None

    def begin(
        self,
        made: MadeByKey[Made],
        http: HttpRequest,
        body: dict[str, Any],
        new: Callable[[], Made],
    ) -> Keyed[Made]:
        """What a request makes, or the first one under its key. Raises Invalid for another body."""
        key = known_key(self.backend, self.key(http))
        keyed = made.begin(key or None, body, new)
        if keyed.body != body:
            raise Invalid("key_mismatch", field="idempotency_key")
        return keyed

    def charged(self, source: str, customer: str) -> tuple[Instrument, str] | None:
        """The card of a payment, or a card on file of a customer, and "" as it is not declined.

        None for any other source. Raises Invalid for a card that this customer cannot pay with.
        """
        stored = self.cards.get(source)
        if stored is not None:
            if not customer:
                raise Invalid("missing", field="customer_id")
            if stored.customer != customer:
                raise Invalid("token", field="source_id")
            if not stored.shown["enabled"]:
                raise Invalid("card_disabled", field="source_id")
            return stored.instrument, ""
        paid = self.payment(reference_of(source))
        if paid is None or status(self.backend.entry(paid.reference)) in ("FAILED", "PENDING"):
            return None
        return paid.request.instrument, ""

    def refund(self, payment: Payment, amount_minor: int, reason: str, key: str) -> Refund:
        """Register a refund before it is executed; a repeated key returns the registered one."""
        known = self.refund_of(key)
        if known is not None:
            return known
        self._numbers[payment.reference] += 1
        made = Refund(
            item=f"r{self._numbers[payment.reference]}",
            amount_minor=amount_minor,
            reason=reason,
            requested_s=self.backend.now_s(),
        )
        payment.refunds.append(made)
        if key:
            self._refunds[self.backend.key_now(key)] = made
        return made

    def withdraw(self, payment: Payment, made: Refund, key: str) -> None:
        """Forget a refund that was never worked on."""
        payment.refunds[:] = [each for each in payment.refunds if each is not made]
        self._refunds.pop(self.backend.key_now(key), None)

    def refund_of(self, key: str) -> Refund | None:
        """The refund requested under a key; None for a new one."""
        return self._refunds.get(known_key(self.backend, key))


def status(entry: BookEntry | None) -> str:
    """The status of a payment."""
    if entry is None or entry.state == "in_flight":
        return "PENDING"
    if entry.request is None:
        return "FAILED"
    if entry.captured_minor:
        return "COMPLETED"
    return "APPROVED" if entry.state == "authorised" else "CANCELED"


def merchant_id(account: Account) -> str:
    """Square's id of the account's owner."""
    return f"ML{crc32(account.location.encode()):010d}"


def payment_id(reference: str) -> str:
    """Square's id of an authorisation."""
    return encode(reference)


def order_id(reference: str) -> str:
    """Square's id of the order that it makes for a payment that names none."""
    return encode(f"{reference}/o1")


def reference_of_order(name: str) -> str:
    """Our reference from the id of such an order, "" for any other text."""
    reference, _, item = (decode(name) or "").partition("/")
    return reference if item == "o1" else ""


def refund_id(reference: str, item: str) -> str:
    """Square's id of a refund: the payment's id and its own."""
    return f"{encode(reference)}_{encode(f'{reference}/{item}')}"


def reference_of(name: str) -> str:
    """Our reference from the id of a payment, "" for any other text."""
    found = decode(name) or ""
    return "" if "/" in found else found


def refund_of(name: str) -> tuple[str, str]:
    """Our reference and the item from the id of a refund; empty for any other text."""
    reference, _, item = (decode(name.partition("_")[2]) or "").partition("/")
    return (reference, item) if item else ("", "")
