"""The contents of the timeline: panels of series over time, fault windows and tolerances."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from paychain.analysis.measures.phases import PHASE_LABELS
from paychain.analysis.reasons import required
from paychain.declaration.quantity import duration_seconds, share_of_one
from paychain.report.drawings.palette import DASHES, SERIES
from paychain.report.result import Result

AXIS_CHARACTERS = 130  # of a label that is as wide as the time axis
_FLOORS = (90.0, 50.0, 0.0)  # of the success panel, in percent
_MAX_FALLBACKS = 5  # with a series of their own; the rest share one
_DRAWN_PHASES = tuple(kind for kind in PHASE_LABELS if kind != "after")  # lies in recovery


@dataclass(frozen=True)
class PanelLine:
    """One line of a panel: a value for each second, None where there is none."""

    name: str
    unit: str
    colour: str
    dash: str
    values: list[float | None]


@dataclass(frozen=True)
class DrawnTolerance:
    """A tolerance, drawn over the phase in which it is judged. Times are on the page's axis."""

    start_s: float
    end_s: float
    bound: float
    text: str
    is_label_left: bool  # of a phase before the faults, whose right end is busy


@dataclass(frozen=True)
class Panel:
    """Series that share an axis."""

    name: str
    title: str
    series: list[PanelLine]
    low: float = 0.0
    limits: list[DrawnTolerance] = field(default_factory=list)

    @property
    def known(self) -> list[float]:
        """Every value of every series."""
        return [value for series in self.series for value in series.values if value is not None]


@dataclass(frozen=True, kw_only=True)
class FaultBand:
    """A fault from its start to its heal, in a lane where its label overlaps no other."""

    name: str
    text: str
    start_s: float
    end_s: float
    lane: int
    active: tuple[tuple[float, float], ...]  # when it was really active: a flapping fault pauses


def start_of(result: Result) -> float:
    """Where the page's time axis begins, in seconds on the run's clock."""
    return min(
        (phase.start_s for phase in result.phases if phase.end_s > phase.start_s), default=0.0
    )


def length_of(result: Result) -> float:
    """The length of the page's time axis in seconds."""
    end_s = max((phase.end_s for phase in result.phases), default=0.0)
    return max(end_s - start_of(result), float(len(result.seconds)) - 1, 1.0)


def panels(result: Result) -> list[Panel]:
    """The panels from top to bottom: success, latency, fallbacks."""
    return [
        _success(result),
        _latency(result),
        Panel("fallbacks", "Fallbacks and retries, uses per second", _fallbacks(result)),
    ]


def _success(result: Result) -> Panel:
    shares = [
        second.succeeded / second.offered * 100 if second.offered else None
        for second in result.seconds
    ]
    limits = [limit for limit in _limits(result, "technical_success") if limit.bound <= 100]
    known = [value for value in shares if value is not None]
    lowest = min([*known, *(limit.bound for limit in limits)], default=100.0)
    return Panel(
        "success",
        "Payments with a final answer, % of those offered",
        [PanelLine("success", "%", "good", "", shares)],
        next(floor for floor in _FLOORS if lowest >= floor),
        limits,
    )


def _latency(result: Result) -> Panel:
    latencies = [
        PanelLine(name, "ms", colour, dash, _latencies(result, f"{name}_ms"))
        for name, colour, dash in (
            ("p50", "cool", ""),
            ("p95", "warm", "7 3"),
            ("p99", "violet", "2 3"),
        )
    ]
    limits = [limit for series in latencies for limit in _limits(result, f"latency_{series.name}")]
    return Panel("latency", "Latency from the intended start, ms", latencies, 0.0, limits)


def _latencies(result: Result, name: str) -> list[float | None]:
    """For each second the latency of its bin; a result of an earlier version has no bins."""
    if not result.latencies:
        return [getattr(second, name) for second in result.seconds]
    values: list[float | None] = [None] * len(result.seconds)
    for part in result.latencies:
        for at_s in range(max(0, part.from_s), min(part.to_s, len(values))):
            values[at_s] = getattr(part, name)
    return values


