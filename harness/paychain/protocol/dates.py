"""Dates as vendors write them, to and from seconds since 1970. No clock: dialects are pure."""

from __future__ import annotations

from datetime import datetime, tzinfo

_DAY_S = 86_400
_TO_1970 = 719_468  # days from 0000-03-01
_ERA_DAYS, _ERA_YEARS = 146_097, 400  # after which the calendar repeats


def iso_utc(seconds: int) -> str:
    """`2026-11-28T18:50:17+00:00` (RFC 3339, Gregorian calendar) for seconds since 1970."""
    days, of_day = divmod(seconds, _DAY_S)
    hour, of_hour = divmod(of_day, 3600)
    minute, second = divmod(of_hour, 60)
    year, month, day = _civil(days)
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}+00:00"


def seconds_of(text: str, zone: tzinfo | None = None) -> float:
    """Seconds since 1970 of a time in ISO 8601. Raises ValueError.

    `zone`: of a time without one. Otherwise such a time is none: the zone of our own machine means
    nothing to who wrote it.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError(f"{text} has no time zone")
        moment = moment.replace(tzinfo=zone)
    return moment.timestamp()


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day. A year begins in March here, so that its leap day is its last."""
    era, of_era = divmod(days + _TO_1970, _ERA_DAYS)
    # Leap days before this one: one in 4 years, none in 100, one in 400.
    years = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * years + years // 4 - years // 100)
    month = (5 * of_year + 2) // 153  # 0 is March
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return years + era * _ERA_YEARS + (month <= 2), month, day
