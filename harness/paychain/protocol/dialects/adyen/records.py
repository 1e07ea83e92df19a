"""The records of one link: payments by our reference, their modifications, and used keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from paychain.payments.bounded import BoundedDict
from paychain.payments.instrument import Instrument
from paychain.payments.rules.position import REPEAT
from paychain.protocol.dialects.adyen.tables import Reason
from paychain.protocol.message import PaymentRequest

MAX_PAYMENTS = 200_000  # the oldest are forgotten first
MAX_MODIFICATIONS = 400_000
MAX_KEYS = 200_000


@dataclass(slots=True, kw_only=True)
class Payment:
    """One payment as it was requested.

    `request` authorises it. `stage`: what authentication waits for, "" when there is none. `steer`:
    the refusal that a test requested. `reason`: why it was refused, once that is known.
    """

    request: PaymentRequest
    merchant_account: str
    merchant_reference: str
    expiry: str
    return_url: str = ""
    stage: str = ""
    steer: Reason | None = None
    is_received: bool = False
    reason: str = ""
    holder: str = ""
    shopper: str = ""  # the merchant's name for it
    keeps: bool = False  # store the card for its shopper once it has paid
    stored: str = ""  # the id under which its card is stored

    @property
    def reference(self) -> str:
        """Our reference, by which every link knows the payment."""
        return self.request.reference


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCard:
    """A shopper's card, which later payments name by its id."""

    id: str
    merchant_account: str
    shopper: str
    instrument: Instrument
    expiry: str
    holder: str


@dataclass(slots=True, kw_only=True)
class Modification:
    """A capture, refund, cancel or update of the amount, as it was first requested.

    `reference`: our reference of its payment. `item`: its own name. `operation`: what the link
    executes for it; `query` where there is nothing to do and the mock reports the outcome itself
    (`is_reported`).
    """

    reference: str
    item: str
    operation: str
    merchant_account: str
    merchant_reference: str
    is_reported: bool = False


@dataclass(slots=True, kw_only=True)
class Page:
    """A page where a shopper pays, for a session or a payment link.

    `body`: the merchant's request. `references`: our references of the payments that were tried on
    it. `in_progress`: the number of requests that are working on one. `failed`: of those on which
    the link has not worked.
    """

    id: str
    body: dict[str, Any]
    made_s: int
    expires_s: int
    is_expired: bool = False
    references: list[str] = field(default_factory=list)
    in_progress: int = 0
    failed: int = 0


@dataclass(slots=True)
class Records:
    """The objects of one link."""

    _payments: BoundedDict[str, Payment] = field(init=False)
    _by_merchant: dict[str, list[str]] = field(default_factory=dict)
    _modifications: BoundedDict[tuple[str, str], Modification] = field(
        default_factory=lambda: BoundedDict(MAX_MODIFICATIONS)
    )
    _repeats: BoundedDict[tuple[str, str], Modification] = field(
        default_factory=lambda: BoundedDict(MAX_KEYS)
    )
    _numbers: BoundedDict[tuple[str, str], int] = field(
        default_factory=lambda: BoundedDict(MAX_MODIFICATIONS)
    )

    def __post_init__(self) -> None:
        """Forget the merchant's reference together with its payment."""
        self._payments = BoundedDict(MAX_PAYMENTS, self._forget)

    def add(self, payment: Payment) -> Payment:
        """Register a payment; for a repeat, return the one registered under its reference."""
        known = self.payment(payment.reference)
        if known is not None:
            return known
        self._payments[payment.reference] = payment
        self._by_merchant.setdefault(payment.merchant_reference, []).append(payment.reference)
        # A sale is captured at once: that is its first capture.
        self._numbers[payment.reference, "c"] = int(payment.request.is_sale)
        return payment

    def payment(self, reference: str) -> Payment | None:
        """The payment with our reference, which may name any execution of it."""
        return self._payments.get(reference.partition(REPEAT)[0])

    def latest(self, merchant_reference: str) -> Payment | None:
        """The last payment that a merchant gave this reference.

        Deduced: Adyen does not publish which one a cancel by reference applies to when several have
        it.
        """
        references = self._by_merchant.get(merchant_reference)
        return self._payments.get(references[-1]) if references else None

    def next_item(self, kind: str, reference: str) -> str:
        """The name of the next modification of its kind."""
        number = self._numbers.get((reference, kind), 0) + 1
        self._numbers[reference, kind] = number
        return f"{kind}{number}"

    def repeated(self, key: tuple[str, str] | None) -> Modification | None:
        """The modification that this path and key stood for before; None for a new request."""
        return self._repeats.get(key) if key is not None else None

    def modify(self, modification: Modification, key: tuple[str, str] | None) -> None:
        """Register a modification, and the path and key of its request."""
        self._modifications[modification.reference, modification.item] = modification
        if key is not None:
            self._repeats[key] = modification

    def modification(self, reference: str, item: str) -> Modification | None:
        """The modification with this name, which may name any execution of it."""
        return self._modifications.get((reference.partition(REPEAT)[0], item.partition(REPEAT)[0]))

    def _forget(self, reference: str, oldest: Payment) -> None:
        others = self._by_merchant[oldest.merchant_reference]
        others.remove(reference)
        if not others:
            del self._by_merchant[oldest.merchant_reference]


def modification_of(request: PaymentRequest) -> tuple[str, str]:
    """The payment and the modification of it that a request executes, first or repeated."""
    return request.reference.partition(REPEAT)[0], request.item.partition(REPEAT)[0]
