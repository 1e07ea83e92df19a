"""PayPal's tables as values: processor responses, triggers of declines, issues."""

from __future__ import annotations

from functools import cache, partial
from typing import Literal

import msgspec

from paychain.payments.codes import asks_for_authentication, is_technical
from paychain.protocol.vendor_data import data_of

_read = partial(data_of, __package__)

Confidence = Literal["V", "S", "M", "D"]
DECLINED, UNAVAILABLE, SCA_REQUIRED, APPROVED, PARTIAL = "5100", "5920", "5650", "0000", "1000"
# Responses that show a failure of the chain, not a problem with the card.
TECHNICAL = frozenset({UNAVAILABLE, "0960", "8000", "8110", "8220"})


class _Mapped(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    response: str
    source: str
    confidence: Confidence


class Trigger(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A decline that a test requests. `declined_as`: the DE39 code that stands for it."""

    response: str
    declined_as: str


class Responses(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Processor responses by DE39 code, triggers by the name on the card, further test numbers."""

    version: str
    codes: dict[str, _Mapped]
    triggers: dict[str, Trigger]
    numbers: list[str]


class Issue(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A reason for which PayPal refuses a request, with the error's status and name."""

    status: int
    name: str
    description: str
    confidence: Confidence


class _Issues(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    version: str
    issues: dict[str, Issue]


@cache
def responses() -> Responses:
    """Responses of processors, in PayPal's codes."""
    return msgspec.convert(_read("responses"), Responses)


@cache
def issues() -> dict[str, Issue]:
    """Issues by PayPal's name."""
    return msgspec.convert(_read("issues"), _Issues).issues


def response_code(code: str, scheme: str) -> str:
    """PayPal's code for an authorisation that was declined with a DE39 code."""
    if asks_for_authentication(code, scheme):
        return SCA_REQUIRED
    line = responses().codes.get(code)
    if line is not None and (line.response in TECHNICAL) == is_technical(code):
        return line.response
    return UNAVAILABLE if is_technical(code) else DECLINED