def windows(result: Result) -> list[FaultBand]:
    """The faults that took effect, in the order of their start."""
    start_s, length_s = start_of(result), length_of(result)
    lanes_free_at_s: list[float] = []
    placed = []
    applied = [(fault.applied_s, fault) for fault in result.faults if fault.applied_s is not None]
    for applied_s, fault in sorted(applied, key=lambda pair: pair[0]):
        begin_s = applied_s - start_s
        end_s = fault.healed_s - start_s if fault.healed_s is not None else length_s
        label_end_s = begin_s + (len(fault.id) + 2) * length_s / AXIS_CHARACTERS
        # The first lane that is free again, or a new one below them all.
        lane = next(
            (lane for lane, free_s in enumerate(lanes_free_at_s) if free_s <= begin_s),
            len(lanes_free_at_s),
        )
        lanes_free_at_s[lane : lane + 1] = [max(end_s, label_end_s)]
        active = tuple(
            (from_s - start_s, end_s if to_s is None else to_s - start_s)
            for from_s, to_s in fault.spans or [(applied_s, fault.healed_s)]
        )
        placed.append(
            FaultBand(
                name=fault.id,
                text=fault.text,
                start_s=begin_s,
                end_s=end_s,
                lane=lane,
                active=active,
            )
        )
    return placed


def phase_spans(result: Result) -> list[tuple[str, float, float]]:
    """Name, start and end of each phase that has a place of its own on the axis.

    Where the faults leave times between them, those are phases of their own, in turn with them.
    """
    start_s = start_of(result)
    found: list[tuple[str, float, float]] = []
    has_between = any(phase.kind == "between" for phase in result.phases)
    for phase in result.phases:
        if phase.kind not in _DRAWN_PHASES or phase.end_s <= phase.start_s:
            continue
        from_s, to_s = phase.start_s - start_s, phase.end_s - start_s
        if phase.kind == "during" and has_between:
            found += _in_turn(_merged(windows(result)))
        elif phase.kind != "between":
            found.append((PHASE_LABELS[phase.kind], from_s, to_s))
    return found


def _merged(faults: Sequence[FaultBand]) -> list[tuple[float, float]]:
    """The times in which any fault was on, in order and apart from each other."""
    found: list[tuple[float, float]] = []
    for from_s, to_s in sorted((fault.start_s, fault.end_s) for fault in faults):
        if found and from_s <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], to_s)
        else:
            found.append((from_s, to_s))
    return found


def _in_turn(active: Sequence[tuple[float, float]]) -> list[tuple[str, float, float]]:
    """The times of the faults, and those between them."""
    found: list[tuple[str, float, float]] = []
    for number, (from_s, to_s) in enumerate(active):
        if number:
            found.append((PHASE_LABELS["between"], active[number - 1][1], from_s))
        found.append((PHASE_LABELS["during"], from_s, to_s))
    return found


def _fallbacks(result: Result) -> list[PanelLine]:
    totals: Counter[str] = Counter()
    for second in result.seconds:
        totals.update(second.fallbacks)
    named = [name for name, _ in totals.most_common(_MAX_FALLBACKS)]
    groups: list[tuple[str, Sequence[str]]] = [(name, [name]) for name in sorted(named)]
    rest = [name for name in totals if name not in named]
    if rest:
        groups.append((f"{len(rest)} others", rest))
    return [
        PanelLine(
            name,
            "/s",
            SERIES[number % len(SERIES)],
            DASHES[number % len(DASHES)],
            _counts(result, members),
        )
        for number, (name, members) in enumerate(groups)
    ]


def _counts(result: Result, names: Iterable[str]) -> list[float | None]:
    return [
        float(sum(second.fallbacks.get(name, 0) for name in names)) for second in result.seconds
    ]


def _limits(result: Result, measure: str) -> list[DrawnTolerance]:
    """The tolerances of a measure that can be drawn: those with a bound and a known phase."""
    start_s = start_of(result)
    phases = {phase.name: phase for phase in result.phases}
    # A panel of three latencies needs to say which of them a limit is about.
    prefix = "" if measure == "technical_success" else f"{measure.removeprefix('latency_')} "
    limits = []
    for tolerance in result.tolerances:
        phase = phases.get(tolerance.phase)
        bound = _bound(tolerance.required)
        if tolerance.measure == measure and phase is not None and bound is not None:
            limits.append(
                DrawnTolerance(
                    phase.start_s - start_s,
                    phase.end_s - start_s,
                    bound,
                    f"{prefix}{required(tolerance.required)}",
                    tolerance.phase in ("before", "all"),
                )
            )
    return limits


def _bound(required: str) -> float | None:
    """The number of a limit in the unit of its panel: percent, or milliseconds."""
    match = re.fullmatch(r"[<>]=?\s*(.+)", required)
    if match is None:
        return None
    try:
        if "%" in match[1]:
            return share_of_one(match[1]) * 100
        return duration_seconds(match[1]) * 1000
    except ValueError:
        return None
