"""When an experiment is stopped early: `technical_success < 20% for 10s`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from paychain.declaration.problem import Problem
from paychain.declaration.quantity import brief, duration_seconds, share_of_one
from paychain.declaration.schema import Declared, Short, several
from paychain.model.tolerance import MIN_PAYMENTS, Limit
from paychain.payments.errors import meant
from paychain.payments.whole_number import whole_number

Watched = Literal[
    "technical_success",
    "approval_rate",
    "unknown",
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "double_charges",
]
MEASURES: tuple[str, ...] = get_args(Watched)
# What gets larger when things get better; of the others, the smaller value is the better one.
_BETTER_LARGE = ("technical_success", "approval_rate")
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
MIN_S, MAX_S = 1.0, 600.0  # windows are whole seconds, and every second of one is kept
MAX_CONDITIONS = 20
EXAMPLE = "technical_success < 20% for 10s"
_CONDITION = re.compile(r"([a-z_0-9]+)\s*(>=|<=|>|<)\s*(\S.*?)\s+for\s+(\S.*)")


class StopCondition(Declared):
    """A condition that stops the run: a measure holds `limit` over a window of `lasts` seconds."""

    measure: Watched
    limit: Limit
    lasts: float
    text: str

    @property
    def counts_payments(self) -> bool:
        """Whether it counts payments in the books, not what customers saw in a window."""
        return self.measure == "double_charges"


def _payments(value: str) -> float:
    number = whole_number(value)
    if number is None:
        raise ValueError(f"'{brief(value)}' is not a number of payments; write one such as 0")
    return float(number)


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
        hint = meant(measure, MEASURES)
        raise ValueError(f"'{measure}' cannot be watched during a run; {hint}")
    if comparison[0] != ("<" if measure in _BETTER_LARGE else ">"):
        what = f"'{text}' would stop a run that goes well"
        raise ValueError(f'{what}; write "{measure} {_OPPOSITE[comparison]} {bound} for {lasts}"')
    seconds = duration_seconds(lasts)
    if not MIN_S <= seconds <= MAX_S or seconds != int(seconds):
        raise ValueError(
            f"'{lasts}' is not a window; write whole seconds from {MIN_S:g}s to {MAX_S:g}s"
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
    Field(max_length=MAX_CONDITIONS),
    BeforeValidator(several),
    Short(_Written),
]


def check_stop(
    conditions: list[StopCondition], lasts_s: float, fastest: float | None
) -> Iterator[Problem]:
    """Conditions that can never be met. `fastest`: the highest declared rate, payments a second."""
    for number, condition in enumerate(conditions):
        at = ("stop_when", number)
        most = None if fastest is None else fastest * condition.lasts
        if condition.lasts > lasts_s:
            what = (
                f"the load ends after {lasts_s:g} s, "
                f"before a window of {condition.lasts:g} s is full"
            )
            yield Problem(at, what, "shorten the window")
        elif not condition.counts_payments and most is not None and most < MIN_PAYMENTS:
            what = (
                f"a window of {condition.lasts:g} s has at most {most:.0f} payments; "
                f"{MIN_PAYMENTS} are needed to judge it"
            )
            yield Problem(at, what, "lengthen the window")
