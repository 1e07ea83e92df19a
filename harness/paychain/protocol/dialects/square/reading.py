"""Reads request bodies as Square does: missing, unknown and invalid fields are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, TypeVar

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.instrument import Instrument
from paychain.protocol.dates import seconds_of
from paychain.protocol.dialects.square.errors import Invalid
from paychain.protocol.dialects.square.tables import fields, tokens
from paychain.protocol.json_text import decoded
from paychain.protocol.vendor_cards import BadNumber, card_of_number, card_of_token
from paychain.protocol.vendor_money import Money
from paychain.protocol.vendor_pages import number_in

MAX_MINOR = 10**15  # largest amount in minor units: beyond any payment
NOT_CARDS = frozenset({"CASH", "EXTERNAL"})
Listed = TypeVar("Listed")
_CURRENCY = re.compile(r"[A-Z]{3}")


def read(body: bytes, structure: str) -> dict[str, Any]:
    """A JSON object with the fields of a structure. Raises Invalid."""
    try:
        value = decoded(body) if body else {}
    except msgspec.MsgspecError:
        raise Invalid("malformed") from None
    if not isinstance(value, dict):
        raise Invalid("malformed")
    for name in value:
        if name not in fields()[structure]:
            raise Invalid("unknown", field=name)
    return value


def page_of(
    known: Sequence[Listed], query: Mapping[str, str], most: int
) -> tuple[Sequence[Listed], dict[str, str]]:
    """The part of a list that `limit` and `cursor` ask for, and where the next one begins, if any.

    `most`: as many objects as Square puts on one page.
    """
    size = min(number_in(query.get("limit", ""), 0) or most, most)
    skip = number_in(query.get("cursor", ""), 0)
    more = {"cursor": str(skip + size)} if skip + size < len(known) else {}
    return known[skip : skip + size], more


def window(query: Mapping[str, str]) -> tuple[float, float]:
    """First and last second of what `begin_time` and `end_time` ask for. Raises Invalid."""
    return _time_s(query, "begin_time", -inf), _time_s(query, "end_time", inf)


def _time_s(query: Mapping[str, str], name: str, otherwise_s: float) -> float:
    if not query.get(name):
        return otherwise_s
    try:
        return seconds_of(query[name])
    except ValueError:
        raise Invalid("time", field=name) from None


def text(body: dict[str, Any], name: str, at: str = "") -> str:
    """A required text. `at`: the path of the body. Raises Invalid."""
    value = body.get(name)
    if value is None or value == "":
        raise Invalid("missing", field=f"{at}{name}")
    if not isinstance(value, str):
        raise Invalid("string", field=f"{at}{name}")
    return value


def inside(body: Mapping[str, Any], name: str, at: str = "") -> dict[str, Any]:
    """An object in a body, empty if there is none. Raises Invalid for anything else."""
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise Invalid("object", field=f"{at}{name}")
    return value


def listed(body: Mapping[str, Any], name: str, at: str = "") -> list[Any]:
    """A list in a body, empty if there is none. Raises Invalid for anything else."""
    value = body.get(name) or []
    if not isinstance(value, list):
        raise Invalid("array", field=f"{at}{name}")
    return value


def money(body: dict[str, Any], name: str, at: str = "") -> Money | None:
    """An amount, None if there is none. `at`: the path of the body. Raises Invalid."""
    value, field = body.get(name), f"{at}{name}"
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Invalid("object", field=field)
    minor, currency = value.get("amount"), value.get("currency")
    if minor is None:
        raise Invalid("missing", field=f"{field}.amount")
    if not isinstance(minor, int) or isinstance(minor, bool):
        raise Invalid("integer", field=f"{field}.amount")
    if minor < 0:
        raise Invalid("too_low", field=f"{field}.amount")
    if minor > MAX_MINOR:
        raise Invalid("too_high", field=f"{field}.amount")
    if not isinstance(currency, str) or _CURRENCY.fullmatch(currency) is None:
        raise Invalid("currency", field=f"{field}.currency")
    return Money(minor=minor, currency=currency)


def amount(body: dict[str, Any], name: str = "amount_money", at: str = "") -> Money:
    """A required amount above zero. Raises Invalid."""
    found = money(body, name, at)
    if found is None:
        raise Invalid("missing", field=f"{at}{name}")
    if not found.minor:
        raise Invalid("too_low", field=f"{at}{name}.amount")
    return found


def card(source: str) -> tuple[Instrument, str]:
    """The test card of a source, and the DE39 code of its decline, "" for none. Raises Invalid."""
    if source in NOT_CARDS:
        raise Invalid("source_type", field="source_id")
    known = tokens().get(source)
    if known is not None:
        if known.error:
            raise Invalid(known.error, field="source_id")
        return TEST_CARDS[0], known.declined_as
    ours = card_of_token(source)
    if ours is not None:
        return ours, ""
    if not source[:1].isdigit():
        raise Invalid("token", field="source_id")
    number = card_of_number(source)
    if isinstance(number, BadNumber):
        raise Invalid("card", field="source_id")
    return number, ""
