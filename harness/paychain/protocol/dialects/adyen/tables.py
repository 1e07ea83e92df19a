"""Adyen's tables as values: refusal reasons, errors, fields, test cards."""

from __future__ import annotations

from functools import cache, partial
from typing import Literal

import msgspec

from paychain.protocol.vendor_data import data_of

_BRANDS = {"mastercard": "mc"}  # schemes whose name at Adyen differs
_read = partial(data_of, __package__)

Confidence = Literal["V", "S", "M", "D"]
Authentication = Literal["none", "native", "redirect"]


def brand_of_scheme(scheme: str) -> str:
    """Adyen's name of a card's scheme."""
    return _BRANDS.get(scheme, scheme)


class Reason(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Why an authorisation is not approved, in Adyen's words.

    `declined_as`: the DE39 code with which the mock declines when a test uses this reason's name or
    code.
    """

    code: str
    name: str
    reason: str
    result: Literal["Refused", "Error", "Cancelled"]
    declined_as: str
    kind: Literal["business", "technical"]
    source: str
    confidence: Confidence


class _Mapped(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    reason: str
    source: str
    confidence: Confidence


class _Refusals(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    version: str
    reasons: list[Reason]
    codes: dict[str, _Mapped]


class ErrorShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A ServiceError of one kind."""

    status: int
    code: str
    message: str
    type: Literal["internal", "validation", "security", "configuration"]
    source: str
    confidence: Confidence


class _Errors(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    version: str
    errors: dict[str, ErrorShape]


class TestNumber(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A card number that Adyen publishes for testing."""

    number: str
    authentication: Authentication
    source: str
    confidence: Confidence


class _Cards(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    version: str
    cards: list[TestNumber]


@cache
def _refusals() -> _Refusals:
    return msgspec.convert(_read("refusals"), _Refusals)


@cache
def reasons() -> dict[str, Reason]:
    """Refusal reasons by Adyen's code."""
    return {reason.code: reason for reason in _refusals().reasons}


@cache
def reasons_by_name() -> dict[str, Reason]:
    """Refusal reasons by the holder name that triggers them."""
    return {reason.name: reason for reason in _refusals().reasons}


@cache
def mapped() -> dict[str, str]:
    """Adyen's refusal code by DE39 code."""
    return {code: line.reason for code, line in _refusals().codes.items()}


@cache
def errors() -> dict[str, ErrorShape]:
    """ServiceErrors by our name of the mistake."""
    return msgspec.convert(_read("errors"), _Errors).errors


@cache
def fields() -> dict[str, frozenset[str]]:
    """The fields that Checkout knows, by the name of the structure."""
    return {name: frozenset(known.split()) for name, known in _read("fields").items()}


@cache
def numbers() -> dict[str, TestNumber]:
    """Adyen's test card numbers."""
    return {card.number: card for card in msgspec.convert(_read("cards"), _Cards).cards}
