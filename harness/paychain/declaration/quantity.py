"""Written quantities: durations, rates, shares, amounts. A bare number is a mistake.

Every reader raises ValueError with a message `what; hint`. Two writers give the text of a measured
time and of a count, the same in every output.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?\s*(?:us|ms|s|min|m|h|d)\s*)+")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s|min|m|h|d)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*/\s*(s|min|h)")
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_BYTES = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(B|kB|MB)")
_BYTE_UNITS = {"B": 1, "kB": 1_000, "MB": 1_000_000}
MAX_PART = 10  # wholes: more is a slip of the pen
# So are these; a clock, a timer or a plan may also have no room for more.
MAX_DAYS = 3_650
MAX_RATE = 100_000  # per second
MAX_BYTES = 10**12
_SHOWN = 40  # characters of a value in a message
_BARE = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_LARGE = re.compile(r"[0-9]{13,}(?:\.[0-9]+)?")
# A comma before the last digits is a decimal one; before exactly three it may separate thousands.
_DECIMAL_COMMA = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+),[0-9]+")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_NUMBER_AND_WORD = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(/|per)?\s*([a-z]+)")
_TIME_WORDS = {
    **dict.fromkeys(("msec", "msecs", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
}
_RATE_WORDS = {
    **dict.fromkeys(("tps", "rps", "qps", "s", "sec", "second"), "s"),
    **dict.fromkeys(("tpm", "rpm", "min", "minute"), "min"),
    **dict.fromkeys(("h", "hr", "hour"), "h"),
}
MAX_AMOUNT = 999_999_999_999  # in whole units: what a report can still show in one cell


def brief(value: Any) -> str:
    """A value of any length in a message."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def duration_seconds(value: Any) -> float:
    """Seconds for `300ms`, `2s`, `1m30s`, `1h`, `2d`."""
    if _BARE.fullmatch(str(value)):
        raise ValueError(f"'{brief(value)}' has no unit; write {brief(value)}s or {brief(value)}ms")
    if _DURATION.fullmatch(str(value)) is None:
        example = _in_units(value, _TIME_WORDS, "") or "one such as 300ms, 2s or 1m30s"
        raise ValueError(f"'{brief(value)}' is not a duration; write {example}")
    parts = [(float(number), _SECONDS[unit]) for number, unit in _DURATION_PART.findall(str(value))]
    units = [unit_s for _, unit_s in parts]
    if units != sorted(set(units), reverse=True):
        raise ValueError(
            f"'{brief(value)}' is not a duration; write larger units first, such as 1m30s"
        )
    seconds = sum(number * unit_s for number, unit_s in parts)
    if seconds > MAX_DAYS * _SECONDS["d"]:
        raise ValueError(f"'{brief(value)}' is too long; write at most {MAX_DAYS}d")
    return seconds


def rate_per_second(value: Any) -> float:
    """Events per second for `40/s`, `600/min`."""
    if _BARE.fullmatch(str(value)):
        raise ValueError(f"'{brief(value)}' has no unit; write {brief(value)}/s")
    match = _RATE.fullmatch(str(value))
    if match is None:
        example = _in_units(value, _RATE_WORDS, "/") or "one such as 40/s or 600/min"
        raise ValueError(f"'{brief(value)}' is not a rate; write {example}")
    rate = float(match[1]) / _SECONDS[match[2]]
    if rate > MAX_RATE:
        raise ValueError(f"'{brief(value)}' is too high; write at most {MAX_RATE}/s")
    return rate


def _in_units(value: Any, words: Mapping[str, str], before: str) -> str:
    """`3s` for `3 seconds`, `20/s` for `20 tps`; "" for what is neither."""
    match = _NUMBER_AND_WORD.fullmatch(str(value).lower())
    unit = words.get(match[3]) if match else None
    # What is per second is no time.
    if match is None or unit is None or (match[2] and not before):
        return ""
    return f"{brief(match[1])}{before}{unit}"


def share_of_one(value: Any) -> float:
    """0.5 for `50%`."""
    if _BARE.fullmatch(str(value)):
        raise ValueError(
            f"'{brief(value)}' has no unit; write it in percent{_percent(value, wholes=1)}"
        )
    match = _SHARE.fullmatch(str(value))
    if match is None:
        raise ValueError(f"'{brief(value)}' is not a share; write it in percent, such as 50%")
    # In decimal, because 1.1 / 100 is not 0.011 in floating point.
    share = float(Decimal(match[1]) / 100)
    if share > 1:
        raise ValueError(f"'{brief(value)}' is more than 100%; write at most 100%")
    return share


def _percent(value: Any, *, wholes: int) -> str:
    """`: 95%` for what is probably meant by 95 or 0.95, `: 1% or 100%` for 1.

    `wholes`: up to so many, a number may be a part of the whole.
    """
    bare = Decimal(str(value))
    is_part = bare <= wholes
    # Nobody counts percents of a part in fractions of it: 1.15 is 115%.
    meant = [bare] if not is_part or (bare >= 1 and bare == int(bare)) else []
    meant += [bare * 100] if is_part else []
    if not 0 < bare <= wholes * 100:
        return ", such as 50%"
    readings = [brief(f"{percent.normalize():f}") for percent in meant]
    return f": {' or '.join(f'{reading}%' for reading in readings)}"


