"""The records of one link: orders, the charges of each, their captures and refunds.

The book alone says whether money is held, captured or refunded. These records only hold what was
requested, so that a lost answer or an error after the work changes nothing in them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from paychain.payments.bounded import BoundedDict
from paychain.payments.rules.position import REPEAT
from paychain.protocol.dialect import BookEntry
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.short_ids import lengthen, shorten
from paychain.protocol.vendor_ids import UPPER, decode, encode
from paychain.protocol.vendor_parts import booked_parts

MAX_ORDERS = 200_000  # the oldest are forgotten first
MAX_KEYS = 200_000
ORDER, AUTHORIZATION = "o1", "a1"  # in the ids of an order and of an authorisation
CAPTURE, AUTHORIZE = "CAPTURE", "AUTHORIZE"


def made_id(reference: str, item: str) -> str:
    """An id of PayPal's, in digits and upper-case letters."""
    whole = f"{reference}/{item}"
    return shorten(whole) or encode(whole, UPPER)


def read_id(name: str) -> tuple[str, str]:
    """The reference and item that an id was made from; empty for any other text."""
    whole = lengthen(name) or decode(name, UPPER) or ""
    reference, _, item = whole.partition("/")
    return reference, item


@dataclass(slots=True, kw_only=True)
class CaptureOrRefund:
    """A capture or refund that was requested.

    Amounts in minor units. `of`: the capture that is refunded. `state`: done or failed, by its
    answer; "" if no answer has arrived here.
    """

    item: str
    amount_minor: int
    created_s: int
    of: str = ""
    is_final: bool = False
    state: str = ""
    shown: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Charge:
    """One charge of the payer's card or wallet.

    `response`: the decline that a test requests. `was_stuck`: it was answered before the link had
    begun it.
    """

    request: PaymentRequest
    created_s: int
    is_card: bool
    response: str = ""
    answer: Answer | None = None
    was_stuck: bool = False
    captures: list[CaptureOrRefund] = field(default_factory=list)
    refunds: list[CaptureOrRefund] = field(default_factory=list)

    @property
    def reference(self) -> str:
        """Names the authorisation in the book."""
        return self.request.reference

    def captured(self, entry: BookEntry | None) -> list[CaptureOrRefund]:
        """The captures that the book has.

        Of a partial approval, the approved part is captured: of the units in their order.
        """
        booked = entry.request if entry is not None else None
        if self.request.is_sale and booked is not None:
            rest_minor = booked.amount_minor
            for part in self.captures:
                part.amount_minor = min(part.amount_minor, rest_minor)
                rest_minor -= part.amount_minor
        return booked_parts(self.captures, entry.captured_minor if entry else 0)

    def refunded(self, entry: BookEntry | None, of: str = "") -> list[CaptureOrRefund]:
        """The refunds that the book has, of one capture or of all."""
        total_minor = entry.refunded_minor if entry is not None else 0
        found = booked_parts(self.refunds, total_minor)
        return [part for part in found if not of or part.of == of]


@dataclass(slots=True, kw_only=True)
class Tracker:
    """A shipment of what one of an order's units sold. `id`: of its capture and its number."""

    id: str
    unit: int
    items: list[Any]
    created_s: int
    updated_s: int
    status: str = "SHIPPED"


@dataclass(slots=True, kw_only=True)
class Order:
    """An order as it was created.

    `request`: the first charge, of all `units` together, except for what pays it. `source`: what
    pays it, as it is shown; the request's `instrument` is its card. `waits`: for the payer.
    `base`: where the service that made it reaches the API.
    """

    request: PaymentRequest
    intent: str
    created_s: int
    units: list[dict[str, Any]]
    base: str
    source: dict[str, Any] = field(default_factory=dict)
    is_card: bool = False
    is_paid: bool = False  # what pays it is known
    waits: bool = False
    response: str = ""
    return_url: str = ""  # where the payer is sent after approving it, and after cancelling
    cancel_url: str = ""
    keeps_for: str | None = None  # as a source's
    kept: tuple[str, str] | None = None  # in the vault: the id of its token, and its customer
    charges: list[Charge] = field(default_factory=list)
    trackers: list[Tracker] = field(default_factory=list)

    @property
    def reference(self) -> str:
        """The reference of its first charge, from which its id is made."""
        return self.request.reference

    @property
    def id(self) -> str:
        """PayPal's id of the order."""
        return made_id(self.reference, ORDER)

    def unit_of(self, capture: str) -> int:
        """Which of its units a capture is of: each has its own where it is captured at once."""
        return int(capture[1:]) - 1 if self.intent == CAPTURE else 0

    @property
    def charge(self) -> Charge | None:
        """The latest charge, None before the first."""
        return self.charges[-1] if self.charges else None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTarget:
    """What an id of a payment names: a charge's authorisation, or a capture or refund of it."""

    order: Order
    charge: Charge
    part: CaptureOrRefund | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """The request that was made under a key: a repeat makes the same one, whatever its outcome."""

    operation: str
    request: PaymentRequest
    order: Order
    charge: Charge | None = None
    part: CaptureOrRefund | None = None


