"""Ids of vendors' objects: they look opaque, and any process can read our reference from them.

So a request that names an object (`pi_…`, a pspReference) belongs to its payment without a table.
"""

from __future__ import annotations

import string
from zlib import crc32

MIXED = string.digits + string.ascii_uppercase + string.ascii_lowercase
UPPER = string.digits + string.ascii_uppercase
HEX = "0123456789abcdef"
BASE32 = string.ascii_lowercase + "234567"
MAX_DIGITS = 120  # of an id: longer text is none of ours
_CHECK_BYTES = 2  # what was not made here is not read by chance


def encode(reference: str, alphabet: str = MIXED) -> str:
    """The digits of an id, without the vendor's prefix. `reference` is ASCII."""
    text = reference.encode("ascii")
    pad = _pad(len(text))
    mixed = bytes(byte ^ key for byte, key in zip(text, pad, strict=True))
    check = crc32(text).to_bytes(4, "big")[:_CHECK_BYTES]
    number = int.from_bytes(b"\x01" + check + mixed, "big")
    digits = []
    while number:
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(reversed(digits))


def decode(digits: str, alphabet: str = MIXED) -> str | None:
    """The reference that an id was made from, None for any other text."""
    if not digits or len(digits) > MAX_DIGITS or not set(digits) <= set(alphabet):
        return None
    number = 0
    for digit in digits:
        number = number * len(alphabet) + alphabet.index(digit)
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(data) <= 1 + _CHECK_BYTES or data[0] != 1:
        return None
    mixed = data[1 + _CHECK_BYTES :]
    text = bytes(byte ^ key for byte, key in zip(mixed, _pad(len(mixed)), strict=True))
    if crc32(text).to_bytes(4, "big")[:_CHECK_BYTES] != data[1 : 1 + _CHECK_BYTES]:
        return None
    return text.decode("ascii")


def _pad(length: int) -> bytes:
    """So that ids of neighbouring payments do not look alike at their beginning only."""
    return bytes((37 * place + 101) & 0x7F for place in range(length))
