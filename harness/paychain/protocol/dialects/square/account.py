"""What one link knows as Square: payments and refunds by our reference, and their keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from paychain.payments.bounded import BoundedDict
from paychain.payments.rules.position import REPEAT
from paychain.protocol.dialect import BookEntry
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import Backend
from paychain.protocol.vendor_ids import decode, encode
from paychain.protocol.vendor_ignored import Ignored
from paychain.wire.http import HttpRequest

MAX_PAYMENTS = 200_000  # the oldest are forgotten first
MAX_KEYS = 200_000
MAX_LINKS = 100_000
LOCATION = "LPAYCHAIN0001"
CANCEL_BY_KEY = "v2/payments/cancel"


@dataclass(slots=True, kw_only=True)
class Refund:
    """A refund as it was asked for. `item`: its own name; `is_refused`: this link declined it."""

    item: str
    amount_minor: int
    reason: str
    asked_s: int
    is_refused: bool = False


@dataclass(slots=True, kw_only=True)
class Payment:
    """One payment as it was asked for. `request` authorises it, amount and tip together.

    `wanted_minor`: what is captured when it is completed. `failure`: Square's code of its decline.
    """

    request: PaymentRequest
    tip_minor: int
    wanted_minor: int
    asked_s: int
    changed_s: int
    shown: dict[str, Any]  # what the payment repeats of its request
    failure: str = ""
    refunds: list[Refund] = field(default_factory=list)

    @property
    def reference(self) -> str:
        """Ours, which names it on every link."""
        return self.request.reference


@dataclass(slots=True, kw_only=True)
class PaymentLink:
    """A page of Square's where one customer pays. `order`: what is sold, as it was asked for.

    `references`: ours, of the payments that were tried on it.
    """

    id: str
    order_id: str
    order: dict[str, Any]
    shown: dict[str, Any]  # what the link repeats of its request
    redirect_url: str
    amount_minor: int
    currency: str
    made_s: int
    references: list[str] = field(default_factory=list)
    is_known: bool = False  # the link has taken the request that makes it


@dataclass(slots=True, kw_only=True)
class Account:
    """The account of one link. `notification_url`: what its webhooks are signed for."""

    backend: Backend
    location: str
    notification_url: str
    payments: BoundedDict[str, Payment] = field(default_factory=lambda: BoundedDict(MAX_PAYMENTS))
    links: BoundedDict[str, PaymentLink] = field(default_factory=lambda: BoundedDict(MAX_LINKS))
    links_of_keys: BoundedDict[str, PaymentLink] = field(
        default_factory=lambda: BoundedDict(MAX_LINKS)
    )
    links_made: int = 0
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

        A cancel by key names another request's.
        """
        if http.method == "GET" or http.target.strip("/") == CANCEL_BY_KEY:
            return ""
        try:
            body = msgspec.json.decode(http.body) if http.body else {}
        except msgspec.MsgspecError:
            return ""
        key = body.get("idempotency_key") if isinstance(body, dict) else ""
        return key if isinstance(key, str) else ""

    def add(self, payment: Payment, key: str) -> Payment:
        """Know a payment, or find the one that has its reference already: a repeat."""
        known = self.payment(payment.reference)
        if known is not None:
            return known
        self.payments[payment.reference] = payment
        if key:
            self._keys[key] = payment.reference
        return payment

    def payment(self, reference: str) -> Payment | None:
        """The payment with our reference, whichever execution of it is meant."""
        return self.payments.get(reference.partition(REPEAT)[0])

    def of_key(self, key: str) -> Payment | None:
        """The payment that was asked for under a key."""
        return self.payments.get(self._keys.get(key, ""))

    def refund(self, payment: Payment, amount_minor: int, reason: str, key: str) -> Refund:
        """Know a refund before it is executed, or find the one that its key asked for."""
        known = self.refund_of(key)
        if known is not None:
            return known
        self._numbers[payment.reference] += 1
        made = Refund(
            item=f"r{self._numbers[payment.reference]}",
            amount_minor=amount_minor,
            reason=reason,
            asked_s=self.backend.now_s(),
        )
        payment.refunds.append(made)
        if key:
            self._refunds[key] = made
        return made

    def withdraw(self, payment: Payment, made: Refund, key: str) -> None:
        """Forget a refund that was never worked on."""
        payment.refunds[:] = [each for each in payment.refunds if each is not made]
        self._refunds.pop(key, None)

    def refund_of(self, key: str) -> Refund | None:
        """The refund that a key asked for; None for a new one."""
        return self._refunds.get(key) if self.backend.knows_keys else None


def status(entry: BookEntry | None) -> str:
    """The status of a payment."""
    if entry is None or entry.state == "in_flight":
        return "PENDING"
    if entry.request is None:
        return "FAILED"
    if entry.captured_minor:
        return "COMPLETED"
    return "APPROVED" if entry.state == "authorised" else "CANCELED"


def payment_id(reference: str) -> str:
    """Square's id of an authorisation."""
    return encode(reference)


def refund_id(reference: str, item: str) -> str:
    """Square's id of a refund: its payment's, and its own."""
    return f"{encode(reference)}_{encode(f'{reference}/{item}')}"


def reference_of(name: str) -> str:
    """Our reference from the id of a payment, "" for any other text."""
    found = decode(name) or ""
    return "" if "/" in found else found


def refund_of(name: str) -> tuple[str, str]:
    """Our reference and the item from the id of a refund; empty for any other text."""
    reference, _, item = (decode(name.partition("_")[2]) or "").partition("/")
    return (reference, item) if item else ("", "")
