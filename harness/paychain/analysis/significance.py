"""How likely a difference between runs is mere chance: exact tests on counts, judged together.

Every measure becomes a count per second: payments that failed, or that took longer than a limit.
Neighbouring seconds resemble each other, so n payments are worth fewer independent ones. How many
fewer (the design effect) is estimated from the runs themselves, and the counts are divided by it
before they are tested.

    counts per second ──> design effect ──> counts ÷ design effect ──> Fisher, Student ──> Holm

Where the runs do not show the design effect, whole eighths of them are compared instead.

Sources: Fisher 1935, J. R. Stat. Soc. 98, 39 (exact test); Kish 1965, Survey Sampling, §8.2
(design effect); Flegal and Jones 2010, Ann. Stat. 38, 1034 (batch means); Marriott and Pope 1954,
Biometrika 41, 390 (bias of an autocorrelation); Mood 1954, Ann. Math. Stat. 25, 514 (median test);
Holm 1979, Scand. J. Stat. 6, 65.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf, lgamma, log, sqrt
from statistics import mean, median, variance
from typing import NamedTuple

SIGNIFICANT = 0.05  # chance of any false alarm in a comparison of equal runs
MIN_BLOCKS = 8  # of the longest blocks that are looked at: fewer show no correlation
MIN_INDEPENDENT = 6.0  # independent blocks that the shorter run must be worth
# The least design effect: a few failures a minute do not show how much their rate swings.
LEAST_EFFECT = 1.5
MIN_S = 30  # of a phase: in a shorter one a slow swing looks like a level
CAUTION = 1.65  # standard errors that are added to a correlation
MAX_CORRELATION = 0.98  # above, a run would have to last for hours
EIGHTHS = 8  # of a run, which are compared where seconds cannot be
QUARTERS = 4  # of a run, between which a swing shows
BEYOND_SWING = 3.0  # times the largest difference between quarters: no swing of that run
CLUSTERS_PER_S = 4  # in a short window: payments of a quarter of a second count as one


class SecondShare(NamedTuple):
    """One second: `bad` of `total` payments or calls. `stratum`: the phase that it lies in."""

    bad: int
    total: int
    stratum: int = 0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The counts of one run, and what they are worth.

    `variance`: of the share. `worth`: how many independent payments the total is worth.
    `independent`: how many independent blocks the seconds are worth, 0
    when the run is too short to see that. `range`: how far its share went from one quarter of the
    run to another. `eighths`: the share of each eighth of it.
    """

    bad: int
    total: int
    variance: float
    worth: float
    independent: float
    range: float
    eighths: Sequence[float]

    @property
    def share(self) -> float:
        """The bad ones as a fraction of 1."""
        return self.bad / self.total


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two shares, their difference and how likely that is between equal runs.

    `is_short`: too few independent seconds to see how much neighbours resemble each other, and the
    difference is not beyond every swing that the runs show.
    """

    difference: float  # of the shares of bad ones, candidate less baseline
    error: float  # standard error of the difference
    chance: float
    is_short: bool


def samples(runs: Sequence[Sequence[SecondShare]]) -> list[Sample]:
    """The counts of each run. The runs are expected to swing alike."""
    counts = [(sum(c.bad for c in cells), sum(c.total for c in cells)) for cells in runs]
    bad, total = (sum(numbers) for numbers in zip(*counts, strict=True))
    # Never quite 0 or 1: no failure in 100 payments does not prove that none is possible.
    share = (bad + 0.5) / (total + 1)
    binomial = [_binomial(bad, total, share) for bad, total in counts]
    effect, independent = _design_effect(
        [list(_residuals(cells)) for cells in runs],
        sum(expected * total**2 for expected, (_, total) in zip(binomial, counts, strict=True)),
    )
    return [
        Sample(
            bad=bad,
            total=total,
            variance=expected * effect,
            worth=total / effect,
            independent=independent,
            range=_range(cells),
            eighths=_shares(cells, EIGHTHS),
        )
        for expected, (bad, total), cells in zip(binomial, counts, runs, strict=True)
    ]


def _range(cells: Sequence[SecondShare]) -> float:
    """The largest share of a quarter of the seconds less the smallest."""
    shares = _shares(cells, QUARTERS)
    return max(shares, default=0.0) - min(shares, default=0.0)


def _shares(cells: Sequence[SecondShare], count: int) -> list[float]:
    """The share of each of so many equal parts of the seconds, but of those without payments."""
    length = max(1, len(cells) // count)
    parts = [cells[start : start + length] for start in range(0, count * length, length)]
    return [
        sum(cell.bad for cell in part) / sum(cell.total for cell in part)
        for part in parts
        if len(part) == length and any(cell.total for cell in part)
    ]


def _binomial(bad: int, total: int, share: float) -> float:
    """The variance of a share of independent payments; `share`: that of all runs together."""
    own = (bad + share) / (total + 1)
    return max(share * (1 - share), own * (1 - own)) / total


def _design_effect(runs: Sequence[Sequence[float]], expected: float) -> tuple[float, float]:
    """How many times more the counts vary than independent payments do, and how many independent
    blocks each run is worth.

    The largest of the estimates counts: short blocks see the noise of single payments, long ones
    the slow swings behind it. `expected`: the variance of independent payments, summed.
    """
    effect, independent = 1.0, 0.0
    for length in _lengths(min(map(len, runs))):
        blocks = [_blocks(residuals, length) for residuals in runs]
        inflation = _inflation(blocks)
        varied = sum(len(run) / (len(run) - 1) * sum(b * b for b in run) for run in blocks)
        estimate = varied * inflation / expected
        if estimate > effect or not independent:
            independent = min(map(len, blocks)) / inflation
        effect = max(effect, estimate)
    return max(effect, LEAST_EFFECT), independent


def _residuals(cells: Sequence[SecondShare]) -> Iterator[float]:
    """Bad ones beyond what the second's phase has on average: an outage is not a swing."""
    sums: dict[int, tuple[int, int]] = {}
    for cell in cells:
        bad, total = sums.get(cell.stratum, (0, 0))
        sums[cell.stratum] = bad + cell.bad, total + cell.total
    for cell in cells:
        bad, total = sums[cell.stratum]
        yield cell.bad - cell.total * bad / total if total else 0.0


