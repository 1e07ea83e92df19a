"""Stripe's records of payments: intents, their charges and refunds.

Amounts in minor units. The book alone says whether money is held, captured or refunded. These
records only hold what was requested, so that a lost answer or an error after the work changes
nothing in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from paychain.payments.bounded import BoundedDict
from paychain.payments.outcome import Outcome
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.stripe.cards import ConfirmationToken, Method, of_card
from paychain.protocol.dialects.stripe.ids import made, read
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.vendor import Backend
from paychain.protocol.vendor_before import Before
from paychain.protocol.vendor_parts import booked_parts

MAX_INTENTS = 100_000  # the oldest are forgotten first
METHOD_ITEM = "m1"  # in the id of a method that came with an intent
CANCELED, SUCCEEDED = "canceled", "succeeded"
REQUIRES_METHOD, REQUIRES_CONFIRMATION = "requires_payment_method", "requires_confirmation"
REQUIRES_ACTION, REQUIRES_CAPTURE = "requires_action", "requires_capture"
PROCESSING = "processing"
PROCESSES = "payment_intent.processing"
COMPLETED = "checkout.session.completed"
SESSION = "cs_test"  # the prefix of a session's id
WAITING_OR_HELD = (
    REQUIRES_METHOD,
    REQUIRES_CAPTURE,
    REQUIRES_CONFIRMATION,
    REQUIRES_ACTION,
    PROCESSING,
)


REFUND_UPDATED = "refund_updated"
UPDATE = "/"  # in the item of an event: after it comes which change of a part it reports


@dataclass(slots=True, kw_only=True)
class CaptureOrRefund:
    """A capture or a refund that was requested. `state` is that of its own answer."""

    item: str
    amount_minor: int
    created_s: int
    state: str = ""  # succeeded, pending, failed; "": no answer has arrived here
    failed_s: int = 0  # when a link behind refused what was answered as succeeded
    updated_s: list[int] = field(default_factory=list)  # when its merchant has changed it
    fields: dict[str, Any] = field(default_factory=dict)


def item_of_update(part: CaptureOrRefund, number: int = 0) -> str:
    """The item of the event about the n-th change of a part; about its last one, unless given."""
    return f"{part.item}{UPDATE}{number or len(part.updated_s)}"


@dataclass(slots=True, kw_only=True)
class Charge:
    """One charge of an intent's card."""

    request: PaymentRequest
    method: Method
    created_s: int
    token: ConfirmationToken | None = None  # that brought the method
    answer: Answer | None = None
    was_unknown: bool = False  # it was `processing` for a while
    is_settled: bool = False  # what becomes of its card is decided
    captures: list[CaptureOrRefund] = field(default_factory=list)
    refunds: list[CaptureOrRefund] = field(default_factory=list)
    dispute: CaptureOrRefund | None = None

    @property
    def reference(self) -> str:
        """Names the authorisation in the book."""
        return self.request.reference

    def next_item(self, kind: Literal["c", "r"]) -> str:
        """The item name of its next capture or refund."""
        parts = self.captures if kind == "c" else self.refunds
        return f"{kind}{1 + max((int(part.item[1:]) for part in parts), default=0)}"

    def refunded(self, entry: BookEntry | None) -> list[CaptureOrRefund]:
        """The refunds that were made, as far as the book shows."""
        return booked_parts(self.refunds, entry.refunded_minor if entry else 0, SUCCEEDED)

    def captured(self, entry: BookEntry | None) -> list[CaptureOrRefund]:
        """The captures that were made, as far as the book shows."""
        return booked_parts(self.captures, entry.captured_minor if entry else 0, SUCCEEDED)


