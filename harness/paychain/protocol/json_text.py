"""JSON that others wrote: reading it ends with a value or with one kind of error."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")
_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
MOST_NESTED = 500  # half of what Python's own stack holds
# A string, in which no bracket counts; or a bracket that opens (group 1) or closes (group 2).
# Possessive: a string is never left by another way, so that nothing is remembered of its bytes.
_PARTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|([\[{])|([\]}])', re.DOTALL)


def decoded(text: bytes | str) -> Any:
    """The value of a JSON text. Raises msgspec.MsgspecError."""
    return decoded_by(_any, text)


def decoded_by(decoder: msgspec.json.Decoder[_T], text: bytes | str) -> _T:
    """What a decoder makes of a JSON text. Raises msgspec.MsgspecError.

    Brackets in brackets that no stack can hold are a mistake in the text like any other.
    """
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    # Nearly every text is shorter than the brackets that would be too many.
    if len(data) <= MOST_NESTED:
        return decoder.decode(data)
    # The decoder stops at Python's limit of recursion. Some libraries raise it (Ethereum's do),
    # until the stack of the process ends first, and with it the process.
    if data.count(b"[") + data.count(b"{") > MOST_NESTED and _nesting(data) > MOST_NESTED:
        raise msgspec.DecodeError("it is nested too deeply")
    return decoder.decode(data)


def _nesting(data: bytes) -> int:
    """How many brackets are open at once, at most."""
    depth = most = 0
    # One part at a time: a text may have as many strings and brackets as bytes.
    for part in _PARTS.finditer(data):
        if part.lastindex == 1:
            depth += 1
            most = max(most, depth)
        elif part.lastindex == 2:
            depth -= 1
    return most
