"""Square's tables as values: declines, errors, tokens, fields."""

from __future__ import annotations

from functools import cache, partial
from typing import Literal

import msgspec

from paychain.payments.codes import asks_for_authentication
from paychain.protocol.vendor_data import data_of

_read = partial(data_of, __package__)

Confidence = Literal["V", "S", "M", "D"]
AUTHENTICATE = "1A"


class _Decline(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    code: str
    source: str
    confidence: Confidence


class Token(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A payment token of the sandbox. `error`: why it is refused, "" if it is charged."""

    declined_as: str = ""
    error: str = ""
    source: str
    confidence: Confidence


class ErrorShape(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An error of one kind."""

    status: int
    category: str
    code: str
    detail: str
    source: str
    confidence: Confidence


@cache
def _declines() -> dict[str, _Decline]:
    return msgspec.convert(_read("declines")["codes"], dict[str, _Decline])


def decline_of(code: str, scheme: str) -> str:
    """Square's error code for a DE39 code from the network."""
    if asks_for_authentication(code, scheme):
        return _declines()[AUTHENTICATE].code
    known = _declines().get(code)
    return known.code if known is not None else str(_read("declines")["otherwise"])


@cache
def tokens() -> dict[str, Token]:
    """Sandbox tokens by their text."""
    return msgspec.convert(_read("tokens")["tokens"], dict[str, Token])


@cache
def errors() -> dict[str, ErrorShape]:
    """Errors by our name for the mistake."""
    return msgspec.convert(_read("errors")["errors"], dict[str, ErrorShape])


@cache
def fields() -> dict[str, frozenset[str]]:
    """The fields of each request body."""
    return {name: frozenset(known.split()) for name, known in _read("fields").items()}