def _lengths(seconds: int) -> Iterator[int]:
    length = 1
    while seconds // length >= MIN_BLOCKS:
        yield length
        length *= 2


def _blocks(residuals: Sequence[float], length: int) -> list[float]:
    """Sums of neighbouring seconds; the last block has the rest as well."""
    starts = range(0, len(residuals) - 2 * length + 1, length)
    blocks = [sum(residuals[start : start + length]) for start in starts]
    return [*blocks, sum(residuals[len(blocks) * length :])]


def _inflation(runs: Sequence[Sequence[float]]) -> float:
    """How many times more the mean varies than if neighbouring blocks were independent."""
    squares = sum(block * block for blocks in runs for block in blocks)
    if not squares:
        return 1.0
    products = sum(a * b for blocks in runs for a, b in pairwise(blocks))
    count = sum(map(len, runs))
    # An estimate around the run's own mean is too low.
    found = products / squares
    found += (1 + 3 * found) * len(runs) / count
    error = 1 / sqrt(count)
    if found < error:  # as independent blocks show it
        return 1.0
    correlation = min(found + CAUTION * error, MAX_CORRELATION)
    return (1 + correlation) / (1 - correlation)


def evidence(baselines: Sequence[Sample], candidate: Sample, seconds: float) -> Difference:
    """How the candidate's share differs from the baselines'. `seconds`: of the shortest run."""
    count = len(baselines)
    expected = mean(sample.share for sample in baselines)
    squares = candidate.variance + sum(sample.variance for sample in baselines) / count**2
    independent = min(sample.independent for sample in (*baselines, candidate))
    pooled = sum(sample.bad for sample in baselines), sum(sample.total for sample in baselines)
    worth_baselines = sum(sample.worth for sample in baselines)
    worth_candidate = candidate.worth
    difference = candidate.share - expected
    is_short = independent < MIN_INDEPENDENT or seconds < MIN_S
    # No swing that the runs show is nearly as large, whatever it may last.
    swing = max(sample.range for sample in (*baselines, candidate))
    is_beyond = seconds >= MIN_S and abs(difference) >= BEYOND_SWING * swing
    if seconds < MIN_S or (is_short and is_beyond):
        worth_candidate = min(worth_candidate, CLUSTERS_PER_S * seconds)
        worth_baselines = min(worth_baselines, CLUSTERS_PER_S * seconds * count)
    exact = fisher(
        pooled[0] * worth_baselines / pooled[1],
        worth_baselines,
        candidate.share * worth_candidate,
        worth_candidate,
    )
    error = sqrt(squares)
    chance = exact
    if is_short and is_beyond:
        is_short = False
    elif is_short and seconds >= MIN_S:
        chance = max(exact, median_test([s.eighths for s in baselines], candidate.eighths))
    elif not is_short:
        freedom = candidate.independent + sum(s.independent for s in baselines) - 1 - count
        chance = max(exact, student(abs(difference) / error, freedom))
    return Difference(difference=difference, error=error, chance=chance, is_short=is_short)


