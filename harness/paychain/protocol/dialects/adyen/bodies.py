"""Reads request bodies as Adyen does: missing, misspelt and forbidden fields are refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from paychain.payments.instrument import Instrument
from paychain.protocol.dialects.adyen.errors import Invalid
from paychain.protocol.dialects.adyen.tables import Authentication, fields, numbers
from paychain.protocol.json_text import decoded
from paychain.protocol.vendor_cards import BadNumber, card_of_number, card_of_token
from paychain.protocol.vendor_ignored import within
from paychain.protocol.vendor_money import Money

MAX_MINOR = 10**15  # largest amount in minor units: beyond any payment
CARD_TYPES = frozenset({"scheme", "card", "bcmc", "networkToken"})
# Fields in which an own service sends a card: a number, Adyen's test form of an encrypted one, the
# id of a stored one.
_CARD_FIELDS = (
    "number",
    "encryptedCardNumber",
    "storedPaymentMethodId",
    "recurringDetailReference",
)
USED_METHOD = within(
    "paymentMethod",
    *("type", "brand", "holderName", "cvc", "encryptedSecurityCode"),
    *("expiryMonth", "expiryYear", "encryptedExpiryMonth", "encryptedExpiryYear"),
    *_CARD_FIELDS,
)
ENCRYPTED = "test_"  # the beginning of Adyen's test form of an encrypted value
_CURRENCY = re.compile(r"[A-Z]{3}")


def amount_object(minor: int, currency: str) -> dict[str, Any]:
    """An amount in minor units as Adyen writes it."""
    return {"currency": currency, "value": minor}


def read(body: bytes, structure: str) -> dict[str, Any]:
    """A JSON object whose fields all belong to a structure of Checkout. Raises Invalid."""
    try:
        value = decoded(body)
    except msgspec.MsgspecError:
        raise Invalid("malformed") from None
    if not isinstance(value, dict):
        raise Invalid("malformed")
    refuse_unknown(value, structure)
    return value


def refuse_unknown(value: Iterable[str], structure: str) -> None:
    """Raises Invalid for fields that Checkout does not know in a structure."""
    unknown = [name for name in value if name not in fields()[structure]]
    if unknown:
        raise Invalid("unknown_field", what=structure, fields=", ".join(unknown))


def text(body: dict[str, Any], name: str, missing: str) -> str:
    """A required text; `missing`: the name of the error if it is absent. Raises Invalid."""
    value = body.get(name)
    if value is None or value == "":
        raise Invalid(missing)
    if not isinstance(value, str):
        raise Invalid("wrong_type", fields=name)
    return value


def texts(value: Any) -> tuple[str, ...]:
    """All texts in an object, in their order."""
    return tuple(str(item) for item in value.values()) if isinstance(value, dict) else ()


def part(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside a body; empty when it is missing. Raises Invalid."""
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise Invalid("wrong_type", fields=name)
    return value


def account(body: dict[str, Any], expected: str) -> str:
    """The merchant account. `expected`: the only valid one, "" for any. Raises Invalid."""
    named = text(body, "merchantAccount", "no_merchant_account")
    if expected and named != expected:
        raise Invalid("merchant_account")
    return named


def money(body: dict[str, Any]) -> Money:
    """The amount of a request. Raises Invalid."""
    amount = part(body, "amount")
    if not amount:
        raise Invalid("no_amount")
    currency = text(amount, "currency", "currency")
    if _CURRENCY.fullmatch(currency) is None:
        raise Invalid("currency")
    minor = amount.get("value")
    if minor is None:
        raise Invalid("no_amount")
    if not isinstance(minor, int) or isinstance(minor, bool):
        raise Invalid("wrong_type", fields="amount.value")
    if not 0 <= minor <= MAX_MINOR:
        raise Invalid("amount")
    return Money(minor=minor, currency=currency)


def card(method: dict[str, Any]) -> tuple[Instrument, Authentication]:
    """The test card of a payment method, and how a payment with it begins. Raises Invalid."""
    if str(method.get("type", "scheme")) not in CARD_TYPES:
        raise Invalid("payment_method")
    refuse_unknown(method, "CardDetails")
    given = next((str(method[name]) for name in _CARD_FIELDS if method.get(name)), "")
    if not given:
        raise Invalid("card_number")
    given = given.removeprefix(ENCRYPTED)
    stored = card_of_token(given)
    if stored is not None:
        return stored, "none"
    known = card_of_number(given, published=frozenset(numbers()))
    if isinstance(known, BadNumber):
        raise Invalid("card_number")
    published = numbers().get(given.replace(" ", ""))
    return known, published.authentication if published is not None else "none"


def is_true(value: Any) -> bool | None:
    """A boolean of additionalData, which writes it as text; None for any other text."""
    return {"true": True, "false": False}.get(str(value).lower())
