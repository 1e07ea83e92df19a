"""A run beside its baselines: what became worse, and is it more than chance?

First what knows no chance: the verdict, each tolerance, each money rule. Then the measures: a
difference counts when it is unlikely to be chance, over all measures together (`significance`),
larger than a margin, and, with several baselines, larger than they differ among themselves.

docs/measures.md ("Comparing runs") states the limits, the margins and the power.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean

from paychain.analysis.compare_rules import JudgedMoney, compare_rules
from paychain.analysis.comparison import (
    Compared,
    ComparedTolerance,
    Comparison,
    Finding,
)
from paychain.analysis.measures.measures import (
    MoneyMeasure,
    Phase,
    ToleranceResult,
    Verdict,
)
from paychain.analysis.measures.phases import tolerance_name
from paychain.analysis.reasons import required
from paychain.analysis.series import SHARES, SecondSeries, hop_series, phase_series, threshold_of
from paychain.analysis.significance import (
    SIGNIFICANT,
    Difference,
    Sample,
    SecondShare,
    between_runs,
    evidence,
    holm_threshold,
    samples,
)
from paychain.analysis.store.store import RunStore

PHASE_MEASURES = ("technical success", "approval rate", "p50", "p99")
HOP_MEASURES = ("failed", "p99")
MARGINS = {  # smaller differences are not a regression, however certain
    "technical success": 0.0025,  # of 1, as the next two
    "failed": 0.0025,
    "approval rate": 0.005,
    "p50": 0.03,  # of the baseline's value
    "p99": 0.03,
}
# Where a run is too short to see how much neighbouring seconds resemble each other, only what no
# ordinary swing explains counts: 20 points, or twice the latency.
SHORT_SHARE, SHORT_LATENCY = 0.20, 1.0
MAX_NAMED = 3  # phases and hops that some run does not have
SPREADS = 3  # how many times larger than the baselines differ something that large must be
_WORSE = {"technical success": -1, "approval rate": -1, "failed": 1, "p50": 1, "p99": 1}
# Runs vary alike within a group: what one measure of it shows of that counts for the others.
_GROUPS = {"technical success": "shares", "approval rate": "shares", "failed": "shares"}


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """One of the runs."""

    run: str
    store: RunStore
    phases: Sequence[Phase]
    money: MoneyMeasure
    verdict: Verdict = Verdict.PASS
    tolerances: Sequence[ToleranceResult] = ()
    currency: str = ""


def compare(
    baselines: Sequence[ComparedRun],
    candidate: ComparedRun,
    notes: Sequence[str] = (),
    *,
    by_chance: bool = False,
) -> Comparison:
    """Compare the runs in everything that all of them have.

    `notes` are what a reader must know about the runs, and are passed through. `by_chance`: which
    payments break a rule is a matter of chance, as in real runs and with another seed.
    """
    assert baselines
    runs = [_series(side) for side in (*baselines, candidate)]
    return Comparison(
        baseline=", ".join(side.run for side in baselines),
        candidate=candidate.run,
        notes=[*notes, *_not_in_all(runs)],
        measures=compare_series(runs[:-1], runs[-1]),
        rules=list(
            compare_rules(
                list(map(_judged, baselines)),
                _judged(candidate),
                currency=candidate.currency,
                by_chance=by_chance,
            )
        ),
        tolerances=[_verdicts(baselines, candidate), *_tolerances(baselines, candidate)],
    )


def _verdicts(baselines: Sequence[ComparedRun], candidate: ComparedRun) -> ComparedTolerance:
    before = [side.verdict for side in baselines]
    return _changed(
        "verdict",
        "verdict",
        "",
        [(verdict is Verdict.PASS, verdict.value) for verdict in before],
        (candidate.verdict is Verdict.PASS, candidate.verdict.value),
    )


def _tolerances(
    baselines: Sequence[ComparedRun], candidate: ComparedRun
) -> Iterator[ComparedTolerance]:
    known = [{result.id: result for result in side.tolerances} for side in baselines]
    for result in candidate.tolerances:
        before = [results[result.id] for results in known if result.id in results]
        if len(before) == len(baselines):
            yield _changed(
                result.id,
                tolerance_name(result),
                result.required,
                [(other.passed, other.observed_text) for other in before],
                (result.passed, result.observed_text),
            )


def _changed(
    id_: str,
    name: str,
    limit: str,
    before: Sequence[tuple[bool | None, str]],
    after: tuple[bool | None, str],
) -> ComparedTolerance:
    """What was held in every baseline and is broken now became worse, and the other way round."""
    held = {passed for passed, _ in before if passed is not None}
    finding: Finding = "same"
    if after[0] is None or not held:
        finding = "not judged"
    elif held == {True} and after[0] is False:
        finding = "regression"
    elif held == {False} and after[0] is True:
        finding = "improvement"
    baseline = " or ".join(dict.fromkeys(text for _, text in before))
    words = f" ({required(limit)} required)" if limit else ""
    return ComparedTolerance(
        id=id_,
        name=name,
        required=limit,
        baseline=baseline,
        candidate=after[1],
        finding=finding,
        text=f"{name}: {baseline} → {after[1]}{words}",
    )


def _judged(side: ComparedRun) -> JudgedMoney:
    offered = sum(phase.offered for phase in side.phases if phase.kind == "all")
    return JudgedMoney(side.money.rules, offered)


@dataclass(frozen=True, kw_only=True)
class _Difference:
    """One measure in all runs: its values, and the evidence that they differ."""

    scope: str
    measure: str
    baselines: Sequence[float | None]
    candidate: float | None
    evidence: Difference | None = None  # None: nothing to compare
    samples: Sequence[Sample] = ()  # of each baseline, then of the candidate
    low: float | None = None
    high: float | None = None

    @property
    def baseline(self) -> float | None:
        """The baselines' mean."""
        known = [value for value in self.baselines if value is not None]
        return mean(known) if known else None

    @property
    def difference(self) -> float | None:
        """Candidate less baseline; a latency's as a fraction of the baseline."""
        return _between(self.measure, self.baseline, self.candidate)


