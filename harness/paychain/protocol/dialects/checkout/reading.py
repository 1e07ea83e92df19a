"""Reads request bodies as Checkout.com does: missing and invalid fields are refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from paychain.payments.instrument import Instrument
from paychain.protocol.dialects.checkout.errors import Invalid
from paychain.protocol.dialects.checkout.tables import numbers
from paychain.protocol.json_text import decoded
from paychain.protocol.vendor_cards import TOKEN, BadNumber, card_of_number, card_of_token

MAX_MINOR = 9_999_999_999  # largest amount in minor units: checkout-sdk-python, VoidRequest
STORED = "src_"  # prefix of a stored card's id, as in `src_visa_4242`
_CURRENCY = re.compile(r"[A-Z]{3}")
MONTHS = range(1, 13)


def read(body: bytes) -> dict[str, Any]:
    """A JSON object; an empty body is an empty object. Raises Invalid."""
    try:
        value = decoded(body) if body else {}
    except msgspec.MsgspecError:
        raise Invalid("malformed") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid("malformed")
    return value


def part(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An optional object, empty if it is missing. Raises Invalid."""
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise Invalid("malformed")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """The values of an object as texts, in order; nothing for any other value."""
    return tuple(str(item) for item in value.values()) if isinstance(value, dict) else ()


def amount(body: dict[str, Any]) -> int | None:
    """The amount in minor units, None if there is none. Raises Invalid."""
    minor = body.get("amount")
    if minor is None:
        return None
    if not isinstance(minor, int) or isinstance(minor, bool) or not 0 < minor <= MAX_MINOR:
        raise Invalid("amount")
    return minor


def currency(body: dict[str, Any]) -> str:
    """The required currency. Raises Invalid."""
    value = body.get("currency")
    if not value:
        raise Invalid("no_currency")
    if not isinstance(value, str) or _CURRENCY.fullmatch(value) is None:
        raise Invalid("currency")
    return value


def card(source: dict[str, Any], now_s: int) -> tuple[Instrument, tuple[int, int]]:
    """The test card of a payment source, and its month and year of expiry. Raises Invalid."""
    if not source:
        raise Invalid("no_source")
    match source.get("type"):
        case "card":
            return number(source), expiry(source, now_s)
        case "token":
            return _known(str(source.get("token", ""))), (12, 2030)
        case "id":
            stored = str(source.get("id", ""))
            return _known(stored.replace(STORED, TOKEN, 1)), (12, 2030)
    raise Invalid("source_type")


def number(source: dict[str, Any]) -> Instrument:
    """The test card with a number. Raises Invalid."""
    given = str(source.get("number") or "")
    if not given:
        raise Invalid("no_card_number")
    known = card_of_number(given, published=numbers())
    if isinstance(known, BadNumber):
        raise Invalid("card_number")
    return known


def expiry(source: dict[str, Any], now_s: int) -> tuple[int, int]:
    """The required month and year in which a card expires. Raises Invalid."""
    month, year = source.get("expiry_month"), source.get("expiry_year")
    if month is None:
        raise Invalid("no_expiry_month")
    if year is None:
        raise Invalid("no_expiry_year")
    if not isinstance(month, int) or month not in MONTHS:
        raise Invalid("expiry_month")
    if not isinstance(year, int) or year < 100:
        raise Invalid("expiry_year")
    today = datetime.fromtimestamp(now_s, UTC)
    if (year, month) < (today.year, today.month):
        raise Invalid("card_expired")
    return month, year


def _known(token: str) -> Instrument:
    found = card_of_token(token)
    if found is None:
        raise Invalid("token")
    return found
