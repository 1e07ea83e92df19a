"""An account at PayPal: its settings, and how its requests are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from itertools import count
from typing import Any

import msgspec

from paychain.payments.bounded import BoundedDict
from paychain.payments.cards import TEST_CARDS, Card
from paychain.payments.money import currencies, exponent, to_minor
from paychain.payments.web_hosts import is_vendors
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.paypal.errors import Invalid
from paychain.protocol.dialects.paypal.records import Records
from paychain.protocol.dialects.paypal.tables import responses
from paychain.protocol.json_text import decoded
from paychain.protocol.vendor import Backend, VendorCall, known_key
from paychain.protocol.vendor_cards import BadNumber, card_of_number, card_of_token
from paychain.protocol.vendor_ignored import Ignored, within
from paychain.protocol.vendor_keyed import MadeByKey
from paychain.wire.http import HttpRequest

HOSTS = ("*.paypal.com",)  # where its real API is
KEY = "paypal-request-id"
MAX_KEPT = 100_000  # tokens of each kind, and keys
AT_ONCE, ON_PAGE, NEVER = "at_once", "on_page", "never"
MAX_MINOR = 10**15  # of an amount: beyond any payment
ON_SUCCESS = "ON_SUCCESS"  # `store_in_vault` of what pays an order
_USED_SOURCE = frozenset(
    {
        *("expiry", "id", "name", "number", "security_code", "type", "vault_id"),
        *within("attributes.customer", "id"),
        *within("attributes.vault", "store_in_vault"),
        *within("attributes.verification", "method"),
        *within("experience_context", "return_url", "cancel_url"),
    }
)
WALLET = TEST_CARDS[0]  # the card in every payer's wallet
API, _PAGES = "https://api-m.sandbox.paypal.com", "https://www.sandbox.paypal.com"
Given = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What pays an order.

    `response`: the decline that a test requests. `is_kept`: it comes from the vault, and needs
    nobody's approval. `keeps_for`: the customer for whom it is kept once it has paid, "" for a new
    one, None if it is not to be kept.
    """

    instrument: Card
    shown: dict[str, Any]
    is_card: bool = False
    waits: bool = False
    response: str = ""
    is_kept: bool = False
    keeps_for: str | None = None


@dataclass(slots=True, kw_only=True)
class VaultToken:
    """A setup token, or the payment token made from one, `setup`. `source`: what it pays with."""

    id: str
    customer_id: str
    source: Source
    is_approved: bool = True
    return_url: str = ""
    cancel_url: str = ""
    setup: VaultToken | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account of one link, as one request sees it. `approval`: when payers approve orders.

    `base`: where the API is for who asked, the only thing that requests do not share: each service
    reaches the link by a way of its own.
    """

    backend: Backend
    approval: str
    base: str = API
    setups: BoundedDict[str, VaultToken] = field(default_factory=lambda: BoundedDict(MAX_KEPT))
    tokens: BoundedDict[str, VaultToken] = field(default_factory=lambda: BoundedDict(MAX_KEPT))
    tokens_by_key: MadeByKey[VaultToken] = field(default_factory=lambda: MadeByKey(MAX_KEPT))
    numbers: Iterator[int] = field(default_factory=lambda: count(1))  # of what is kept
    registry: Records = field(default_factory=Records)
    ignored: Ignored = field(default_factory=Ignored)

    @classmethod
    def of(cls, backend: Backend, settings: Mapping[str, Any]) -> Account:
        """The account that a chain declares."""
        return cls(backend=backend, approval=settings.get("approval", AT_ONCE))

    @property
    def pages(self) -> str:
        """Where payers find PayPal's pages: on another host than its API, if that is its own."""
        is_real = is_vendors(self.base.partition("://")[2], HOSTS)
        return _PAGES if is_real else self.base

    def at(self, base: str) -> Account:
        """The account as who asks there sees it."""
        return changed(self, base=base)

    def key(self, http: HttpRequest) -> str:
        """The PayPal-Request-Id, "" when there is none. Only POST calls have one."""
        return http.headers.get(KEY, "") if http.method == "POST" else ""

    def known_key(self, http: HttpRequest) -> str:
        """Under which its key is remembered; "" if the link ignores keys."""
        return known_key(self.backend, self.key(http))

    def entry(self, reference: str) -> BookEntry | None:
        """The link's book on an authorisation."""
        return self.backend.entry(reference)


def body_of(http: HttpRequest) -> Given:
    """The object in a request, empty without a body. Raises Invalid."""
    if not http.body.strip():
        return {}
    try:
        given = decoded(http.body)
    except msgspec.MsgspecError:
        raise Invalid("MALFORMED_REQUEST_JSON") from None
    if not isinstance(given, dict):
        raise Invalid("MALFORMED_REQUEST_JSON")
    return given


def inside(given: Given, name: str) -> Given:
    """An object inside an object; empty when it is missing."""
    value = given.get(name)
    return value if isinstance(value, dict) else {}


def text(given: Given, name: str) -> str:
    """A text, "" for anything else."""
    value = given.get(name)
    return value if isinstance(value, str) else ""


