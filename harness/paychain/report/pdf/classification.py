"""Would this have been a major incident? The thresholds of RTS 2024/1772, applied to a scaled run.

A run is minutes of mock traffic. It is scaled to the length of the outage by the experiment's time
scale, and to the size of the service by the declared average day. Source: docs/domain.md §4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import msgspec

from paychain.payments.money import to_minor, written
from paychain.report.result import Result

DAY_S = 86_400
SHARE = 0.10  # of the daily number, value or clients: Art. 9(1)(a), (d), (e)
CLIENTS = 100_000  # Art. 9(1)(b)
DURATION_S = 24 * 3_600  # Art. 9(3)
DOWNTIME_S = 2 * 3_600  # Art. 9(3), services supporting critical functions
NOT_GIVEN = "missing in the assurance block"


class Threshold(msgspec.Struct, frozen=True):
    """One threshold, with what the run showed."""

    article: str
    text: str
    observed: str
    is_exceeded: bool | None  # None: unknown


class Classification(msgspec.Struct, frozen=True):
    """The simulated classification, with the reason for it and its assumptions."""

    thresholds: list[Threshold]
    is_major: bool | None  # None: unknown
    reason: str
    assumptions: list[str]


def scale_of(result: Result) -> float:
    """Seconds of the outage per second of the run."""
    return float(1 / Fraction(result.experiment.time_scale))


def classify(
    result: Result, daily: dict[str, Any], critical_function: str | None
) -> Classification:
    """The thresholds that a run can be measured against.

    `daily` is the average day of the assurance block: clients, transactions, value.
    """
    during = next((phase for phase in result.phases if phase.kind == "during"), None)
    if during is None or during.technical_success is None:
        return Classification([], None, "no fault took effect, or there were too few payments", [])
    scale = scale_of(result)
    outage_s = (during.end_s - during.start_s) * scale
    back_s = result.recovery.recovery_s
    lost = 1 - during.technical_success
    downtime_s = None if back_s is None else outage_s + back_s * scale
    if lost == 0:
        downtime_s = 0.0
    affected = lost * min(1.0, outage_s / DAY_S)  # share of an even day's traffic
    thresholds = [
        Threshold("9(1)(a)", "more than 10 % of the clients", *_clients_share(affected, daily)),
        Threshold("9(1)(b)", "more than 100,000 clients", *_clients(affected, daily)),
        Threshold("9(1)(d)", "more than 10 % of the daily number", *_number(affected, daily)),
        Threshold(
            "9(1)(e)",
            "more than 10 % of the daily value",
            *_value(affected, daily, result.chain.currency),
        ),
        _time(outage_s if lost else 0.0, downtime_s),
    ]
    return Classification(
        thresholds,
        *_verdict(thresholds, critical_function),
        [
            f"one second of the run represents {scale:g} s of the outage (time scale "
            f"{result.experiment.time_scale})",
            "traffic is spread evenly over the day, and each client pays once",
            "not assessed: reputation 9(2), Member States 9(4), data losses 9(5), costs 9(6)",
        ],
    )


def _verdict(
    thresholds: Sequence[Threshold], critical_function: str | None
) -> tuple[bool | None, str]:
    """Major: a critical service is affected and at least two criteria are met."""
    # "9(1)(a)" and "9(1)(b)" are two thresholds of one criterion.
    met = {threshold.article[:4] for threshold in thresholds if threshold.is_exceeded}
    unknown = {item.article[:4] for item in thresholds if item.is_exceeded is None} - met
    if critical_function is None:
        return None, "no critical function is named"
    if len(met) >= 2:
        return True, f"a critical function is affected, criteria met: {', '.join(sorted(met))}"
    if len(met) + len(unknown) >= 2:
        return None, f"criteria {', '.join(sorted(unknown))} are unknown"
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
        return Threshold("9(3)", text, "no recovery during the run", True)
    hours = f"{outage_s / 3_600:.1f} h, down {downtime_s / 3_600:.1f} h"
    return Threshold("9(3)", text, hours, outage_s > DURATION_S or downtime_s > DOWNTIME_S)
