"""Stripe's names for declines, by the DE39 code of the network's answer."""

from __future__ import annotations

from functools import cache

import msgspec

from paychain.payments.packaged import packaged_yaml

TECHNICAL = frozenset({"processing_error", "issuer_not_available"})  # whether the chain failed


class DeclineRow(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One row of declines.yaml. `decline_code` is "" if Stripe's error has none."""

    de39: str
    code: str
    decline_code: str
    message: str
    advice: str
    source: str
    confidence: str


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    declines: list[DeclineRow]


@cache
def declines() -> dict[str, DeclineRow]:
    """All rows by DE39 code."""
    rows = msgspec.convert(packaged_yaml(__package__, "declines.yaml"), _Table).declines
    return {row.de39: row for row in rows}


def decline_of(de39: str) -> DeclineRow:
    """The row of a code; for any other code a generic decline, which still shows the code."""
    known = declines().get(de39)
    return known if known is not None else msgspec.structs.replace(declines()["05"], de39=de39)
