"""Response codes (DE39): what each means and what it asks of a chain, by scheme.

One table for mocks, policies and measures alike. Source: docs/domain.md §1.5; every code's own
source and confidence are in data/response_codes.yaml.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import msgspec

from paychain.payments.packaged import packaged_yaml

APPROVED = "00"
PARTIAL_APPROVAL = "10"
IN_PROGRESS = "09"
RECEIVED = "received"  # no response code: a provider took it, and reports later what became of it
INVALID_TRANSACTION = "12"
INVALID_AMOUNT = "13"
INSUFFICIENT_FUNDS = "51"
AUTHENTICATION_REQUIRED = "1A"
NOT_FOUND = "25"
LATE_RESPONSE = "68"
ISSUER_INOPERATIVE = "91"
DUPLICATE = "94"
RECALL_REFUSED = "57"  # the payee, or the time that is over, does not permit it
SYSTEM_MALFUNCTION = "96"

Kind = Literal["approval", "business", "technical"]
Retry = Literal["never", "no", "later", "soon"]
Action = Literal[
    "none",
    "retry",
    "reroute",
    "wait",
    "reverse",
    "authenticate",
    "change_data",
    "other_method",
    "block_card",
    "alert",
    "fetch_original",
]
Confidence = Literal["V", "S", "M"]


class ResponseCode(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One DE39 value. `confidence`: V official text seen, S secondary source, M from memory."""

    code: str
    meaning: str
    kind: Kind
    retry: Retry
    action: Action
    source: str
    confidence: Confidence
    visa: Literal[1, 2, 3, 4] | None = None  # Visa's decline category
    visa_confidence: Confidence = "V"
    schemes: dict[str, dict[str, str]] = {}

    def at_scheme(self, scheme: str) -> ResponseCode:
        """The code as it is meant at this scheme."""
        differs = self.schemes.get(scheme)
        if differs is None:
            return self
        plain: dict[str, Any] = {**msgspec.structs.asdict(self), **differs, "schemes": {}}
        return msgspec.convert(plain, ResponseCode)


class AdviceCode(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A merchant advice code: what the issuer says about another try. `pause_h` is in hours."""

    code: str
    meaning: str
    retry: Retry
    action: Action
    source: str
    confidence: Confidence
    pause_h: int = 0


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    codes: list[ResponseCode]
    advice: list[AdviceCode]


@cache
def _loaded() -> _Table:
    return msgspec.convert(packaged_yaml(__package__, "data/response_codes.yaml"), _Table)


@cache
def table() -> dict[str, ResponseCode]:
    """All known codes by their value."""
    return {entry.code: entry for entry in _loaded().codes}


@cache
def advice() -> dict[str, AdviceCode]:
    """Merchant advice codes by their value."""
    return {entry.code: entry for entry in _loaded().advice}


@cache
def lookup(code: str, scheme: str = "") -> ResponseCode | None:
    """What a code means at a scheme; None for an unknown code."""
    known = table().get(code)
    return known.at_scheme(scheme) if known is not None else None


def is_technical(code: str) -> bool:
    """True when the code is about the chain's health, not about the card or the customer.

    Only these count against a tolerance or open a breaker. An unknown code is a business answer:
    a breaker must not open on something that is not understood.
    """
    known = lookup(code)
    return known is not None and known.kind == "technical"


def is_forbidden(code: str, scheme: str = "") -> bool:
    """True when the scheme forbids to present this card again after the code (Visa category 1)."""
    known = lookup(code, scheme)
    return known is not None and known.retry == "never"


def is_about_the_request(code: str) -> bool:
    """Whether a decline with the code will come again until the card or the request is another."""
    known = lookup(code)
    return known is not None and (known.kind, known.retry) == ("business", "no")


def names_a_duplicate(code: str) -> bool:
    """Whether the code says that the same payment was requested before."""
    known = lookup(code)
    return known is not None and known.action == "fetch_original"


def asks_for_authentication(code: str, scheme: str) -> bool:
    """True for a soft decline: the same payment may succeed with the cardholder authenticated.

    The bare code does not say it: 65 is a soft decline at Mastercard and a limit at Visa.
    """
    known = lookup(code, scheme)
    return known is not None and known.action == "authenticate"
