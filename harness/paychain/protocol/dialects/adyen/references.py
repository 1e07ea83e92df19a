"""Adyen's pspReferences: 16 characters, from which our own reference can be read."""

from __future__ import annotations

from functools import lru_cache

from paychain.protocol.short_ids import lengthen, shorten
from paychain.protocol.vendor_ids import UPPER, decode, encode

# A reference that is too long for 16 characters, as of a request that belongs to no payment, gets
# a longer one rather than one that cannot be read.

MAX_CACHED = 4096  # of the payments at work: each is asked for several times a request


@lru_cache(maxsize=MAX_CACHED)
def psp_reference(reference: str, item: str = "") -> str:
    """Of an authorisation, or of a modification of it: a capture, refund or cancel."""
    whole = f"{reference}/{item}" if item else reference
    return shorten(whole) or encode(whole, UPPER)


@lru_cache(maxsize=MAX_CACHED)
def authorisation_of(psp: str) -> str | None:
    """Our reference of the authorisation that a payment's pspReference names."""
    reference = lengthen(psp) or decode(psp, UPPER)
    return None if reference is None or "/" in reference else reference
