"""Ids of Stripe's objects. The reference of a payment can be read back from its ids."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from paychain.protocol.vendor_ids import MIXED, decode, encode

MAX_RECENT = 4_096  # each id of a payment is shown several times within a moment
DIGITS = 24  # of an id from which nothing can be read


@lru_cache(maxsize=MAX_RECENT)
def made(prefix: str, reference: str, item: str = "") -> str:
    """The id of an object of an authorisation: `pi_…`, `ch_…`, a refund's `re_…`."""
    return f"{prefix}_{encode(f'{reference}/{item}' if item else reference)}"


def read(prefix: str, name: str) -> tuple[str, str] | None:
    """The reference and the item that an id was made from, None for any other text."""
    if not name.startswith(f"{prefix}_"):
        return None
    text = decode(name.removeprefix(f"{prefix}_"))
    if text is None:
        return None
    reference, _, item = text.partition("/")
    return reference, item


@lru_cache(maxsize=MAX_RECENT)
def opaque(prefix: str, of: str, digits: int = DIGITS) -> str:
    """An id of so many digits without meaning, the same for the same text."""
    number = int.from_bytes(hashlib.sha256(of.encode()).digest(), "big")
    text = []
    for _ in range(digits):
        number, digit = divmod(number, len(MIXED))
        text.append(MIXED[digit])
    return f"{prefix}_{''.join(text)}"