def money(given: Given, field: str) -> tuple[int, str]:
    """An amount in minor units and its currency. Raises Invalid."""
    currency, value = text(given, "currency_code"), text(given, "value")
    if not currency or not value:
        missing = "currency_code" if not currency else "value"
        raise Invalid("MISSING_REQUIRED_PARAMETER", f"{field}/{missing}")
    if currency not in currencies():
        raise Invalid("INVALID_CURRENCY_CODE", f"{field}/currency_code", currency)
    try:
        minor = to_minor(value, currency)
    except ValueError:
        whole, _, part = value.partition(".")
        is_number = (whole.removeprefix("-") + part).isdecimal()
        is_too_fine = is_number and len(part) > exponent(currency)
        issue = "DECIMAL_PRECISION" if is_too_fine else "INVALID_PARAMETER_SYNTAX"
        raise Invalid(issue, f"{field}/value", value) from None
    if minor <= 0:
        raise Invalid("CANNOT_BE_ZERO_OR_NEGATIVE", f"{field}/value", value)
    if minor > MAX_MINOR:
        raise Invalid("MAX_VALUE_EXCEEDED", f"{field}/value", value)
    return minor, currency


def shown_money(minor: int, currency: str) -> dict[str, str]:
    """An amount in minor units as PayPal writes it."""
    digits = exponent(currency)
    whole, part = divmod(minor, 10**digits)
    value = f"{whole}.{part:0{digits}d}" if digits else str(whole)
    return {"currency_code": currency, "value": value}


def addresses(given: Given) -> tuple[str, str]:
    """Where the payer of a new order is sent: after approving it, and after cancelling."""
    sources = inside(given, "payment_source").values()
    contexts = [
        inside(source, "experience_context") for source in sources if isinstance(source, dict)
    ]
    for context in (*contexts, inside(given, "application_context")):
        if text(context, "return_url"):
            return text(context, "return_url"), text(context, "cancel_url")
    return "", ""


def source_of(given: Given, account: Account) -> Source | None:
    """What a payment source names, None without one. Raises Invalid."""
    source = inside(given, "payment_source")
    if "card" in source:
        return _card(inside(source, "card"), account)
    if "token" in source:
        named = text(inside(source, "token"), "id")
        return _stored(named, account, "/payment_source/token/id")
    if not source:
        return None
    name = next(iter(source))
    keeps_for = _keeps_for(inside(source, name))
    if vaulted := text(inside(source, name), "vault_id"):
        return _stored(vaulted, account, f"/payment_source/{name}/vault_id")
    # A wallet, or any other means of payment that the payer approves at PayPal.
    payer = {"account_id": "PAYCHAIN12345", "email_address": "payer@example.com"}
    shown = {name: payer if name == "paypal" else {}}
    return Source(instrument=WALLET, shown=shown, waits=True, keeps_for=keeps_for)


def note_source(call: VendorCall, account: Account, given: Given) -> None:
    """Report what of a payment source the mock ignores."""
    for name, source in inside(given, "payment_source").items():
        if isinstance(source, dict):
            account.ignored.note(call, source, _USED_SOURCE, f"payment_source.{name}.")


def _keeps_for(given: Given) -> str | None:
    """The customer for whom what pays an order is kept. Raises Invalid."""
    attributes = inside(given, "attributes")
    wanted = text(inside(attributes, "vault"), "store_in_vault")
    if not wanted:
        return None
    if wanted != ON_SUCCESS:
        field = "/payment_source/attributes/vault/store_in_vault"
        raise Invalid("INVALID_PARAMETER_VALUE", field, wanted)
    return text(inside(attributes, "customer"), "id")


def _card(card: Given, account: Account) -> Source:
    vaulted = text(card, "vault_id")
    if vaulted:
        return _stored(vaulted, account, "/payment_source/card/vault_id")
    number = text(card, "number")
    if not number:
        raise Invalid("MISSING_REQUIRED_PARAMETER", "/payment_source/card/number")
    found = card_of_number(number, published=frozenset(responses().numbers))
    if isinstance(found, BadNumber):
        raise Invalid("CARD_NUMBER_INVALID", "/payment_source/card/number")
    name = text(card, "name")
    trigger = responses().triggers.get(name)
    verification = inside(inside(card, "attributes"), "verification")
    return Source(
        instrument=found,
        shown=_shown_card(found, name, text(card, "expiry"), number),
        is_card=True,
        waits=text(verification, "method") == "SCA_ALWAYS",
        response=trigger.response if trigger is not None else "",
        keeps_for=_keeps_for(card),
    )


def _stored(token: str, account: Account, field: str) -> Source:
    if (kept := account.tokens.get(token)) is not None:
        return changed(kept.source, is_kept=True, waits=False)
    found = card_of_token(token)
    if found is None:
        raise Invalid("INVALID_RESOURCE_ID", field, token)
    return Source(instrument=found, shown=_shown_card(found, "", ""), is_card=True)


def _shown_card(card: Card, name: str, expiry: str, number: str = "") -> dict[str, Any]:
    """`number`: as it was sent; one that only PayPal publishes is charged as another card."""
    shown = {
        "last_digits": (number or card.number).strip()[-4:],
        "brand": card.scheme.upper(),
        "type": "CREDIT",
        **({"name": name} if name else {}),
        **({"expiry": expiry} if expiry else {}),
    }
    return {"card": shown}
