"""A Stripe account of one link: its objects, and the requests for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from paychain.payments.bounded import BoundedDict
from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dialects.stripe.cards import (
    ConfirmationToken,
    Method,
    named,
    of_parameters,
)
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import Invalid, invalid, missing
from paychain.protocol.dialects.stripe.ids import opaque, read
from paychain.protocol.dialects.stripe.objects import Objects
from paychain.protocol.dialects.stripe.parameters import ApiRoute, mapping, text
from paychain.protocol.dialects.stripe.records import CheckoutSession, Intent, Intents, Setup
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.vendor import Attributed, Backend, Evidence, VendorCall

MAX_OBJECTS = 100_000  # of each kind: customers, prices, methods that no intent brought along
# docs.stripe.com/api/metadata
MAX_METADATA_KEYS, MAX_KEY, MAX_VALUE = 50, 40, 500
KEY = "idempotency-key"
USED = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer "
    "attachment, shared with a connected account without Customer attachment, or was detached from "
    "a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach "
    "it to a Customer first."
)
SPENT = "The provided ConfirmationToken has already been used with another intent."  # deduced
ATTACHED = "The payment method you provided has already been attached to a customer."


@dataclass(slots=True, kw_only=True)
class Plan:
    """What a request executes, and what its answer shows.

    `show` may raise a Refusal. `change`, `undo` and `note` are those of `VendorCall.execute`:
    `undo` reverts what making the plan has changed. `after` runs once its requests have ended,
    however they did; `in_progress` counts those that have not: the first one and its repeats.
    """

    operation: str
    request: PaymentRequest
    show: Callable[[Answer], Shown]
    after: Callable[[], None] | None = None
    change: Callable[[], object] | None = None
    undo: Callable[[], object] | None = None
    note: Callable[[Answer], object] | None = None
    in_progress: int = 0

    def change_when_done(self, change: Callable[[], object]) -> None:
        """Set `change`; an Invalid that it raises becomes the answer.

        Another request may have changed something since the plan was found to be valid.
        """
        show, refusals = self.show, list[Invalid]()

        def changed() -> None:
            refusals.clear()
            try:
                change()
            except Invalid as refusal:
                refusals.append(refusal)

        def shown(answer: Answer) -> Shown:
            if refusals:
                raise refusals[0]
            return show(answer)

        self.change, self.show = changed, shown

    def end(self, *, is_done: bool) -> None:
        """Note that one of its requests has ended: the last one, or the first that is done."""
        self.in_progress -= 1
        if self.after is not None and (is_done or not self.in_progress):
            after, self.after = self.after, None
            after()


@dataclass(slots=True, kw_only=True)
class RoutedRequest:
    """A request on one route. `names`: the values of its path's placeholders."""

    call: VendorCall
    route: ApiRoute
    names: list[str]
    given: dict[str, Any]

    @property
    def key(self) -> str:
        """Its idempotency key, "" for none; only a POST has any."""
        return self.call.http.headers.get(KEY, "") if self.call.http.method == "POST" else ""

    def texts(self) -> tuple[str, ...]:
        """Texts from the merchant that may name its order."""
        given = self.given
        metadata = given.get("metadata")
        values = list(metadata.values()) if isinstance(metadata, dict) else []
        plain = [given.get(name) for name in ("description", "transfer_group")]
        return tuple(value for value in [*values, *plain] if isinstance(value, str))

    def concerns(self, object_id: str) -> Attributed:
        """The payment that the object with an id belongs to; the request is attributed to it."""
        return self.call.attribute(
            Evidence(headers=self.call.http.headers, object_id=object_id, makes_attempt=False)
        )

    def note_payment(self) -> None:
        """Attribute the request to the payment it seems to be about; it is no attempt at it."""
        self.call.attribute(
            Evidence(
                headers=self.call.http.headers,
                texts=self.texts(),
                key=self.key,
                object_id=self.names[0] if self.names else "",
                makes_attempt=False,
            )
        )


