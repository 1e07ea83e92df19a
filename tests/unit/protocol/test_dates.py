"""Dates from seconds since 1970 and back, as Python's own calendar has them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paychain.protocol.dates import iso_utc, seconds_of
from tests.support.paths import ROOT


@given(st.integers(-62_135_596_800, 253_402_300_799))  # years 1 to 9999
@example(0)
@example(951_782_400)  # 2000-02-29
@example(1_709_164_800)  # 2024-02-29
@example(4_107_542_399)  # 2100-02-28T23:59:59: no leap year
def test_a_date_is_that_of_the_calendar(seconds: int) -> None:
    assert iso_utc(seconds) == datetime.fromtimestamp(seconds, UTC).isoformat()
    assert seconds_of(iso_utc(seconds)) == seconds


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in another time zone."""
    monkeypatch.setenv("TZ", "XYZ-7")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
def test_a_time_without_a_zone_is_never_one_of_our_machines_zone() -> None:
    assert seconds_of("1970-01-01T00:00:00", UTC) == 0
    assert seconds_of("1970-01-01T07:00:00+07:00", UTC) == 0
    for text in ("1970-01-01T00:00:00", "1970-01-01", "soon", ""):
        with pytest.raises(ValueError, match=r"time zone|isoformat"):
            seconds_of(text)


def test_dialects_read_times_in_no_other_way() -> None:
    rooms = (ROOT / "harness/paychain/protocol").rglob("*.py")
    found = [path.name for path in rooms if "fromisoformat" in path.read_text()]
    assert found == ["dates.py"]
