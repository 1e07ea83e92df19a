"""Written quantities: durations, rates, shares, amounts. A bare number is a mistake."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|min|m|h)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|min|h)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|MB)")
_BYTE_UNITS = {"B": 1, "kB": 1_000, "MB": 1_000_000}
_BARE = re.compile(r"\d+(?:\.\d+)?")
_AMOUNT = re.compile(r"\d{1,12}(?:\.\d{1,3})?")


def duration_seconds(value: Any) -> float:
    """Seconds of `300ms`, `2s`, `5min`, `1h`. Raises ValueError with how to write it."""
    if _BARE.fullmatch(str(value)):
        raise ValueError(f"'{value}' has no unit; write {value}s or {value}ms")
    match = _DURATION.fullmatch(str(value))
    if match is None:
        raise ValueError(f"'{value}' is not a duration; write one such as 300ms, 2s or 5min")
    return float(match[1]) * _SECONDS[match[2]]


def rate_per_second(value: Any) -> float:
    """Events per second of `40/s`, `600/min`. Raises ValueError with how to write it."""
    if _BARE.fullmatch(str(value)):
        raise ValueError(f"'{value}' has no unit; write {value}/s")
    match = _RATE.fullmatch(str(value))
    if match is None:
        raise ValueError(f"'{value}' is not a rate; write one such as 40/s or 600/min")
    return float(match[1]) / _SECONDS[match[2]]


def share_of_one(value: Any) -> float:
    """0.5 of `50%`. Raises ValueError with how to write it."""
    if _BARE.fullmatch(str(value)):
        raise ValueError(f"'{value}' has no unit; write it in percent, such as 50%")
    match = _SHARE.fullmatch(str(value))
    if match is None:
        raise ValueError(f"'{value}' is not a share; write it in percent, such as 50%")
    share = float(Decimal(match[1]) / 100)  # exactly the share that was written
    if share > 1:
        raise ValueError(f"'{value}' is more than 100%")
    return share


def byte_count(value: Any) -> int:
    """Bytes of `100B`, `32kB`, `1MB` (powers of 1000, as Toxiproxy counts)."""
    if _BARE.fullmatch(str(value)):
        raise ValueError(f"'{value}' has no unit; write {value}B or {value}kB")
    match = _BYTES.fullmatch(str(value))
    if match is None:
        raise ValueError(f"'{value}' is not a size; write one such as 100B, 32kB or 1MB")
    return int(float(match[1]) * _BYTE_UNITS[match[2]])


def byte_rate(value: Any) -> int:
    """Bytes per second of `100kB/s`."""
    text = str(value)
    if not text.endswith("/s"):
        raise ValueError(f"'{value}' is not a bandwidth; write one such as 100kB/s")
    return byte_count(text.removesuffix("/s"))


def amount(value: Any) -> Decimal:
    """A decimal amount in the chain's currency, such as `50.00`."""
    text = str(value)
    if isinstance(value, bool) or _AMOUNT.fullmatch(text) is None:
        raise ValueError(f"'{value}' is not an amount; write one such as 50.00")
    return Decimal(text)


def _written(pattern: re.Pattern[str], example: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": f"^{pattern.pattern}$", "examples": [example]}
    )


Duration = Annotated[float, BeforeValidator(duration_seconds), _written(_DURATION, "300ms")]
Span = Annotated[Duration, Field(gt=0)]  # a duration that cannot be nothing
Rate = Annotated[float, BeforeValidator(rate_per_second), _written(_RATE, "40/s")]
Share = Annotated[float, BeforeValidator(share_of_one), _written(_SHARE, "50%")]
ByteCount = Annotated[int, BeforeValidator(byte_count), _written(_BYTES, "32kB")]
ByteRate = Annotated[
    int,
    BeforeValidator(byte_rate),
    WithJsonSchema({"type": "string", "pattern": f"^{_BYTES.pattern}/s$", "examples": ["100kB/s"]}),
]
Amount = Annotated[
    Decimal,
    BeforeValidator(amount),
    PlainSerializer(str),
    WithJsonSchema({"type": ["number", "string"], "examples": [50.0]}),
]
