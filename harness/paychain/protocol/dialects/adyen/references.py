"""Adyen's pspReferences: 16 characters that contain our own reference."""

from __future__ import annotations

from functools import lru_cache

from paychain.protocol.short_ids import lengthen, shorten
from paychain.protocol.vendor_ids import UPPER, decode, encode

# A reference that does not fit into 16 characters, such as that of a request that belongs to no
# payment, gets a longer pspReference rather than one that cannot be read back.

MAX_CACHED = 4096  # of the payments in progress: each is needed several times per request


@lru_cache(maxsize=MAX_CACHED)
def psp_reference(reference: str, item: str = "") -> str:
    """Of an authorisation or, with `item`, of a capture, refund or cancel of it."""
    whole = f"{reference}/{item}" if item else reference
    return shorten(whole) or encode(whole, UPPER)


@lru_cache(maxsize=MAX_CACHED)
def authorisation_of(psp: str) -> str | None:
    """Our reference of the authorisation that a payment's pspReference names."""
    reference = lengthen(psp) or decode(psp, UPPER)
    return None if reference is None or "/" in reference else reference