@dataclass(slots=True, kw_only=True)
class Account:
    """The objects of one link. `version`: of the API, as its events name it."""

    backend: Backend
    version: str
    intents: Intents
    objects: Objects
    methods: BoundedDict[str, Method] = field(default_factory=lambda: BoundedDict(MAX_OBJECTS))
    customers: BoundedDict[str, Shown] = field(default_factory=lambda: BoundedDict(MAX_OBJECTS))
    deleted: BoundedDict[str, Shown] = field(default_factory=lambda: BoundedDict(MAX_OBJECTS))
    # By the reference of their intents.
    sessions: BoundedDict[str, CheckoutSession] = field(
        default_factory=lambda: BoundedDict(MAX_OBJECTS)
    )
    products: BoundedDict[str, Shown] = field(default_factory=lambda: BoundedDict(MAX_OBJECTS))
    prices: BoundedDict[str, Shown] = field(default_factory=lambda: BoundedDict(MAX_OBJECTS))
    # Products and prices that came with the line of one session: those above outlast any number.
    sold_once: BoundedDict[str, Shown] = field(default_factory=lambda: BoundedDict(MAX_OBJECTS))
    confirmation_tokens: BoundedDict[str, ConfirmationToken] = field(
        default_factory=lambda: BoundedDict(MAX_OBJECTS)
    )
    setups: BoundedDict[str, Setup] = field(default_factory=lambda: BoundedDict(MAX_OBJECTS))
    made: int = 0

    def new_id(self, prefix: str, digits: int = 24) -> str:
        """An id with so many digits for an object that belongs to no payment."""
        self.made += 1
        return opaque(prefix, f"{self.backend.link}/{prefix}/{self.made}", digits)

    def no_payment(self) -> PaymentRequest:
        """A request that belongs to no payment; each has its own attempt, and so its own draw."""
        self.made += 1
        return PaymentRequest("", 0, "", TEST_CARDS[0], attempt=self.made)

    def looked_up(
        self,
        show: Callable[[], Shown],
        request: PaymentRequest | None = None,
        *,
        change: Callable[[], object] | None = None,
        undo: Callable[[], object] | None = None,
    ) -> Plan:
        """A plan that moves no money. An Invalid that `change` raises becomes its answer."""
        plan = Plan(
            operation="query",
            request=request or self.no_payment(),
            show=lambda _answer: show(),
            undo=undo,
        )
        if change is not None:
            plan.change_when_done(change)
        return plan

    def keep_method(self, method: Method) -> None:
        """Remember a payment method; the oldest is forgotten beyond MAX_OBJECTS."""
        self.methods[method.id] = method

    def method(self, name: str) -> Method | None:
        """A payment method by its id."""
        kept = self.methods.get(name)
        if kept is not None:
            return kept
        found = read("pm", name)
        intent = self.intents.of(found[0]) if found is not None else None
        if intent is None:
            return None
        methods = [*(charge.method for charge in intent.charges), intent.method]
        return next((method for method in methods if method and method.id == name), None)

    def method_given(
        self, given: dict[str, Any], made_id: Callable[[], str], intent: Intent | None = None
    ) -> Method | None:
        """The method that a request names or brings along, None without one. Raises Invalid.

        `made_id`: the id of one that is made here. `intent`: the one that it is to pay.
        """
        if name := text(given, "payment_method"):
            return self.method_asked(name, made_id(), intent)
        if given.get("payment_method_data"):
            data = mapping(given, "payment_method_data")
            return of_parameters(data, made_id(), self.backend.now_s())
        return None

    def method_asked(self, name: str, made_id: str, intent: Intent | None = None) -> Method:
        """The method that a parameter names: an id, a test card's name or a token of ours.

        `intent`: the one that it is to pay. Raises Invalid for any other text, and for a method
        that may not be used again.
        """
        known = self.method(name) or named(name, made_id, self.backend.now_s())
        if known is None:
            refusal = missing("PaymentMethod", name, "payment_method")
            refusal.status = 400
            raise refusal
        self.check_usable(known, intent)
        return known

    def check_usable(
        self, method: Method | ConfirmationToken, intent: Intent | None = None
    ) -> None:
        """Raises Invalid for what may not be used again, except by the intent it paid."""
        if not method.used_by or (intent is not None and method.used_by == intent.reference):
            return
        # A link that knows no keys executes a repeat as it did the first request.
        if intent is not None and intent.key and not self.backend.knows_keys:
            user = self.intents.of(method.used_by)
            if user is not None and user.key == intent.key:
                return
        raise invalid(USED if isinstance(method, Method) else SPENT)

    def check_can_be_kept(
        self, method: Method, customer: str = "", intent: Intent | None = None
    ) -> None:
        """Raises Invalid for a method that cannot be kept for a customer, "" for a new one.

        It may not be used again, except by the intent it paid; it is another customer's; or the
        customer was deleted meanwhile.
        """
        self.check_usable(method, intent)
        if customer and customer not in self.customers:
            raise self._no_customer(customer)
        if method.customer not in ("", customer):
            raise invalid(ATTACHED, code="payment_method_unexpected_state", param="payment_method")

    def keep_for(self, method: Method, customer: str, intent: Intent | None = None) -> None:
        """Attach a method to a customer. Raises Invalid where `check_can_be_kept` does."""
        self.check_can_be_kept(method, customer, intent)
        method.give_to(customer)
        self.keep_method(method)

    def customer_asked(self, given: dict[str, Any]) -> str | None:
        """The customer that a parameter names, None for none. Raises Invalid for an unknown."""
        name = text(given, "customer")
        if name and name not in self.customers:
            raise self._no_customer(name)
        return name or None

    @staticmethod
    def _no_customer(name: str) -> Invalid:
        refusal = missing("customer", name, "customer")
        refusal.status = 400
        return refusal


def written(before: dict[str, str], given: dict[str, Any]) -> dict[str, str]:
    """Metadata after an update: a value "" removes its key, "" in place of all removes all keys.

    Raises Invalid.
    """
    asked = {} if given.get("metadata") == "" else mapping(given, "metadata")
    for name, value in asked.items():
        if not isinstance(value, str):
            raise invalid("Metadata values must be strings.", param=f"metadata[{name}]")
        if len(name) > MAX_KEY or len(value) > MAX_VALUE:
            raise invalid(
                f"Metadata keys can have up to {MAX_KEY} characters and metadata values up to "
                f"{MAX_VALUE} characters.",
                param=f"metadata[{name}]",
            )
    changed = merged(before, given)
    if len(changed) > MAX_METADATA_KEYS:
        raise invalid(
            f"You can only specify up to {MAX_METADATA_KEYS} metadata keys.", param="metadata"
        )
    return changed


def merged(before: dict[str, str], given: dict[str, Any]) -> dict[str, str]:
    """The same, for an update that was found to be valid before."""
    if given.get("metadata") == "":
        return {}
    asked = {**before, **mapping(given, "metadata")}
    return {name: value for name, value in asked.items() if value != ""}
