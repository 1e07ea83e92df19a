"""When an experiment is stopped early: `technical_success < 20% for 10s`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from harness.model.problem import Problem
from harness.model.quantity import duration_seconds, share_of_one
from harness.model.schema import Declared, Short
from harness.model.tolerance import FEW_PAYMENTS, Limit
from harness.payments.errors import meant

Watched = Literal[
    "technical_success", "approval_rate", "unknown", "latency_p50", "latency_p95", "latency_p99",
    "double_charges",
]  # fmt: skip
MEASURES: tuple[str, ...] = get_args(Watched)
SHORTEST_S, LONGEST_S = 1.0, 600.0  # windows are made of whole seconds, and all are kept
MOST_CONDITIONS = 20
EXAMPLE = "technical_success < 20% for 10s"
_CONDITION = re.compile(r"([a-z_0-9]+)\s*(>=|<=|>|<)\s*(\S.*?)\s+for\s+(\S.*)")


class StopCondition(Declared):
    """A measure that must not stay beyond a bound for so many seconds while the load goes on."""

    measure: Watched
    limit: Limit  # met: the run is stopped
    lasts: float
    text: str

    @property
    def counts_payments(self) -> bool:
        """It looks at what is in the books, not at what customers were told in a window."""
        return self.measure == "double_charges"


def _payments(value: str) -> float:
    if not value.isdecimal():
        raise ValueError(f"'{value}' is not a number of payments; write one such as 0")
    return float(value)


def _parse(measure: str) -> Callable[[str], float]:
    if measure == "double_charges":
        return _payments
    return duration_seconds if measure.startswith("latency") else share_of_one


def _condition(value: Any) -> StopCondition:
    text = " ".join(str(value).split())
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a condition; write one such as \"{EXAMPLE}\"")
    measure, comparison, bound, lasts = match.groups()
    if measure not in MEASURES:
        mend = meant(measure, MEASURES)
        raise ValueError(f"'{measure}' cannot be watched while a run goes on; {mend}")
    seconds = duration_seconds(lasts)
    if not SHORTEST_S <= seconds <= LONGEST_S or seconds != int(seconds):
        raise ValueError(
            f"'{lasts}' is no window; write whole seconds from {SHORTEST_S:g}s to {LONGEST_S:g}s"
        )
    limit = Limit.model_validate(
        {"comparison": comparison, "bound": _parse(measure)(bound), "text": f"{comparison} {bound}"}
    )
    return StopCondition.model_validate(
        {"measure": measure, "limit": limit, "lasts": seconds, "text": text}
    )


_Written = Annotated[
    StopCondition,
    BeforeValidator(_condition),
    WithJsonSchema(
        {"type": "string", "pattern": f"^\\s*{_CONDITION.pattern}\\s*$", "examples": [EXAMPLE]}
    ),
]
StopWhen = Annotated[
    list[_Written],
    Field(max_length=MOST_CONDITIONS),
    BeforeValidator(lambda value: value if isinstance(value, list) else [value]),
    Short(_Written),
]


def check_stop(
    conditions: list[StopCondition], lasts_s: float, fastest: float | None
) -> Iterator[Problem]:
    """A condition that can never be met protects nobody. `fastest`: payments a second at most."""
    for number, one in enumerate(conditions):
        at = ("stop_when", number)
        if one.lasts > lasts_s:
            what = f"the load ends after {lasts_s:g} s, before a window of {one.lasts:g} s is full"
            yield Problem(at, what, "shorten the window")
        elif not one.counts_payments and fastest is not None and fastest * one.lasts < FEW_PAYMENTS:
            what = (
                f"a window of {one.lasts:g} s has at most {fastest * one.lasts:.0f} payments, "
                f"under {FEW_PAYMENTS} say nothing"
            )
            yield Problem(at, what, "lengthen the window")