def part_of_whole(value: Any) -> float:
    """1.15 for `115%`: a share that may be more than the whole, up to ten times it."""
    match = _SHARE.fullmatch(str(value))
    if _BARE.fullmatch(str(value)):
        percent = _percent(value, wholes=MAX_PART)
        raise ValueError(f"'{brief(value)}' has no unit; write it in percent{percent}")
    if match is None:
        return share_of_one(value)
    part = float(Decimal(match[1]) / 100)
    if part > MAX_PART:
        most = f"{MAX_PART * 100}%"
        raise ValueError(f"'{brief(value)}' is more than {most}; write at most {most}")
    return part


def byte_count(value: Any) -> int:
    """Bytes for `100B`, `32kB`, `1MB` (powers of 1000, as Toxiproxy counts)."""
    return _bytes(str(value), "size", "")


def byte_rate(value: Any) -> int:
    """Bytes per second for `100kB/s`."""
    return _bytes(str(value), "bandwidth", "/s")


def _bytes(text: str, what: str, per: str) -> int:
    """Bytes, with `per` behind their unit."""
    number = text.removesuffix(per)
    if _BARE.fullmatch(number):
        examples = f"{brief(number)}B{per} or {brief(number)}kB{per}"
        raise ValueError(f"'{brief(text)}' has no unit; write {examples}")
    match = _BYTES.fullmatch(number)
    if match is None or not text.endswith(per):
        examples = f"100B{per}, 32kB{per} or 1MB{per}"
        raise ValueError(f"'{brief(text)}' is not a {what}; write one such as {examples}")
    size = float(match[1]) * _BYTE_UNITS[match[2]]
    if size > MAX_BYTES:
        most = f"{MAX_BYTES // 10**6}MB{per}"
        raise ValueError(f"'{brief(text)}' is too large; write at most {most}")
    return int(size)


def amount(value: Any) -> Decimal:
    """A decimal amount in the chain's currency, such as `50.00`."""
    text = str(value)
    if _LARGE.fullmatch(text):
        raise ValueError(f"'{brief(value)}' is too large; write at most {MAX_AMOUNT}")
    readings = with_point(text)
    if readings:
        hint = "write a decimal point and no separators"
        raise ValueError(
            f"'{brief(value)}' has a comma; {hint}: {' or '.join(map(brief, readings))}"
        )
    if isinstance(value, bool) or _AMOUNT.fullmatch(text) is None:
        raise ValueError(f"'{brief(value)}' is not an amount; write one such as 50.00")
    return Decimal(text)


def with_point(text: str) -> list[str]:
    """What an amount with a comma may mean: `1250.00` for `1.250,00`, both for `1,250`."""
    readings = []
    if _THOUSANDS.fullmatch(text):
        readings.append(text.replace(",", ""))
    if _DECIMAL_COMMA.fullmatch(text):
        readings.append(text.replace(".", "").replace(",", "."))
    return readings


_LONG_S = 10_000.0  # from here on a declared time is read in hours
_DAYS_S = 2 * 86_400.0  # and from here on in days


def seconds_text(seconds: float, *, digits: int | None = None) -> str:
    """`6.2 s`, `480 ms`, `0 s`: a measured time; with `digits`, a declared one: `2.25 s`, `7 d`."""
    # A duration of zero has no natural unit.
    if seconds == 0:
        return "0 s"
    is_long = abs(seconds) >= 1
    value, unit = (seconds, "s") if is_long else (seconds * 1000, "ms")
    if digits is not None:
        # More seconds than that have to be counted on one's fingers, and `:g` writes 6.048e+05.
        if abs(seconds) >= _LONG_S:
            value, unit = (
                (seconds / 86_400, "d") if abs(seconds) >= _DAYS_S else (seconds / 3600, "h")
            )
        return f"{value:.{digits}g} {unit}"
    return f"{value:.{1 if is_long else 0}f} {unit}"


def count(number: int, noun: str) -> str:
    """`1 payment`, `1,240 payments`, `2 tries`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("ry") else f"{number:,} {noun}s"


def _written(pattern: re.Pattern[str], example: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": f"^{pattern.pattern}$", "examples": [example]}
    )


def duration_text(seconds: float) -> str:
    """A duration as a file writes it, to the microsecond: `2s`, `1500ms`."""
    micros = round(seconds * 1e6)
    for unit, size in (("s", 1_000_000), ("ms", 1_000)):
        if micros % size == 0:
            return f"{micros // size}{unit}"
    return f"{micros}us"


def _as_written(writer: Callable[[float], str]) -> PlainSerializer:
    """A quantity goes into JSON as a file writes it, so that it can be read again."""
    return PlainSerializer(writer, return_type=str, when_used="json")


Duration = Annotated[
    float,
    BeforeValidator(duration_seconds),
    _as_written(duration_text),
    _written(_DURATION, "300ms"),
]
Span = Annotated[Duration, Field(gt=0)]  # a duration longer than 0
Rate = Annotated[
    float,
    BeforeValidator(rate_per_second),
    _as_written(lambda rate: f"{rate:f}".rstrip("0").rstrip(".") + "/s"),
    _written(_RATE, "40/s"),
]
Part = Annotated[float, BeforeValidator(part_of_whole), _written(_SHARE, "115%")]
Share = Annotated[
    float,
    BeforeValidator(share_of_one),
    _as_written(lambda share: f"{share * 100:.10g}%"),
    _written(_SHARE, "50%"),
]
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
