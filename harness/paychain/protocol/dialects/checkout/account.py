"""State of a mocked Checkout.com account: payments and actions by reference, and used keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from paychain.payments.bounded import BoundedDict
from paychain.payments.instrument import Instrument
from paychain.payments.rules.position import REPEAT
from paychain.protocol.dialects.checkout.errors import Invalid, failure
from paychain.protocol.message import PaymentRequest
from paychain.protocol.short_ids import LONG, lengthen, shorten
from paychain.protocol.vendor import Backend, known_key
from paychain.protocol.vendor_attempts import Attempts
from paychain.protocol.vendor_ids import BASE32, decode, encode
from paychain.protocol.vendor_ignored import Ignored
from paychain.wire.http import HttpRequest, HttpResponse

HOSTS = ("*.checkout.com",)  # where its real API is
KEY = "cko-idempotency-key"
SIMULATE, IGNORE = "simulate", "ignore"
MAX_PAYMENTS = 200_000  # the oldest are forgotten first
MAX_PAGES = 100_000
MAX_KEYS = 200_000
MAX_KEPT = 100_000
CAPTURE, REFUND, VOID = "c", "r", "v"
Stage = Literal["", "pending", "failed"]


@dataclass(slots=True, kw_only=True)
class Action:
    """A capture, refund or void as requested. `item`: its name, whose first letter is its kind.

    `is_refused`: this link declined it.
    """

    item: str
    amount_minor: int
    reference: str
    requested_s: int
    is_refused: bool = False


@dataclass(slots=True, kw_only=True)
class Payment:
    """A payment as requested. `request` authorises it.

    `stage`: of its authentication, `pending` until the customer returns. `code`: Checkout.com's
    response code, "" while it is unknown. `page`: the one that it is an attempt on. `failed`: how
    many looks at the bank's page the link failed to work on.
    """

    request: PaymentRequest
    merchant_reference: str
    requested_s: int
    expiry: tuple[int, int] = (12, 2030)  # month and year
    metadata: dict[str, Any] = field(default_factory=dict)
    stage: Stage = ""
    code: str = ""
    success_url: str = ""
    failure_url: str = ""
    customer: Customer | None = None  # who pays it
    stored: str = ""  # the id under which its card is kept for that customer
    actions: list[Action] = field(default_factory=list)
    page: Page | None = None
    failed: int = 0

    @property
    def reference(self) -> str:
        """Our reference, by which every link knows the payment."""
        return self.request.reference


@dataclass(slots=True, kw_only=True)
class Page:
    """A page where a customer pays."""

    id: str
    body: dict[str, Any]
    created_s: int
    attempts: Attempts = field(default_factory=Attempts)


@dataclass(slots=True, kw_only=True)
class Customer:
    """A customer. `said`: what the merchant wrote; `default`: the id of the card that pays.

    `is_kept`: it has been kept, although it may have been deleted since.
    """

    id: str
    email: str
    said: dict[str, Any]
    default: str = ""
    is_kept: bool = False


@dataclass(slots=True, kw_only=True)
class StoredCard:
    """An instrument: a card that is kept. `expiry`: month and year."""

    id: str
    instrument: Instrument
    expiry: tuple[int, int]
    customer: str
    holder: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Account:
    """The account of one link. `simulates`: test amounts are declined."""

    backend: Backend
    simulates: bool
    _payments: BoundedDict[str, Payment] = field(init=False)
    _by_merchant: dict[str, list[str]] = field(default_factory=dict)
    _repeats: BoundedDict[tuple[str, str], Action] = field(
        default_factory=lambda: BoundedDict(MAX_KEYS)
    )
    _numbers: Counter[tuple[str, str]] = field(default_factory=Counter)
    ignored: Ignored = field(default_factory=Ignored)
    pages: BoundedDict[str, Page] = field(default_factory=lambda: BoundedDict(MAX_PAGES))  # by id
    pages_created: int = 0
    customers: BoundedDict[str, Customer] = field(default_factory=lambda: BoundedDict(MAX_KEPT))
    # Every payment with a customer looks these up. What they lead to is checked: it may have gone.
    _by_email: BoundedDict[str, Customer] = field(default_factory=lambda: BoundedDict(MAX_KEPT))
    _by_owner: BoundedDict[tuple[str, Instrument], StoredCard] = field(
        default_factory=lambda: BoundedDict(MAX_KEPT)
    )
    cards: BoundedDict[str, StoredCard] = field(default_factory=lambda: BoundedDict(MAX_KEPT))
    kept: int = 0  # customers and cards, ever
    # What each key paid, whose repeat is answered whatever became of the card since.
    paid: BoundedDict[str, Payment] = field(default_factory=lambda: BoundedDict(MAX_KEYS))
    _requests: int = 0

    def __post_init__(self) -> None:
        """Forget a payment's indexes together with the payment."""
        self._payments = BoundedDict(MAX_PAYMENTS, self._forget)

    @classmethod
    def of(cls, backend: Backend, settings: Mapping[str, Any]) -> Account:
        """The account that a chain declares."""
        return cls(backend=backend, simulates=settings.get("test_amounts", IGNORE) == SIMULATE)

    def key(self, http: HttpRequest) -> str:
        """The idempotency key of a request, "" when it has none."""
        return http.headers.get(KEY, "")

    def known_key(self, http: HttpRequest) -> str:
        """Under which its key is remembered; "" if the link ignores keys."""
        return known_key(self.backend, self.key(http))

    def request_id(self) -> str:
        """A new request id in the form of a UUID."""
        self._requests += 1
        digits = f"{self._requests:032x}"
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        return "-".join(parts)

    def refused(self, name: str) -> HttpResponse:
        """The answer to a request that is not executed. `name`: a line of data/errors.yaml."""
        return failure(name, self.request_id())

    def add(self, payment: Payment) -> Payment:
        """Register a payment; for a repeat, return the one registered under its reference."""
        known = self.payment(payment.reference)
        if known is not None:
            return known
        self._payments[payment.reference] = payment
        self._by_merchant.setdefault(payment.merchant_reference, []).append(payment.reference)
        # A sale's immediate capture counts as its first.
        self._numbers[payment.reference, CAPTURE] = int(payment.request.is_sale)
        return payment

    def payment(self, reference: str) -> Payment | None:
        """The payment with our reference, also for the reference of a repeated execution."""
        return self._payments.get(reference.partition(REPEAT)[0])

    def customer_named(self, email: str) -> Customer | None:
        """The customer with an email address."""
        known = self._by_email.get(email)
        is_theirs = known is not None and known.email == email and known.id in self.customers
        return known if is_theirs else None

    def keep_customer(self, customer: Customer) -> None:
        """Keep a customer, or what was changed of one."""
        customer.is_kept = True
        self.customers[customer.id] = customer
        # Anew, so that it is forgotten no sooner than the customer.
        self._by_email.pop(customer.email, None)
        self._by_email[customer.email] = customer

    def keep_card(self, card: StoredCard, owner: Customer | None) -> None:
        """Keep a card, for nobody or for a customer."""
        self.cards[card.id] = card
        if owner is not None:
            card.customer = owner.id
            self._by_owner.pop((owner.id, card.instrument), None)
            self._by_owner[owner.id, card.instrument] = card

    def card_of(self, owner: Customer, charged: Instrument) -> StoredCard | None:
        """The card that is kept for a customer already."""
        card = self._by_owner.get((owner.id, charged))
        is_theirs = card is not None and card.id in self.cards and card.customer == owner.id
        return card if is_theirs else None

    def charged(self, source: dict[str, Any]) -> tuple[Instrument, tuple[int, int]] | None:
        """The kept card that a payment's source names, and its expiry; None for another source.

        Raises Invalid for an unknown customer, or one that has no card.
        """
        name = str(source.get("id") or "")
        if source.get("type") == "customer":
            customer = self.customers.get(name)
            if customer is None or customer.default not in self.cards:
                raise Invalid("no_customer" if customer is None else "no_instrument")
            name = customer.default
        elif source.get("type") != "id":
            return None
        card = self.cards.get(name)
        return (card.instrument, card.expiry) if card is not None else None

    def by_merchant_reference(self, merchant_reference: str) -> list[Payment]:
        """The payments with a merchant's reference, newest first."""
        references = self._by_merchant.get(merchant_reference, [])
        return [self._payments[reference] for reference in reversed(references)]

    def repeated(self, http: HttpRequest) -> Action | None:
        """The action that a request repeats under its key; None for a new one."""
        key = self.known_key(http)
        return self._repeats.get((http.target, key)) if key else None

    def act(self, payment: Payment, kind: str, amount_minor: int, http: HttpRequest) -> Action:
        """Register an action before it is executed: its webhook comes even without its answer."""
        self._numbers[payment.reference, kind] += 1
        action = Action(
            item=f"{kind}{self._numbers[payment.reference, kind]}",
            amount_minor=amount_minor,
            reference="",
            requested_s=self.backend.now_s(),
        )
        payment.actions.append(action)
        if key := self.known_key(http):
            self._repeats[http.target, key] = action
        return action

    def _forget(self, reference: str, oldest: Payment) -> None:
        others = self._by_merchant[oldest.merchant_reference]
        others.remove(reference)
        if not others:
            del self._by_merchant[oldest.merchant_reference]
        for kind in (CAPTURE, REFUND, VOID):
            self._numbers.pop((reference, kind), None)


def payment_id(reference: str) -> str:
    """Checkout.com's id of an authorisation."""
    return f"pay_{_digits(reference)}"


def session_id(reference: str) -> str:
    """Checkout.com's id of an authorisation's authentication."""
    return f"sid_{_digits(reference)}"


def action_id(reference: str, item: str) -> str:
    """Checkout.com's id of an action; the item "a1" is the authorisation itself."""
    return f"act_{_digits(f'{reference}/{item}')}"


def reference_of(name: str) -> str:
    """Our reference from the id of a payment or its authentication, "" for any other text."""
    if not name.startswith(("pay_", "sid_")):
        return ""
    found = lengthen(name[4:], LONG) or decode(name[4:], BASE32) or ""
    return "" if "/" in found else found


def _digits(reference: str) -> str:
    """26 characters, like Checkout.com's ids; more for a reference that does not fit."""
    return shorten(reference, LONG) or encode(reference, BASE32)
