"""Would this have been a major incident? The thresholds of RTS 2024/1772, on a scaled-up run.

A run is minutes of mock traffic. It is scaled by the experiment's time scale to the length of the
outage, and by the declared average day to the size of the service. Source: domain.md §4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import msgspec

from harness.payments.money import to_minor, written
from harness.report.result import Result

DAY_S = 86_400
SHARE = 0.10  # of the daily number, value or clients: Art. 9(1)(a), (d), (e)
CLIENTS = 100_000  # Art. 9(1)(b)
DURATION_S = 24 * 3_600  # Art. 9(3)
DOWNTIME_S = 2 * 3_600  # Art. 9(3), services supporting critical functions
NOT_GIVEN = "not given in the assurance block"


class Threshold(msgspec.Struct, frozen=True):
    """One threshold. `passed` is None when it cannot be said."""

    article: str
    text: str
    observed: str
    passed: bool | None


class Classification(msgspec.Struct, frozen=True):
    """The simulated classification with what it rests on."""

    thresholds: list[Threshold]
    is_major: bool | None
    because: str
    assumptions: list[str]


def scale_of(result: Result) -> float:
    """How many seconds of the outage one second of the run stands for."""
    return float(1 / Fraction(result.experiment.time_scale))


def classify(
    result: Result, daily: dict[str, Any], critical_function: str | None
) -> Classification:
    """The thresholds a run can speak of."""
    during = next((one for one in result.phases if one.kind == "during"), None)
    if during is None or during.technical_success is None:
        return Classification([], None, "no fault took effect, or too few payments", [])
    scale = scale_of(result)
    outage_s = (during.end_s - during.start_s) * scale
    back_s = result.recovery.recovery_s
    lost = 1 - during.technical_success
    downtime_s = None if back_s is None else outage_s + back_s * scale
    if lost == 0:
        downtime_s = 0.0
    affected = lost * min(1.0, outage_s / DAY_S)  # of a day's traffic, were it spread evenly
    thresholds = [
        Threshold("9(1)(a)", "more than 10 % of the clients", *_clients_share(affected, daily)),
        Threshold("9(1)(b)", "more than 100,000 clients", *_clients(affected, daily)),
        Threshold("9(1)(d)", "more than 10 % of the daily number", *_number(affected, daily)),
        Threshold(
            "9(1)(e)", "more than 10 % of the daily value",
            *_value(affected, daily, result.chain.currency),
        ),
        _time(outage_s if lost else 0.0, downtime_s),
    ]  # fmt: skip
    return Classification(
        thresholds, *_verdict(thresholds, critical_function),
        [
            f"one second of the run stands for {scale:g} s (time scale "
            f"{result.experiment.time_scale})",
            "a day's traffic is spread evenly over the day, and each client pays once",
            "not looked at: reputation 9(2), Member States 9(4), data losses 9(5), costs 9(6)",
        ],
    )  # fmt: skip


def _verdict(
    thresholds: Sequence[Threshold], critical_function: str | None
) -> tuple[bool | None, str]:
    criteria = {one.article[:4] for one in thresholds if one.passed}
    unsaid = {one.article[:4] for one in thresholds if one.passed is None} - criteria
    if critical_function is None:
        return None, "no critical function is named"
    if len(criteria) >= 2:
        return True, f"a critical function, and criteria {', '.join(sorted(criteria))}"
    if len(criteria) + len(unsaid) >= 2:
        return None, f"criteria {', '.join(sorted(unsaid))} cannot be said"
    return False, "fewer than two criteria are met"


def _clients_share(affected: float, daily: dict[str, Any]) -> tuple[str, bool | None]:
    if daily.get("clients") is None:
        return NOT_GIVEN, None
    return f"{affected:.1%}", affected > SHARE


def _clients(affected: float, daily: dict[str, Any]) -> tuple[str, bool | None]:
    if daily.get("clients") is None:
        return NOT_GIVEN, None
    count = affected * int(daily["clients"])
    return f"{count:,.0f}", count > CLIENTS


def _number(affected: float, daily: dict[str, Any]) -> tuple[str, bool | None]:
    if daily.get("transactions") is None:
        return NOT_GIVEN, None
    count = affected * int(daily["transactions"])
    return f"{count:,.0f} ({affected:.1%})", affected > SHARE


def _value(affected: float, daily: dict[str, Any], currency: str) -> tuple[str, bool | None]:
    if daily.get("value") is None:
        return NOT_GIVEN, None
    amount = round(affected * to_minor(str(daily["value"]), currency))
    return f"{written(amount, currency)} ({affected:.1%})", affected > SHARE


def _time(outage_s: float, downtime_s: float | None) -> Threshold:
    text = "longer than 24 h, or down for more than 2 h"
    if downtime_s is None:
        return Threshold("9(3)", text, "it never recovered in the run", True)
    hours = f"{outage_s / 3_600:.1f} h, down {downtime_s / 3_600:.1f} h"
    return Threshold("9(3)", text, hours, outage_s > DURATION_S or downtime_s > DOWNTIME_S)
