"""Braintree's tables as values: processor responses, validation errors, nonces and card numbers."""

from __future__ import annotations

from functools import cache, partial
from typing import Literal

import msgspec

from paychain.payments.codes import asks_for_authentication, is_technical
from paychain.protocol.vendor_data import data_of

_read = partial(data_of, __package__)

Confidence = Literal["V", "S", "M", "D"]
APPROVED, PARTLY_APPROVED = "1000", "1004"
DECLINED, AUTHENTICATION_REQUIRED, UNAVAILABLE = "2046", "2099", "3000"


class Response(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A processor response. `declined_as`: the DE39 code that triggers it in a test."""

    text: str
    type: Literal["approved", "soft_declined", "hard_declined"]
    declined_as: str
    source: str
    confidence: Confidence


class _Mapped(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    response: str
    source: str
    confidence: Confidence


class _Responses(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    version: str
    responses: dict[str, Response]
    codes: dict[str, _Mapped]


class ValidationError(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A validation error of a parameter of `root`, or of the `object` nested in it."""

    code: str
    attribute: str
    message: str
    confidence: Confidence
    object: str = ""
    root: str = "transaction"


class _Errors(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    version: str
    errors: dict[str, ValidationError]


class Instruments(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Test nonces by what they trigger, and further test card numbers."""

    version: str
    nonces: dict[str, str]
    authenticated: dict[str, str]
    declined: dict[str, str]
    rejected: dict[str, str]
    refused: dict[str, str]
    numbers: list[str]


@cache
def _responses() -> _Responses:
    return msgspec.convert(_read("responses"), _Responses)


def responses() -> dict[str, Response]:
    """Processor responses by Braintree's code."""
    return _responses().responses


def mapped() -> dict[str, str]:
    """Braintree's code by DE39 code."""
    return {code: line.response for code, line in _responses().codes.items()}


def response_code(code: str, scheme: str) -> str:
    """Braintree's code for an authorisation that was declined with a DE39 code."""
    if asks_for_authentication(code, scheme):
        return AUTHENTICATION_REQUIRED
    if is_technical(code):
        return UNAVAILABLE
    return mapped().get(code, DECLINED)


def response(code: str) -> Response:
    """A processor response by its code; a code that only a test amount triggers has 2038's text."""
    return responses().get(code) or responses()["2038"]


@cache
def errors() -> dict[str, ValidationError]:
    """Validation errors by our name for what is wrong."""
    return msgspec.convert(_read("errors"), _Errors).errors


@cache
def instruments() -> Instruments:
    """The nonces and card numbers that Braintree publishes for testing."""
    return msgspec.convert(_read("instruments"), Instruments)
