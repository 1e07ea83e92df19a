"""JSON that others wrote: reading it ends with a value or with one kind of error."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")
_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def decoded(text: bytes | str) -> Any:
    """The value of a JSON text. Raises msgspec.MsgspecError."""
    return decoded_by(_any, text)


def decoded_by(decoder: msgspec.json.Decoder[_T], text: bytes | str) -> _T:
    """What a decoder makes of a JSON text. Raises msgspec.MsgspecError.

    Brackets in brackets that no stack can hold are a mistake in the text like any other.
    """
    try:
        return decoder.decode(text)
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None