def _series(side: ComparedRun) -> dict[str, SecondSeries]:
    phases = phase_series(side.store, side.phases)
    hops = hop_series(side.store, side.phases)
    return {f"phase {name}": series for name, series in phases.items()} | {
        f"hop {name}": hops[name] for name in sorted(hops)
    }


def _not_in_all(runs: Sequence[Mapping[str, SecondSeries]]) -> Iterator[str]:
    """What cannot be compared because some run has no such phase, or made no such call."""
    known = dict.fromkeys(scope for run in runs for scope in run)
    missing = [scope for scope in known if any(scope not in run for run in runs)]
    if missing:
        listed = ", ".join(missing[:MAX_NAMED])
        more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
        yield f"not in every run, and so not compared: {listed}{more}"


def compare_series(
    baselines: Sequence[Mapping[str, SecondSeries]], candidate: Mapping[str, SecondSeries]
) -> list[Compared]:
    """Every measure of every phase and hop (`phase NAME`, `hop NAME`) that all runs have."""
    scopes = [
        scope for scope in baselines[0] if all(scope in run for run in (*baselines, candidate))
    ]
    differences = [
        _difference(scope, measure, [run[scope] for run in baselines], candidate[scope])
        for scope in scopes
        for measure in (PHASE_MEASURES if scope.startswith("phase ") else HOP_MEASURES)
    ]
    # All measures are judged together: of forty measures of equal runs, two would differ by chance.
    threshold = holm_threshold([d.evidence.chance for d in differences if d.evidence is not None])
    real = _beyond_the_baselines(differences)
    failing = {
        difference.scope
        for difference in differences
        if difference.measure in ("technical success", "failed") and _fell(difference, threshold)
    }
    return [
        _compared(difference, threshold, is_beyond=is_beyond, fails=difference.scope in failing)
        for difference, is_beyond in zip(differences, real, strict=True)
    ]


def _difference(
    scope: str, measure: str, baselines: Sequence[SecondSeries], candidate: SecondSeries
) -> _Difference:
    runs = [*baselines, candidate]
    values = [run.value(measure) for run in runs]
    threshold = threshold_of(runs, measure) if measure in SHARES else 0
    nothing = _Difference(scope=scope, measure=measure, baselines=values[:-1], candidate=values[-1])
    if threshold is None:
        return nothing
    cells = [run.cells(measure, threshold) for run in runs]
    if any(not sum(cell.total for cell in run) for run in cells):
        return nothing
    sampled, found = _tested(cells)
    if measure in SHARES and _fail_alike(runs):
        # Failures on both sides are only noise around the tail.
        of_successes = _tested([run.successes(threshold) for run in runs])
        if of_successes[1].difference * found.difference > 0:
            sampled, found = of_successes
    low, high = _limits(measure, runs, values, sampled, found)
    return _Difference(
        scope=scope,
        measure=measure,
        baselines=values[:-1],
        candidate=values[-1],
        evidence=found,
        samples=sampled,
        low=low,
        high=high,
    )


def _tested(cells: Sequence[Sequence[SecondShare]]) -> tuple[list[Sample], Difference]:
    sampled = samples(cells)
    return sampled, evidence(sampled[:-1], sampled[-1], min(map(len, cells)))


