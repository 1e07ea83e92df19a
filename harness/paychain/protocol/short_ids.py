"""Ids of a fixed length that a reference of ours can be read from.

Some vendors' references are that short, and merchants keep them in columns of that width. What a
reference is made of is packed into one number, with a checksum; an id that holds anything else is
none of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

from paychain.protocol.vendor_ids import BASE32, MIXED, UPPER

LENGTH = 16
_FORM = re.compile(r"(p[0-9a-z]{4}|p)(\d{7})(?:r(\d{1,3}))?(b)?-(\d{1,2})(?:/([a-z])(\d{1,2}))?")
_KINDS = "crvtoax"  # of an item, in the order of their numbers
_BASE36 = MIXED[:10] + "abcdefghijklmnopqrstuvwxyz"
# How many values each part may have, in the order in which they are packed.
_RADICES = (36**4 + 1, 10**7, 1000, 2, 32, len(_KINDS) + 1, 32)
_CHECKS = 28_000  # all of them together still fit into LENGTH digits of 36
# Neighbouring payments get ids that do not look alike. It shares no factor with 32 or 36.
_MIXER = 0x9E37_79B9_7F4A_7C15


@dataclass(frozen=True)
class Form:
    """How a vendor writes its ids: a number of digits of an alphabet."""

    alphabet: str
    length: int

    @cached_property
    def room(self) -> int:
        """How many ids there are."""
        return int(len(self.alphabet) ** self.length)

    @cached_property
    def unmixer(self) -> int:
        """What undoes the mixing."""
        return pow(_MIXER, -1, self.room)


SHORT = Form(UPPER, LENGTH)  # Adyen's pspReferences
LONG = Form(BASE32, 26)  # Checkout.com's ids, without what they begin with


def shorten(reference: str, form: Form = SHORT) -> str | None:
    """The id of an authorisation or of an item of it (`p0000042-1/c2`); None if it has no room."""
    parts = _parts(reference)
    if parts is None:
        return None
    number = 0
    for part, radix in zip(parts, _RADICES, strict=True):
        number = number * radix + part
    number = number * _CHECKS + _check(reference)
    return _digits(number * _MIXER % form.room, form)


def lengthen(short: str, form: Form = SHORT) -> str | None:
    """The reference that an id was made from, None for any other text."""
    if len(short) != form.length or not set(short) <= set(form.alphabet):
        return None
    mixed = 0
    for digit in short:
        mixed = mixed * len(form.alphabet) + form.alphabet.index(digit)
    number, check = divmod(mixed * form.unmixer % form.room, _CHECKS)
    parts = []
    for radix in reversed(_RADICES):
        number, part = divmod(number, radix)
        parts.append(part)
    reference = _written(parts[::-1])
    return reference if not number and _check(reference) == check else None


def _parts(reference: str) -> tuple[int, ...] | None:
    found = _FORM.fullmatch(reference)
    if found is None:
        return None
    prefix, number, repeat, twin, attempt, kind, item = found.groups()
    parts = (
        int(prefix[1:], 36) + 1 if len(prefix) > 1 else 0,
        int(number),
        int(repeat or 0),
        1 if twin else 0,
        int(attempt),
        _KINDS.find(kind) + 1 if kind else 0,
        int(item or 0),
    )
    fits = all(0 <= part < radix for part, radix in zip(parts, _RADICES, strict=True))
    # What is written with leading zeros, or as another letter, would be read differently.
    return parts if fits and _written(parts) == reference else None


def _written(parts: list[int] | tuple[int, ...]) -> str:
    prefix, number, repeat, twin, attempt, kind, item = parts
    letters = _base36(prefix - 1) if prefix else ""
    text = f"p{letters}{number:07d}{f'r{repeat}' if repeat else ''}{'b' if twin else ''}-{attempt}"
    return f"{text}/{_KINDS[kind - 1]}{item}" if kind else text


def _base36(number: int) -> str:
    digits = []
    for _ in range(4):
        number, digit = divmod(number, 36)
        digits.append(_BASE36[digit])
    return "".join(reversed(digits))


def _digits(number: int, form: Form) -> str:
    digits = []
    for _ in range(form.length):
        number, digit = divmod(number, len(form.alphabet))
        digits.append(form.alphabet[digit])
    return "".join(reversed(digits))


def _check(reference: str) -> int:
    return crc32(reference.encode("ascii")) % _CHECKS