@dataclass(slots=True, kw_only=True)
class Intent:
    """A payment intent. `fields`: the merchant's own values, as they are shown.

    `key`: that of the request which created it. `is_method_new`: its method was set after its last
    charge.
    """

    reference: str  # from which its id is made: its first charge's, unless that has one of its own
    key: str = ""
    first_reference: str = ""
    is_stranger: bool = False  # nothing has shown yet which payment it belongs to
    payment: str
    attempt: int
    amount_minor: int
    currency: str
    created_s: int
    is_manual: bool = False
    is_off_session: bool = False
    return_url: str = ""
    method: Method | None = None
    token: ConfirmationToken | None = None  # that brought the method
    is_method_new: bool = False
    charges: list[Charge] = field(default_factory=list)
    waits: bool = False  # for the customer to authenticate
    is_authenticated: bool = False
    canceled_s: int = 0
    cancellation_reason: str = ""
    error: dict[str, Any] | None = None
    is_busy: bool = False
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """`pi_…`."""
        return made("pi", self.reference)

    @property
    def charge(self) -> Charge | None:
        """The latest charge, None before the first."""
        return self.charges[-1] if self.charges else None

    def status(self, entry: BookEntry | None) -> str:
        """Its status. `entry`: the book entry of its last charge."""
        if entry is not None:
            match entry.state:
                case "in_flight":
                    return PROCESSING
                case "authorised":
                    return REQUIRES_CAPTURE if entry.rest_minor > 0 else SUCCEEDED
                case "voided" | "expired":
                    return SUCCEEDED if entry.captured_minor > 0 else CANCELED
        if self.canceled_s:
            return CANCELED
        if self.waits:
            return REQUIRES_ACTION
        # The network has not answered, and the book has no entry yet.
        answer = self.charge.answer if self.charge is not None else None
        if entry is None and answer is not None and answer.outcome is Outcome.UNKNOWN:
            return PROCESSING
        usable = self.usable_method(entry)
        return REQUIRES_CONFIRMATION if usable is not None else REQUIRES_METHOD

    def usable_method(self, entry: BookEntry | None) -> Method | None:
        """Its payment method, unless that was declined."""
        charge = self.charge
        if charge is None or self.is_method_new or self.waits:
            return self.method
        # A charge that never reached the link leaves the method usable.
        return None if charge.answer is not None or entry is not None else self.method


@dataclass(slots=True, kw_only=True)
class CheckoutSession:
    """A Checkout Session: a page where one customer pays an intent.

    `intent` is known to nobody before the customer has paid. `items`: its lines as they are shown.
    `failed`: how many presses of the page's button the link failed to work on.
    """

    intent: Intent
    items: list[dict[str, Any]]
    success_url: str
    cancel_url: str
    is_hosted: bool  # on a page of Stripe's, not embedded in one of the shop's
    expires_s: int
    expired_s: int = 0  # when it ended without a payment; 0: it has not
    setup: Setup | None = None  # of a session in which a card is kept, and nothing is paid
    completed_s: int = 0  # when its card was kept
    failed: int = 0
    fields: dict[str, Any] = field(default_factory=dict)

    def fail(self) -> None:
        """The link has failed before it worked on a press: the next one is no repeat of it."""
        self.failed += 1

    @property
    def id(self) -> str:
        """`cs_test_…`."""
        return made(SESSION, self.intent.reference)


