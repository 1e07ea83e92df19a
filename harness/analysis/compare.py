"""Two runs of the same experiment beside each other: what became worse, and is it more than chance?

Seconds of a run resemble their neighbours, so whole blocks of seconds are drawn again (moving-block
bootstrap), never single payments. A difference counts when it is unlikely to be chance (Holm over
all measures) and larger than a margin. Money rules know no chance. Source: reports.md §6.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import log1p, sqrt
from random import Random
from statistics import NormalDist, stdev
from typing import Literal

import msgspec

from harness.analysis.histogram import middle
from harness.analysis.measured import Money, Phase
from harness.analysis.store import RunStore
from harness.payments.journal import HopRecord, PaymentRecord
from harness.payments.outcome import HopResult

RESAMPLES = 200
SIGNIFICANT = 0.05  # chance of any false alarm in a comparison of alike runs
BLOCKS = 8  # fewer say too little about chance
LONGEST_BLOCK_S = 30
SHORTEST_S = 2 * BLOCKS
FEW = {"technical success": 100, "approval rate": 100, "p50": 200, "p99": 500, "failed": 100}
MARGINS = {  # smaller differences are not worth waking somebody up for
    "technical success": 0.005,  # of one
    "approval rate": 0.01,
    "failed": 0.005,
    "p50": 0.05,  # of the baseline's value
    "p99": 0.05,
}
_WORSE = {"technical success": -1, "approval rate": -1, "failed": 1, "p50": 1, "p99": 1}
_WORKED = (HopResult.APPROVED.value, HopResult.DECLINED.value)
Finding = Literal["same", "regression", "improvement", "too short"]


class Compared(msgspec.Struct, frozen=True):
    """One measure of one phase or hop in both runs. Shares of one, times in milliseconds.

    `difference` is in points of one for shares, in parts of the baseline for times, as are its
    limits (95 %, before Holm) and the margin.
    """

    scope: str  # "phase during", "hop gateway → processor-a (authorise)"
    measure: str
    baseline: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    margin: float
    finding: Finding
    text: str


class ComparedRule(msgspec.Struct, frozen=True):
    """One money rule in both runs."""

    rule: str
    title: str
    baseline: int
    candidate: int

    @property
    def is_regression(self) -> bool:
        """More payments broke it."""
        return self.candidate > self.baseline


class Comparison(msgspec.Struct, frozen=True):
    """A run beside its baseline."""

    baseline: str  # run id
    candidate: str
    notes: list[str]
    measures: list[Compared]
    rules: list[ComparedRule]

    @property
    def regressions(self) -> list[str]:
        """What became worse, in plain words; money first."""
        money = [
            f"{one.title.lower()}: {one.candidate} payments instead of {one.baseline}"
            for one in self.rules
            if one.is_regression
        ]
        return money + [one.text for one in self.measures if one.finding == "regression"]


@dataclass(frozen=True)
class Side:
    """One of the two runs."""

    run: str
    store: RunStore
    phases: Sequence[Phase]
    money: Money


@dataclass
class _Second:
    """What one second of a phase or hop adds to its measures."""

    n: int = 0
    good: int = 0  # succeeded, approved or worked, by what is counted
    of: int = 0  # of how many
    latencies: list[tuple[int, int]] = field(default_factory=list)  # (bucket, count)


@dataclass
class _Series:
    """A measure's seconds in one run."""

    seconds: list[_Second]

    def value(self, measure: str, weights: Sequence[int]) -> float | None:
        """The measure over seconds that count so many times each."""
        if measure in ("p50", "p99"):
            return self._quantile(0.5 if measure == "p50" else 0.99, weights)
        of = sum(w * one.of for w, one in zip(weights, self.seconds, strict=True))
        good = sum(w * one.good for w, one in zip(weights, self.seconds, strict=True))
        if not of:
            return None
        return 1 - good / of if measure == "failed" else good / of

    def count(self, measure: str) -> int:
        """How many payments or executions the measure rests on."""
        return sum(one.n if measure in ("p50", "p99") else one.of for one in self.seconds)

    def _quantile(self, share: float, weights: Sequence[int]) -> float | None:
        """From the slowest down, so that a p99 looks at one value in a hundred."""
        total = sum(w * one.n for w, one in zip(weights, self.seconds, strict=True))
        left = total - max(1, -int(-share * total // 1)) + 1
        for bucket, second, count in self._cells:
            left -= weights[second] * count
            if left <= 0:
                return middle(bucket) / 1e6
        return None

    @cached_property
    def _cells(self) -> list[tuple[int, int, int]]:
        """Bucket, second and count, the slowest first."""
        return sorted(
            (
                (bucket, number, count)
                for number, one in enumerate(self.seconds)
                for bucket, count in one.latencies
            ),
            reverse=True,
        )


def compare(baseline: Side, candidate: Side, notes: Sequence[str] = ()) -> Comparison:
    """Every measure of every phase and hop in both runs, judged together."""
    pairs = list(_pairs(baseline, candidate))
    drawn = [_difference(*pair) for pair in pairs]
    chances = [one.chance for one in drawn if one.chance is not None]
    threshold = _holm(chances)
    measures = [
        _judged(scope, measure, one, threshold)
        for (scope, measure, _, _), one in zip(pairs, drawn, strict=True)
    ]
    before = {one.rule: one.findings for one in baseline.money.rules}
    rules = [
        ComparedRule(one.rule, one.title, before.get(one.rule, 0), one.findings)
        for one in candidate.money.rules
    ]
    return Comparison(baseline.run, candidate.run, list(notes), measures, rules)


def _pairs(a: Side, b: Side) -> Iterator[tuple[str, str, _Series, _Series]]:
    phases = {one.name: one for one in b.phases}
    payments = _payments(a.store), _payments(b.store)
    for phase in a.phases:
        other = phases.get(phase.name)
        if phase.kind == "warm_up" or other is None:
            continue
        for measure in ("technical success", "approval rate", "p50", "p99"):
            key = "approval" if measure == "approval rate" else "success"
            yield (
                f"phase {phase.name}", measure, _of_phase(payments[0][key], phase, a.store),
                _of_phase(payments[1][key], other, b.store),
            )  # fmt: skip
    hops = _hops(a.store), _hops(b.store)
    for hop in sorted(hops[0].keys() & hops[1].keys()):
        for measure in ("failed", "p99"):
            yield f"hop {hop}", measure, _filled(hops[0][hop]), _filled(hops[1][hop])


def _payments(store: RunStore) -> dict[str, dict[int, _Second]]:
    """Success and approvals per second of the load; both with the latencies."""
    success: dict[int, _Second] = defaultdict(_Second)
    approval: dict[int, _Second] = defaultdict(_Second)
    for total in store.totals(PaymentRecord):
        warm_up, outcome, technical = total.alike
        if warm_up:
            continue
        second = success[total.second]
        second.n += total.n
        second.of += total.n
        second.good += 0 if technical else total.n
        second.latencies += list(total.latencies_ns.counts.items())
        if not technical:
            approval[total.second].of += total.n
            approval[total.second].good += total.n if outcome == "approved" else 0
    return {"success": success, "approval": approval}


def _hops(store: RunStore) -> dict[str, dict[int, _Second]]:
    found: dict[str, dict[int, _Second]] = defaultdict(lambda: defaultdict(_Second))
    for total in store.totals(HopRecord):
        warm_up, caller, operation, callee, _, result = total.alike
        if warm_up:
            continue
        second = found[f"{caller} → {callee} ({operation})"][total.second]
        second.n += total.n
        second.of += total.n
        second.good += total.n if result in _WORKED else 0
        second.latencies += list(total.latencies_ns.counts.items())
    return found


def _of_phase(seconds: dict[int, _Second], phase: Phase, store: RunStore) -> _Series:
    start_s = store.meta("timeline")["load_start_s"]
    first, last = round(phase.start_s - start_s), round(phase.end_s - start_s)
    return _Series([seconds.get(one, _Second()) for one in range(first, last)])


def _filled(seconds: dict[int, _Second]) -> _Series:
    return _Series([seconds.get(one, _Second()) for one in range(min(seconds), max(seconds) + 1)])


@dataclass(frozen=True)
class _Drawn:
    baseline: float | None = None
    candidate: float | None = None
    difference: float | None = None
    error: float = 0.0
    chance: float | None = None  # of so large a difference between alike runs; None: too short


def _difference(scope: str, measure: str, a: _Series, b: _Series) -> _Drawn:
    whole = [1] * len(a.seconds), [1] * len(b.seconds)
    one, other = a.value(measure, whole[0]), b.value(measure, whole[1])
    if one is None or other is None:
        return _Drawn(one, other)
    if min(len(a.seconds), len(b.seconds)) < SHORTEST_S:
        return _Drawn(one, other)
    if min(a.count(measure), b.count(measure)) < FEW[measure]:
        return _Drawn(one, other)
    chance = Random(f"{scope} {measure}")  # noqa: S311  (repeats, and is no secret)
    drawn = [
        _between(measure, x, y)
        for _ in range(RESAMPLES)
        if (x := a.value(measure, _weights(len(a.seconds), chance))) is not None
        and (y := b.value(measure, _weights(len(b.seconds), chance))) is not None
    ]
    found = _between(measure, one, other)
    error = stdev(drawn) if len(drawn) > 1 else 0.0
    if error == 0.0:  # both runs are the same in every second, or differ in every second
        return _Drawn(one, other, found, 0.0, 1.0 if found == 0 else 0.0)
    return _Drawn(one, other, found, error, _chance_of(abs(found) / error))


def _between(measure: str, one: float, other: float) -> float:
    if measure in ("p50", "p99"):
        return (other - one) / one if one else 0.0
    return other - one


def _weights(seconds: int, chance: Random) -> list[int]:
    """How often each second counts in one resample: blocks of neighbours, round the end."""
    length = max(1, min(LONGEST_BLOCK_S, seconds // BLOCKS))
    weights = [0] * seconds
    drawn = 0
    while drawn < seconds:
        start = chance.randrange(seconds)
        for offset in range(min(length, seconds - drawn)):
            weights[(start + offset) % seconds] += 1
        drawn += length
    return weights


def _chance_of(errors: float) -> float:
    """Two-sided, by Student's t with the freedom of two times eight blocks (Wallace 1959)."""
    freedom = 2 * (BLOCKS - 1)
    normal = (
        (8 * freedom + 1) / (8 * freedom + 3) * sqrt(freedom * log1p(errors * errors / freedom))
    )
    return 2 * (1 - NormalDist().cdf(normal))


def _holm(chances: Sequence[float]) -> float:
    """The largest chance that still counts, for all measures together."""
    threshold = -1.0
    for number, chance in enumerate(sorted(chances)):
        if chance > SIGNIFICANT / (len(chances) - number):
            break
        threshold = chance
    return threshold


def _judged(scope: str, measure: str, drawn: _Drawn, threshold: float) -> Compared:
    margin = MARGINS[measure]
    finding: Finding = "same"
    if drawn.chance is None or drawn.difference is None:
        finding = "too short"
    elif drawn.chance <= threshold and abs(drawn.difference) >= margin:
        is_worse = drawn.difference * _WORSE[measure] > 0
        finding = "regression" if is_worse else "improvement"
    spread = 1.96 * drawn.error
    low = high = None
    if drawn.difference is not None:
        low, high = drawn.difference - spread, drawn.difference + spread
    text = f"{scope}: {measure} {_words(measure, drawn.baseline)} → "
    text += _words(measure, drawn.candidate)
    return Compared(scope, measure, drawn.baseline, drawn.candidate, drawn.difference, low, high,
                    margin, finding, text)  # fmt: skip


def _words(measure: str, value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,.1f} ms" if measure in ("p50", "p99") else f"{100 * value:.2f} %"