def between_runs(measures: Sequence[Sequence[Sample]]) -> list[float]:
    """How likely each difference is between runs that vary as the baselines do.

    `measures`: of each measure the baselines' samples, then the candidate's. Runs vary beyond what
    happens within them (a busy host, another placement); how much is estimated from all of these
    measures together, and from each alone, and the larger counts. With one baseline it is unknown,
    and every chance is 0.
    """
    count = len(measures[0]) - 1
    if count < 2:
        return [0.0] * len(measures)
    within = [mean(sample.variance for sample in runs[:-1]) for runs in measures]
    excess = [
        variance([sample.share for sample in runs[:-1]]) - expected
        for runs, expected in zip(measures, within, strict=True)
    ]
    weights = [1 / expected for expected in within]
    together = sum(w * e for w, e in zip(weights, excess, strict=True)) / sum(weights)
    chances = []
    for runs, alone in zip(measures, excess, strict=True):
        between = max(0.0, together, alone)
        expected = between * (1 + 1 / count) + runs[-1].variance
        expected += sum(sample.variance for sample in runs[:-1]) / count**2
        difference = runs[-1].share - mean(sample.share for sample in runs[:-1])
        chances.append(student(abs(difference) / sqrt(expected), count - 1))
    return chances


def median_test(baselines: Sequence[Sequence[float]], candidate: Sequence[float]) -> float:
    """Whether more shares of one side lie above the median of all, two-sided (Mood's test).

    How far above does not count, so that a single bad part of a run is no evidence.
    """
    before = [share for shares in baselines for share in shares]
    middle = median([*before, *candidate])
    above = [sum(share > middle for share in side) for side in (before, candidate)]
    return fisher(above[0], len(before), above[1], len(candidate))


def fisher(bad_a: float, total_a: float, bad_b: float, total_b: float) -> float:
    """Whether `bad_a` of `total_a` and `bad_b` of `total_b` differ, two-sided; counts are rounded.

    Fisher's exact test: twice the smaller mid-p tail.
    """
    n_a, n_b = max(1, round(total_a)), max(1, round(total_b))
    x, y = min(round(bad_a), n_a), min(round(bad_b), n_b)
    lowest, highest = max(0, x + y - n_b), min(n_a, x + y)

    def weight(k: int) -> float:
        return _log_choose(n_a, k) + _log_choose(n_b, x + y - k)

    whole = _log_choose(n_a + n_b, x + y)
    tails = []
    for step, end in ((-1, lowest - 1), (1, highest + 1)):
        tail = -exp(weight(x) - whole) / 2
        for k in range(x, end, step):
            term = exp(weight(k) - whole)
            tail += term
            if term < 1e-12 * tail:
                break
        tails.append(tail)
    return min(1.0, 2 * min(tails))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def student(errors: float, freedom: float) -> float:
    """The chance of that many standard errors between equal runs, two-sided (Student's t).

    `freedom`: degrees of freedom.
    """
    if errors == inf:
        return 0.0
    freedom = max(freedom, 1.0)
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + errors * errors))


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by Lentz's continued fraction."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast only below
        return 1 - incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 300):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return front * value


def holm_threshold(chances: Sequence[float]) -> float:
    """The largest of these chances that is still significant for all measures together; -1: none.

    Holm: the smallest chance is compared with SIGNIFICANT over their number, the next with
    SIGNIFICANT over one less, and so on, until the first that is too large.
    """
    threshold = -1.0
    for number, chance in enumerate(sorted(chances)):
        if chance > SIGNIFICANT / (len(chances) - number):
            break
        threshold = chance
    return threshold
