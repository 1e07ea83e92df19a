"""Limits that are judged: what an experiment requires of the chain."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from paychain.declaration.quantity import brief, duration_seconds, share_of_one
from paychain.declaration.schema import Declared

MIN_PAYMENTS = 20  # a window with fewer is too small to judge (docs/measures.md)
FINALITY = "+ finality"  # after a time: as long as a ledger needs comes on top of it
_LIMIT = re.compile(r"(>=|<=|>|<)\s*(\S.*)")
Comparison = Literal[">=", "<=", ">", "<"]


class Limit(Declared):
    """A comparison with a bound: a share of 1, seconds or a plain number, by the measure.

    `waits`: the time that a ledger needs until a transfer is final comes on top of it.
    """

    comparison: Comparison
    bound: float
    text: str
    waits: bool = False

    def after(self, finality_s: float) -> Limit:
        """The same for a chain whose ledger needs so long; nobody waits for it elsewhere."""
        if not self.waits:
            return self
        bound = self.bound + finality_s
        return Limit(comparison=self.comparison, bound=bound, text=f"{self.comparison} {bound:g}s")

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


def _limit(parse: Any, example: str, *, may_wait: bool = False) -> Any:
    """Reads a limit on the side of the example: a success is a minimum, a time a maximum."""

    def read(value: Any) -> Limit:
        if isinstance(value, dict) and not any(each is not None for each in value.values()):
            raise ValueError(f'no limit is given; write one such as "{example}"')
        match = _LIMIT.fullmatch(str(value).strip())
        if match is None:
            raise ValueError(
                f"'{brief(value)}' is not a limit; write {_with_sign(value, parse, example)}"
            )
        if match[1][0] != example[0]:
            side = "at least" if example[0] == ">" else "at most"
            what = f"'{brief(value)}' has the wrong sign: a better chain would fail sooner"
            raise ValueError(f'{what}; say {side}: "{example[0]}= {match[2]}"')
        bound = match[2].removesuffix(FINALITY) if may_wait else match[2]
        return Limit(
            comparison=match[1],
            bound=parse(bound.strip()),
            text=str(value).strip(),
            waits=bound != match[2],
        )

    return BeforeValidator(read)


def _with_sign(value: Any, parse: Any, example: str) -> str:
    """A value without a sign as the limit that is probably meant; another value: an example."""
    try:
        parse(value)
    except ValueError:
        return f'one such as "{example}"'
    return f'"{example[0]}= {value}"'


def _schema(example: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": f"^{_LIMIT.pattern}$", "examples": [example]}
    )


def _number(value: Any) -> float:
    """`1.3`, a number of requests for each payment. Raises ValueError with `what; hint`."""
    text = str(value)
    if _REQUESTS.fullmatch(text):
        return float(text)
    share = text.removesuffix("%").strip()
    if text.endswith("%") and _REQUESTS.fullmatch(share):
        raise ValueError(
            f"'{text}' is a share; write requests for each payment: {float(share) / 100:g}"
        )
    raise ValueError(f"'{brief(text)}' is not a number; write one such as 1.3")


_COUNT = re.compile(r"<=\s*([0-9]{1,9})")
_PLAIN_COUNT = re.compile("[0-9]{1,9}")
_REQUESTS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")  # no more than that: `nan` is one to Python


def _count(value: Any) -> Any:
    """`0`, or written as a limit: `<= 0`. Raises ValueError with `what; hint`."""
    match = _COUNT.fullmatch(str(value).strip())
    if match is not None:
        return int(match[1])
    text = str(value).strip()
    if _PLAIN_COUNT.fullmatch(text) is None:
        raise ValueError(f"'{brief(value)}' is not a number of payments; write 0, or \"<= 0\"")
    return int(text)


Count = Annotated[
    int,
    BeforeValidator(_count),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": f"^{_COUNT.pattern}$", "examples": ["<= 0"]},
            ]
        }
    ),
]
ShareLimit = Annotated[Limit, _limit(share_of_one, ">= 99.9%"), _schema(">= 99.9%")]
TimeLimit = Annotated[Limit, _limit(duration_seconds, "<= 10s"), _schema("<= 10s")]
LatencyLimit = Annotated[
    Limit, _limit(duration_seconds, "<= 10s", may_wait=True), _schema("<= 10s")
]
NumberLimit = Annotated[Limit, _limit(_number, "<= 1.3"), _schema("<= 1.3")]


LATENCIES = ("latency_p50", "latency_p95", "latency_p99")


class _ByPhase(Declared):
    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if not any(limit is not None for _, limit in self):
            raise ValueError("no phase has a limit; write such as during: …, or remove the key")
        return self


class ShareByPhase(_ByPhase):
    """A share's limits per phase."""

    before: ShareLimit | None = None
    during: ShareLimit | None = None
    recovery: ShareLimit | None = None
    after: ShareLimit | None = None


class TimeByPhase(_ByPhase):
    """A latency's limits per phase."""

    before: LatencyLimit | None = None
    during: LatencyLimit | None = None
    recovery: LatencyLimit | None = None
    after: LatencyLimit | None = None


class Tolerances(Declared):
    """What is judged. A limit without a phase applies to the whole run, warm-up excluded.

    A latency `"<= 1s + finality"` is longer by what a transfer needs until it is final, on a chain
    with a ledger.
    """

    technical_success: ShareLimit | ShareByPhase | None = None
    approval_rate: ShareLimit | ShareByPhase | None = None
    latency_p50: LatencyLimit | TimeByPhase | None = None
    latency_p95: LatencyLimit | TimeByPhase | None = None
    latency_p99: LatencyLimit | TimeByPhase | None = None
    detection: TimeLimit | None = None
    failover: TimeLimit | None = None
    failback: TimeLimit | None = None
    recovery: TimeLimit | None = None
    drain: TimeLimit | None = None
    amplification: NumberLimit | None = None
    completed: ShareLimit | None = None
    double_charges: Count | None = None
    orphaned_authorisations: Count | None = None

    def after(self, finality_s: float) -> Tolerances:
        """The same for a chain whose ledger needs so long until a transfer is final."""
        found: dict[str, Limit | TimeByPhase] = {}
        for name in LATENCIES:
            match getattr(self, name):
                case Limit() as limit if limit.waits:
                    found[name] = limit.after(finality_s)
                case TimeByPhase() as phases:
                    limits = {phase: getattr(phases, phase) for phase in phases.model_fields_set}
                    found[name] = phases.model_copy(
                        update={
                            phase: limit.after(finality_s)
                            for phase, limit in limits.items()
                            if limit is not None
                        }
                    )
        return self.model_copy(update=found) if found else self