@dataclass(slots=True, kw_only=True)
class Setup:
    """A setup intent: a card is kept for later payments, and no money moves.

    `log`: what was reported of it, and when. `fields`: as an intent's.
    """

    id: str
    request: PaymentRequest  # names the payment that it was seen with, if any
    created_s: int
    method: Method | None = None
    customer: str = ""
    return_url: str = ""
    waits: bool = False  # for the customer to authenticate
    is_done: bool = False
    canceled_s: int = 0
    cancellation_reason: str = ""
    error: dict[str, Any] | None = None
    session: str = ""  # reference of the Checkout Session that it belongs to
    log: list[tuple[str, int]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """Its status."""
        if self.canceled_s:
            return CANCELED
        if self.is_done:
            return SUCCEEDED
        if self.waits:
            return REQUIRES_ACTION
        return REQUIRES_CONFIRMATION if self.method is not None else REQUIRES_METHOD


class Intents:
    """The intents of one link, by the reference of each of their charges."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._intents = BoundedDict[str, Intent](MAX_INTENTS, self._forget)
        self._by_charge: dict[str, Intent] = {}

    def add(self, intent: Intent) -> None:
        """Remember an intent; the oldest is forgotten beyond MAX_INTENTS."""
        self._intents[intent.reference] = intent

    def _forget(self, _reference: str, oldest: Intent) -> None:
        for charge in oldest.charges:
            self._by_charge.pop(charge.reference, None)

    def add_charge(self, intent: Intent, charge: Charge) -> None:
        """A charge of an intent, before it is made."""
        intent.charges.append(charge)
        intent.is_method_new = False
        self._by_charge[charge.reference] = intent

    def before(self, intent: Intent) -> Callable[[], Callable[[], None]]:
        """Take note of an intent as it is now.

        Call the result once a request has written everything: it returns what reverts that.
        Reverting also forgets the request's charge, and the intent unless it is known now.
        """
        before, charges = Before(intent), list(intent.charges)
        is_known = intent.reference in self._intents

        def written() -> Callable[[], None]:
            take_back = before.written()
            own = [each for each in intent.charges if all(each is not old for old in charges)]

            def undo() -> None:
                take_back()
                for charge in own:
                    self._by_charge.pop(charge.reference, None)
                intent.charges = [
                    each for each in intent.charges if all(each is not made for made in own)
                ]
                if not is_known and not intent.charges:
                    self._intents.pop(intent.reference, None)

            return undo

        return written

    def newest_first(self) -> Iterator[Intent]:
        """All intents that are remembered."""
        return reversed(self._intents.values())

    def named(self, name: str) -> Intent | None:
        """By the id `pi_…`."""
        found = read("pi", name)
        return self.of(found[0]) if found is not None and not found[1] else None

    def of(self, reference: str) -> Intent | None:
        """By the reference of the intent or of a charge; created if only the book knows it."""
        intent = self._intents.get(reference) or self._by_charge.get(reference)
        if intent is not None:
            return intent
        entry = self._backend.entry(reference)
        if entry is None or entry.request is None:
            return None
        return self.booked(entry.request)

    def booked(self, request: PaymentRequest, like: Intent | None = None) -> Intent:
        """An intent for an authorisation that has none, because a key was used twice."""
        now_s = self._backend.now_s()
        method = of_card(request.instrument, made("pm", request.reference, METHOD_ITEM), now_s)
        intent = Intent(
            reference=request.reference,
            payment=request.payment,
            attempt=request.attempt,
            amount_minor=request.amount_minor,
            currency=request.currency.lower(),
            created_s=now_s,
            is_manual=like.is_manual if like is not None else False,
            method=method,
            fields=dict(like.fields) if like is not None else {},
        )
        self.add(intent)
        self.add_charge(intent, Charge(request=request, method=method, created_s=now_s))
        return intent

    def charge_named(self, name: str) -> tuple[Intent, Charge] | None:
        """By the id `ch_…` or `txn_…` of a charge."""
        for prefix in ("ch", "txn"):
            found = read(prefix, name)
            if found is not None and not found[1]:
                return self.charge_of(found[0])
        return None

    def charge_of(self, reference: str) -> tuple[Intent, Charge] | None:
        """The charge of an authorisation."""
        intent = self.of(reference)
        if intent is None:
            return None
        charges = [charge for charge in intent.charges if charge.reference == reference]
        return (intent, charges[0]) if charges else None

    def refund_named(self, name: str) -> tuple[Intent, Charge, CaptureOrRefund] | None:
        """By the id `re_…`, or `txn_…` of a refund."""
        for prefix in ("re", "txn"):
            found = read(prefix, name)
            if found is None or not found[1]:
                continue
            owner = self.charge_of(found[0])
            if owner is None:
                return None
            for part in owner[1].refunds:
                if part.item == found[1]:
                    return (*owner, part)
        return None
