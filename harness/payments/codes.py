"""Response codes (DE39): what each means and whether it is a technical or a business answer.

Source: domain facts with their confidence are in data/response_codes.yaml.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import msgspec
import yaml

APPROVED = "00"
ISSUER_INOPERATIVE = "91"
SYSTEM_MALFUNCTION = "96"
LATE_RESPONSE = "68"
NOT_FOUND = "25"


class ResponseCode(msgspec.Struct, frozen=True):
    """One DE39 value. `confidence`: V official text seen, S secondary source, M from memory."""

    code: str
    meaning: str
    kind: Literal["approval", "business", "technical"]
    retryable: bool
    source: str
    confidence: Literal["V", "S", "M"]


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    codes: list[ResponseCode]


@cache
def table() -> dict[str, ResponseCode]:
    """All known codes by their value."""
    text = resources.files(__package__).joinpath("data/response_codes.yaml").read_text("utf-8")
    loaded = msgspec.convert(yaml.safe_load(text), _Table)
    return {entry.code: entry for entry in loaded.codes}


def is_technical(code: str) -> bool:
    """True when the code speaks of the chain's health, not of the card or the customer.

    Only these count against a tolerance or open a breaker. An unknown code is a business answer:
    a breaker must not open on something nobody understood.
    """
    known = table().get(code)
    return known is not None and known.kind == "technical"