def _fail_alike(runs: Sequence[SecondSeries]) -> bool:
    """Whether as many fail in all runs: then failures hide and save no slow payment."""
    if any(not any(second.succeeded for second in run.seconds) for run in runs):
        return False
    return _tested([run.cells("failed") for run in runs])[1].chance > SIGNIFICANT


def _limits(
    measure: str,
    runs: Sequence[SecondSeries],
    values: Sequence[float | None],
    sampled: Sequence[Sample],
    found: Difference,
) -> tuple[float | None, float | None]:
    """Within what the difference lies, 95 %. A latency's from the quantiles around its own."""
    known = [value for value in values[:-1] if value is not None]
    if values[-1] is None or not known:
        return None, None
    difference = _between(measure, mean(known), values[-1])
    if difference is None:
        return None, None
    if measure not in SHARES:
        spread = 1.96 * found.error
        return difference - spread, difference + spread
    squares = 0.0
    for number, (run, value, sample) in enumerate(zip(runs, values, sampled, strict=True)):
        error, share = sqrt(sample.variance), SHARES[measure]
        low, high = run.quantile(share - error), run.quantile(share + error)
        if value and low is not None and high is not None:
            weight = 1 if number == len(runs) - 1 else len(runs) - 1
            squares += ((high - low) / 2 / value / weight) ** 2
    spread = 1.96 * sqrt(squares)
    return difference - spread, difference + spread


def _between(measure: str, baseline: float | None, candidate: float | None) -> float | None:
    if baseline is None or candidate is None:
        return None
    if measure in SHARES:
        return (candidate - baseline) / baseline if baseline else None
    return candidate - baseline


def _beyond_the_baselines(differences: Sequence[_Difference]) -> list[bool]:
    """Whether each difference is larger than the baselines differ among themselves.

    With one baseline that is unknown, and nothing is ruled out by it.
    """
    groups: dict[str, list[int]] = {}
    for number, difference in enumerate(differences):
        if difference.evidence is not None:
            group = _GROUPS.get(difference.measure, difference.measure)
            groups.setdefault(group, []).append(number)
    beyond = [True] * len(differences)
    for numbers in groups.values():
        chances = between_runs([differences[number].samples for number in numbers])
        for number, chance in zip(numbers, chances, strict=True):
            beyond[number] = chance * len(groups) <= SIGNIFICANT or _is_far(differences[number])
    return beyond


def _is_far(difference: _Difference) -> bool:
    """Whether only runs that differ as much among themselves could explain the difference."""
    change = difference.difference
    values = [value for value in difference.baselines if value is not None]
    if change is None or not values:
        return False
    spread = _between(difference.measure, min(values), max(values)) or 0.0
    far = SHORT_LATENCY if difference.measure in SHARES else SHORT_SHARE
    return abs(change) >= max(far, SPREADS * spread)


def _fell(difference: _Difference, threshold: float) -> bool:
    """Whether more failed than in the baselines, beyond chance or by more than the margin."""
    change = difference.difference
    if change is None or difference.evidence is None:
        return False
    is_worse = change * _WORSE[difference.measure] > 0
    is_large = abs(change) >= MARGINS[difference.measure]
    return is_worse and (is_large or difference.evidence.chance <= threshold)


def _compared(
    difference: _Difference, threshold: float, *, is_beyond: bool, fails: bool
) -> Compared:
    measure, found, change = difference.measure, difference.evidence, difference.difference
    is_short = found is None or found.is_short
    margin = MARGINS[measure]
    if is_short:
        margin = SHORT_LATENCY if measure in SHARES else SHORT_SHARE
    finding: Finding = "too short" if is_short else "same"
    if found is None or change is None:
        finding = "not judged"
    if found is not None and change is not None and found.chance <= threshold and is_beyond:
        worse = change * _WORSE[measure]
        # The quantile of those that succeeded must agree with the count, where failures are slow.
        if abs(change) >= margin and worse > 0 and found.difference > 0:
            finding = "regression"
        elif abs(change) >= margin and worse < 0 and found.difference < 0:
            finding = "improvement"
        # Failures are often quick: a chain that fails more is not faster.
        if finding == "improvement" and measure in SHARES and fails:
            finding = "not judged"
    text = f"{difference.scope}: {measure} {_words(measure, difference.baseline)} → "
    text += _words(measure, difference.candidate)
    return Compared(
        scope=difference.scope,
        measure=measure,
        baseline=difference.baseline,
        candidate=difference.candidate,
        difference=change,
        low=difference.low,
        high=difference.high,
        margin=margin,
        finding=finding,
        text=text,
    )


def _words(measure: str, value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,.1f} ms" if measure in SHARES else f"{100 * value:.2f} %"
