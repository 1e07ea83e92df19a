"""Checkout.com's tables as values: response codes, errors, test cards."""

from __future__ import annotations

from functools import cache, partial
from typing import Literal

import msgspec

from paychain.payments.codes import asks_for_authentication, is_technical
from paychain.protocol.vendor_data import data_of

_read = partial(data_of, __package__)

Confidence = Literal["V", "S", "M", "D"]
DO_NOT_HONOUR, MALFUNCTION, TOO_LATE, AUTHENTICATE = "20005", "20096", "20068", "20154"
APPROVED, PARTLY_APPROVED = "10000", "10010"
_TEST_AMOUNTS = range(10_000, 100_000)  # minor units; the last two digits choose a decline


class Response(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A response code of Checkout.com's, and the DE39 codes that become it."""

    code: str
    summary: str
    de39: list[str]
    kind: Literal["approval", "business", "technical"]
    amount: str = ""
    source: str
    confidence: Confidence


class ErrorShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An error response; without `codes` it has no body."""

    status: int
    type: str = ""
    codes: list[str] = []
    source: str
    confidence: Confidence


class _Number(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    number: str
    source: str
    confidence: Confidence


@cache
def responses() -> dict[str, Response]:
    """Responses by Checkout.com's code."""
    lines = msgspec.convert(_read("responses")["responses"], list[Response])
    return {line.code: line for line in lines}


@cache
def _by_de39() -> dict[str, Response]:
    return {code: line for line in responses().values() for code in line.de39}


def response_of(code: str, scheme: str) -> Response:
    """The response that a DE39 code from the network becomes."""
    if asks_for_authentication(code, scheme):
        return responses()[AUTHENTICATE]
    otherwise = MALFUNCTION if is_technical(code) else DO_NOT_HONOUR
    return _by_de39().get(code) or responses()[otherwise]


def declined_by_amount(amount_minor: int) -> str:
    """The DE39 code of the decline that a test amount triggers, "" for none."""
    if amount_minor not in _TEST_AMOUNTS:
        return ""
    end = f"{amount_minor % 100:02d}"
    return next((line.de39[0] for line in responses().values() if line.amount == end), "")


@cache
def errors() -> dict[str, ErrorShape]:
    """Errors by our name for the mistake."""
    return msgspec.convert(_read("errors")["errors"], dict[str, ErrorShape])


@cache
def numbers() -> frozenset[str]:
    """Checkout.com's own test card numbers."""
    return frozenset(
        each.number for each in msgspec.convert(_read("cards")["cards"], list[_Number])
    )
