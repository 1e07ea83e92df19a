"""A real run beside virtual runs of the same chain and experiment: where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paychain.analysis.measures.measures import Phase
from paychain.report.result import Result

POINTS, P50_SHARE, P50_MS = 2.0, 0.10, 2.0  # agreement: success, and the median latency


@dataclass(frozen=True)
class Pair:
    """One chain and one experiment."""

    chain: str
    experiment: str

    def __str__(self) -> str:
        return f"{self.chain} × {self.experiment}"


@dataclass(frozen=True)
class Difference:
    """One disagreement in words, and how many other virtual runs are here as the real run was."""

    text: str
    as_real: int


@dataclass(frozen=True)
class Compared:
    """The runs of a pair beside each other. The last real run counts."""

    pair: Pair
    verdicts: tuple[str, str]  # real, virtual
    differences: tuple[Difference, ...]
    others: int  # virtual runs with other orders of events or seeds, made where something differs
    medians: tuple[tuple[float, float], ...]  # each phase's p50 in ms: real, virtual
    untouched: tuple[str, ...]  # faults that met no traffic, in both runs
    real_runs: tuple[bool, ...]  # each real run: whether it agreed with the virtual one

    @property
    def slower(self) -> list[tuple[float, float]]:
        """The medians that differ by more than is allowed."""
        return [
            (real, virtual)
            for real, virtual in self.medians
            if abs(real - virtual) > max(P50_MS, P50_SHARE * real)
        ]

    @property
    def is_chance(self) -> bool:
        """Whether other virtual runs show every difference the real run has."""
        return bool(self.differences) and all(difference.as_real for difference in self.differences)


def compared(
    pair: Pair, real_runs: Sequence[Result], virtual: Result, others: Sequence[Result]
) -> Compared:
    """What the runs of a pair show, the last real run against the virtual ones."""
    real = real_runs[-1]
    found = differences(real, virtual)
    theirs = [differences(real, other) for other in others]
    return Compared(
        pair,
        (str(real.verdict), str(virtual.verdict)),
        tuple(
            Difference(text, sum(about not in other for other in theirs))
            for about, text in found.items()
        ),
        len(others),
        tuple((each.p50_ms or 0.0, other.p50_ms or 0.0) for each, other in _same(real, virtual)),
        tuple(sorted(_untouched(real) & _untouched(virtual))),
        tuple(not differences(run, virtual) for run in real_runs),
    )


def differences(real: Result, virtual: Result) -> dict[str, str]:
    """Each disagreement of the judgement: what it is about, and in words.

    A rule is not judged for payments that were still in progress when the drain of the real run had
    to end; virtual time waits for them.
    """
    found = {}
    undecided = {rule.rule: rule.undecided for rule in real.money.rules}
    if real.verdict != virtual.verdict:
        why = "; ".join((virtual if real.verdict == "pass" else real).reasons[:1])
        found["verdict"] = f"verdict: real {real.verdict}, virtual {virtual.verdict} ({why})"
    for what, ours, theirs in (
        ("money rule broken", _rules(real), _rules(virtual)),
        ("break point", _breaks(real), _breaks(virtual)),
    ):
        for name in sorted(ours.keys() ^ theirs.keys()):
            if theirs.get(name, 0) and theirs[name] <= undecided.get(name, 0):
                continue
            where, counts = ("real", ours) if name in ours else ("virtual", theirs)
            found[f"{what} {name}"] = f"{what}, only {where}: {name} (payments: {counts[name]})"
    for each, other in _same(real, virtual):
        if abs(_share(each) - _share(other)) * 100 > POINTS:
            found[f"success {each.name}"] = (
                f"success {each.name}: real {_share(each):.1%}, virtual {_share(other):.1%} "
                f"(of {each.offered} and {other.offered} payments)"
            )
    return found


def _rules(result: Result) -> dict[str, int]:
    return {rule.rule: rule.findings for rule in result.money.rules if rule.findings}


def _breaks(result: Result) -> dict[str, int]:
    found: dict[str, int] = {}
    for place in result.breaks:
        name = f"{place.caller} → {place.callee}"
        found[name] = found.get(name, 0) + place.payments
    return found


def _untouched(result: Result) -> set[str]:
    return {fault.id for fault in result.faults if fault.hits == 0}


def _same(real: Result, virtual: Result) -> Iterator[tuple[Phase, Phase]]:
    """The phases of both that have payments enough to say something."""
    others = {phase.name: phase for phase in virtual.phases}
    for phase in real.phases:
        other = others.get(phase.name)
        if other is not None and None not in (
            phase.p50_ms,
            other.p50_ms,
            phase.technical_success,
            other.technical_success,
        ):
            yield phase, other


def _share(phase: Phase) -> float:
    assert phase.technical_success is not None
    return phase.technical_success
