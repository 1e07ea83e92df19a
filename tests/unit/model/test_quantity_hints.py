"""Quantities that are written in another way: the hint has what was probably meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from paychain.declaration.quantity import (
    amount,
    byte_count,
    byte_rate,
    duration_seconds,
    part_of_whole,
    rate_per_second,
    share_of_one,
)
from paychain.model.tolerance import LatencyLimit, ShareLimit


@pytest.mark.parametrize(
    ("read", "written", "hint"),
    [
        (duration_seconds, "3 seconds", "write 3s"),
        (duration_seconds, "1.5 hours", "write 1.5h"),
        (duration_seconds, "500 msec", "write 500ms"),
        (duration_seconds, "3 parsecs", "write one such as 300ms, 2s or 1m30s"),
        (duration_seconds, "3/second", "write one such as 300ms, 2s or 1m30s"),
        (rate_per_second, "1200 per min", "write 1200/min"),
        (rate_per_second, "20 per h", "write 20/h"),
        (rate_per_second, "20 tps", "write 20/s"),
        (rate_per_second, "20/sec", "write 20/s"),
        (rate_per_second, "20 per minute", "write 20/min"),
        (rate_per_second, "20 per fortnight", "write one such as 40/s or 600/min"),
        (share_of_one, "0.95", "write it in percent: 95%"),
        (share_of_one, "95", "write it in percent: 95%"),
        (share_of_one, "0.005", "write it in percent: 0.5%"),
        (share_of_one, "0", "write it in percent, such as 50%"),
        (share_of_one, "950", "write it in percent, such as 50%"),
        (share_of_one, "1", "write it in percent: 1% or 100%"),
        (part_of_whole, "5", "write it in percent: 5% or 500%"),
        (part_of_whole, "10", "write it in percent: 10% or 1000%"),
        (byte_rate, "100", "write 100B/s or 100kB/s"),
        (byte_rate, "100/s", "write 100B/s or 100kB/s"),
        (byte_rate, "1000001MB/s", "write at most 1000000MB/s"),
        (byte_rate, "100kB", "write one such as 100B/s, 32kB/s or 1MB/s"),
        (byte_count, "1GB", "write one such as 100B, 32kB or 1MB"),
        (part_of_whole, "1.15", "write it in percent: 115%"),
        (part_of_whole, "115", "write it in percent: 115%"),
        (amount, "12,50", "no separators: 12.50"),
        (amount, "1.250,00", "no separators: 1250.00"),
        (amount, "1,250,000", "no separators: 1250000"),
        (amount, "1,250", "no separators: 1250 or 1.250"),
        (amount, "0,500", "no separators: 0.500"),
    ],
)
def test_a_quantity_in_other_words(read: Callable[[str], Any], written: str, hint: str) -> None:
    with pytest.raises(ValueError, match="; write ") as caught:
        read(written)
    assert str(caught.value).endswith(hint)


READERS: list[Callable[[str], Any]] = [
    amount,
    byte_count,
    byte_rate,
    duration_seconds,
    part_of_whole,
    rate_per_second,
    share_of_one,
]


@pytest.mark.parametrize("ending", ["", "%", "s", "/s", "MB", "MB/s", ".", "x", ",50", " tps"])
@pytest.mark.parametrize("read", READERS)
def test_a_value_of_any_length_is_cut_in_the_message(
    read: Callable[[str], Any], ending: str
) -> None:
    with pytest.raises(ValueError, match="…") as caught:
        read("9" * 5_000 + ending)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "number", ["0." + "0" * 5_000 + "1", "0." + "9" * 5_000, "1." + "0" * 5_000 + "1"]
)
@pytest.mark.parametrize("read", READERS)
def test_a_fraction_of_any_length_is_cut_in_the_message(
    read: Callable[[str], Any], number: str
) -> None:
    with pytest.raises(ValueError, match="…") as caught:
        read(number)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("limit", "written", "hint"),
    [
        (ShareLimit, "95%", 'write ">= 95%"'),
        (ShareLimit, "much", 'write one such as ">= 99.9%"'),
        (LatencyLimit, "300ms", 'write "<= 300ms"'),
    ],
)
def test_a_limit_without_a_sign(limit: Any, written: str, hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(limit).validate_python(written)
    assert hint in str(caught.value)
