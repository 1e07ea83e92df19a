"""What the timeline shows: panels of series over the run's seconds, fault windows and limits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.model.quantity import duration_seconds, share_of_one
from harness.report.palette import DASHES, SERIES
from harness.report.result import Result
from harness.report.wording import required

_FLOORS = (90.0, 50.0, 0.0)  # of the success panel, in percent
_FALLBACKS = 5  # drawn one by one; the rest is one series
_PHASES = {"warm_up": "warm-up", "before": "before", "during": "faults", "between": "between",
           "recovery": "recovery"}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """One line of a panel: a value per second, None where there is none."""

    name: str
    unit: str
    colour: str
    dash: str
    values: list[float | None]


@dataclass(frozen=True)
class Line:
    """A tolerance over the phase that it is judged in."""

    start_s: float
    end_s: float
    bound: float
    text: str
    is_early: bool  # its phase comes before the faults: what it is about happens at its end


@dataclass(frozen=True)
class Panel:
    """Series that share an axis."""

    name: str
    title: str
    series: list[Series]
    low: float = 0.0
    lines: list[Line] = field(default_factory=list)

    @property
    def known(self) -> list[float]:
        """Every value there is."""
        return [value for one in self.series for value in one.values if value is not None]


@dataclass(frozen=True)
class Window:
    """A fault from its first second to its last, in a lane of its own where labels overlap."""

    name: str
    text: str
    start_s: float
    end_s: float
    lane: int
    on: tuple[tuple[float, float], ...]  # when it really was on


def start_of(result: Result) -> float:
    """The run's first second on its own clock: times are shown from here."""
    return min((one.start_s for one in result.phases if one.end_s > one.start_s), default=0.0)


def length_of(result: Result) -> float:
    """Seconds that the time axis spans."""
    end_s = max((one.end_s for one in result.phases), default=0.0)
    return max(end_s - start_of(result), float(len(result.seconds)) - 1, 1.0)


def panels(result: Result) -> list[Panel]:
    """Success, latency and fallbacks."""
    points = result.seconds
    shares = [one.succeeded / one.offered * 100 if one.offered else None for one in points]
    success = Series("success", "%", "good", "", shares)
    lines = [one for one in _lines(result, "technical_success") if one.bound <= 100]
    least = min([v for v in shares if v is not None] + [one.bound for one in lines], default=100.0)
    latencies = [
        Series(
            name, "ms", colour, dash, [getattr(one, f"{name}_ms") for one in points]
        )
        for name, colour, dash in (("p50", "cool", ""), ("p95", "warm", "7 3"),
                                   ("p99", "violet", "2 3"))
    ]  # fmt: skip
    limits = [line for one in latencies for line in _lines(result, f"latency_{one.name}")]
    return [
        Panel(
            "success", "Payments answered finally, % of those offered", [success],
            next(floor for floor in _FLOORS if least >= floor), lines,
        ),
        Panel("latency", "Latency from the intended start, ms", latencies, 0.0, limits),
        Panel("fallbacks", "Fallbacks and retries, uses per second", _fallbacks(result)),
    ]  # fmt: skip


def windows(result: Result) -> list[Window]:
    """Fault windows in lanes, in the order they came."""
    start_s, whole_s = start_of(result), length_of(result)
    free: list[float] = []
    placed = []
    known = [(one.applied_s, one) for one in result.faults if one.applied_s is not None]
    for applied_s, one in sorted(known, key=lambda pair: pair[0]):
        begin_s = applied_s - start_s
        until_s = one.healed_s - start_s if one.healed_s is not None else whole_s
        label_s = begin_s + (len(one.id) + 2) * whole_s / 130  # some 130 characters are as wide
        lane = next((i for i, at_s in enumerate(free) if at_s <= begin_s), len(free))
        free[lane : lane + 1] = [max(until_s, label_s)]
        on = tuple(
            (from_s - start_s, until_s if to_s is None else to_s - start_s)
            for from_s, to_s in one.spans or [(applied_s, one.healed_s)]
        )
        placed.append(Window(one.id, one.text, begin_s, until_s, lane, on))
    return placed


def stretches(result: Result) -> list[tuple[str, float, float]]:
    """The phases that follow one another, with where they start and end."""
    start_s = start_of(result)
    return [
        (_PHASES[one.kind], one.start_s - start_s, one.end_s - start_s)
        for one in result.phases
        if one.kind in _PHASES and one.end_s > one.start_s
    ]


def _fallbacks(result: Result) -> list[Series]:
    totals: Counter[str] = Counter()
    for second in result.seconds:
        totals.update(second.fallbacks)
    named = [name for name, _ in totals.most_common(_FALLBACKS)]
    groups: list[tuple[str, Sequence[str]]] = [(name, [name]) for name in sorted(named)]
    rest = [name for name in totals if name not in named]
    if rest:
        groups.append((f"{len(rest)} others", rest))
    return [
        Series(name, "/s", SERIES[i % len(SERIES)], DASHES[i % len(DASHES)],
               _counts(result, some))
        for i, (name, some) in enumerate(groups)
    ]  # fmt: skip


def _counts(result: Result, names: Iterable[str]) -> list[float | None]:
    return [float(sum(one.fallbacks.get(n, 0) for n in names)) for one in result.seconds]


def _lines(result: Result, measure: str) -> list[Line]:
    start_s = start_of(result)
    phases = {one.name: one for one in result.phases}
    found = []
    for one in result.tolerances:
        phase = phases.get(one.phase)
        match = re.fullmatch(r"[<>]=?\s*(.+)", one.required)
        if one.measure != measure or phase is None or match is None:
            continue
        try:
            bound = share_of_one(match[1]) * 100 if "%" in match[1] else (
                duration_seconds(match[1]) * 1000
            )  # fmt: skip
        except ValueError:
            continue
        short = "" if measure == "technical_success" else f"{measure.removeprefix('latency_')} "
        found.append(
            Line(phase.start_s - start_s, phase.end_s - start_s, bound,
                 f"{short}{required(one.required)}", one.phase in ("before", "all"))
        )  # fmt: skip
    return found