@dataclass(slots=True)
class Records:
    """The objects of one link."""

    _orders: BoundedDict[str, Order] = field(init=False)
    _by_charge: dict[str, tuple[Order, Charge]] = field(default_factory=dict)
    _followed: BoundedDict[tuple[str, str], KeyedRequest] = field(
        default_factory=lambda: BoundedDict(MAX_KEYS)
    )
    _made: int = 0

    def __post_init__(self) -> None:
        """Forget an order with its charges."""
        self._orders = BoundedDict(MAX_ORDERS, self._forget)

    def add(self, order: Order) -> Order:
        """Register an order; for a repeat, return the one registered under its reference."""
        return self._orders.setdefault(order.reference, order)

    def _forget(self, _reference: str, oldest: Order) -> None:
        for charge in oldest.charges:
            self._by_charge.pop(charge.reference, None)

    def present(self, order: Order, charge: Charge) -> Charge:
        """Register a charge of an order."""
        order.charges.append(charge)
        self._by_charge[charge.reference] = (order, charge)
        return charge

    def name_of(self, reference: str) -> str:
        """The id under which PayPal shows a payment: a capture, an authorisation, else an order."""
        found = self._by_charge.get(reference)
        if found is None:
            return made_id(reference, ORDER)
        order, charge = found
        is_captured = order.intent == CAPTURE and charge.captures
        return made_id(reference, charge.captures[0].item if is_captured else AUTHORIZATION)

    def withdraw(self, order: Order, charge: Charge) -> None:
        """Forget a charge that the link never worked on."""
        order.charges = [each for each in order.charges if each is not charge]
        self._by_charge.pop(charge.reference, None)

    def forget(self, order: Order) -> None:
        """Forget an order that nobody knows of."""
        self._orders.pop(order.reference, None)

    def executed(self, order: Order, charge: Charge, reference: str) -> Charge:
        """The charge under the reference that the link executed it as.

        A repeat after a request that came to nothing is executed under a name of its own.
        """
        known = self._by_charge.get(reference)
        if known is not None or not reference:
            return known[1] if known is not None else charge
        captures = [
            CaptureOrRefund(
                item=part.item, amount_minor=part.amount_minor, created_s=part.created_s
            )
            for part in charge.captures
        ]
        again = Charge(
            request=replace(charge.request, reference=reference),
            created_s=charge.created_s,
            is_card=charge.is_card,
            response=charge.response,
            captures=captures,
        )
        return self.present(order, again)

    def is_taken(self, reference: str) -> bool:
        """Whether an order or a charge has this reference."""
        return reference in self._orders or reference in self._by_charge

    def another(self, reference: str, link: str) -> str:
        """A new reference in place of one that is taken."""
        self._made += 1
        return f"{reference}~{link}.o{self._made}"

    def of_reference(self, reference: str) -> Order | None:
        """The order whose first charge has this reference."""
        return self._orders.get(reference)

    def order(self, name: str) -> Order | None:
        """The order that an id names."""
        reference, item = read_id(name)
        return self._orders.get(reference) if item == ORDER else None

    def of_charge(self, reference: str) -> tuple[Order, Charge] | None:
        """The order and charge of an authorisation; its reference may name any execution."""
        return self._by_charge.get(reference) or self._by_charge.get(
            reference.rpartition(REPEAT)[0]
        )

    def payment(self, name: str, kind: str) -> IdTarget | None:
        """What an id names. `kind`, the first letter of its item: a, c or r."""
        reference, item = read_id(name)
        found = self._by_charge.get(reference)
        if found is None or item[:1] != kind:
            return None
        order, charge = found
        if item == AUTHORIZATION:
            return IdTarget(order=order, charge=charge)
        parts = [*charge.captures, *charge.refunds]
        part = next((part for part in parts if part.item == item), None)
        return IdTarget(order=order, charge=charge, part=part) if part is not None else None

    def followed(self, target: str, key: str) -> KeyedRequest | None:
        """The earlier request at this path under this key, None for a new one."""
        return self._followed.get((target, key)) if key else None

    def follow(self, followed: KeyedRequest, target: str, key: str) -> None:
        """Register the request that a key came with."""
        if key:
            self._followed[target, key] = followed

    def unfollow(self, target: str, key: str) -> None:
        """Forget the request that a key came with: it was not executed."""
        self._followed.pop((target, key), None)
