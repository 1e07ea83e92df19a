"""Limits that are judged: what an experiment requires of the chain."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from harness.model.quantity import duration_seconds, share_of_one
from harness.model.schema import Declared

FEW_PAYMENTS = 20  # a window with fewer is too small to say (design §5)
_LIMIT = re.compile(r"(>=|<=|>|<)\s*(\S.*)")
Comparison = Literal[">=", "<=", ">", "<"]
PhaseName = Literal["before", "during", "recovery", "after", "all"]


class Limit(Declared):
    """A comparison with a bound: share of one, seconds or a plain number, by the measure."""

    comparison: Comparison
    bound: float
    text: str

    def holds(self, observed: float) -> bool:
        """Whether an observed value is within the limit."""
        match self.comparison:
            case ">=":
                return observed >= self.bound
            case "<=":
                return observed <= self.bound
            case ">":
                return observed > self.bound
            case "<":
                return observed < self.bound


def _limit(parse: Any, example: str) -> Any:
    def read(value: Any) -> Limit:
        match = _LIMIT.fullmatch(str(value).strip())
        if match is None:
            raise ValueError(f"'{value}' is not a limit; write one such as \"{example}\"")
        return Limit(comparison=match[1], bound=parse(match[2]), text=str(value).strip())

    return BeforeValidator(read)


def _schema(example: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": f"^{_LIMIT.pattern}$", "examples": [example]}
    )


ShareLimit = Annotated[Limit, _limit(share_of_one, ">= 99.9%"), _schema(">= 99.9%")]
TimeLimit = Annotated[Limit, _limit(duration_seconds, "<= 10s"), _schema("<= 10s")]
NumberLimit = Annotated[Limit, _limit(float, "<= 1.3"), _schema("<= 1.3")]


class ShareByPhase(Declared):
    """A share's limits per phase."""

    before: ShareLimit | None = None
    during: ShareLimit | None = None
    recovery: ShareLimit | None = None
    after: ShareLimit | None = None


class TimeByPhase(Declared):
    """A time's limits per phase."""

    before: TimeLimit | None = None
    during: TimeLimit | None = None
    recovery: TimeLimit | None = None
    after: TimeLimit | None = None


class Tolerances(Declared):
    """What is judged. A limit without a phase holds for the whole run, warm-up excluded."""

    technical_success: ShareLimit | ShareByPhase | None = None
    approval_rate: ShareLimit | ShareByPhase | None = None
    latency_p50: TimeLimit | TimeByPhase | None = None
    latency_p95: TimeLimit | TimeByPhase | None = None
    latency_p99: TimeLimit | TimeByPhase | None = None
    detection: TimeLimit | None = None
    failover: TimeLimit | None = None
    failback: TimeLimit | None = None
    recovery: TimeLimit | None = None
    drain: TimeLimit | None = None
    amplification: NumberLimit | None = None
    double_charges: Annotated[int, "payments"] | None = None
    orphaned_authorisations: Annotated[int, "payments"] | None = None
