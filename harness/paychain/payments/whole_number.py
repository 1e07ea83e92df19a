"""Whole numbers in texts of others, of which Python reads none with more than 4,300 digits."""

from __future__ import annotations

MAX_DIGITS = 18  # what a signed integer of 64 bits holds, whatever the digits are


def whole_number(text: str) -> int | None:
    """The number that ASCII digits alone make up; None for any other text, and for longer ones."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None
