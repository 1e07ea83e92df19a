"""Dates from seconds since 1970, as Python's own calendar has them."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from paychain.protocol.dates import iso_utc


@given(st.integers(-62_135_596_800, 253_402_300_799))  # years 1 to 9999
@example(0)
@example(951_782_400)  # 2000-02-29
@example(1_709_164_800)  # 2024-02-29
@example(4_107_542_399)  # 2100-02-28T23:59:59: no leap year
def test_a_date_is_that_of_the_calendar(seconds: int) -> None:
    assert iso_utc(seconds) == datetime.fromtimestamp(seconds, UTC).isoformat()
