"""What a comparison of runs found: the parts of result.json that a baseline adds."""

from __future__ import annotations

from typing import Literal

import msgspec

from paychain.payments.money import written

Finding = Literal["same", "regression", "improvement", "too short", "not judged"]


class Compared(msgspec.Struct, kw_only=True, frozen=True):
    """One measure of one phase or hop in all runs: shares of 1, times in milliseconds.

    Times are of payments or calls that succeeded. `baseline` is the mean of the baselines.
    `difference` is candidate less baseline, for times as a fraction of the baseline; `low` and
    `high` are its limits (95 %, of this measure alone). They and the margin have the same unit.
    "not judged": a latency that fell while more failed.
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


class ComparedRule(msgspec.Struct, frozen=True, kw_only=True):
    """One money rule in all runs: payments that broke it, and their amount in minor units.

    Of several baselines the largest numbers count. `is_chance`: it broke before, and other payments
    of the same chain may break it in other numbers. `is_judged`: no where one of the runs was cut
    short before it could be.
    """

    rule: str
    title: str
    baseline: int
    candidate: int
    baseline_amount: int = 0
    candidate_amount: int = 0
    currency: str = ""
    is_chance: bool = False
    is_judged: bool = True

    @property
    def differs(self) -> bool:
        """Whether the numbers are others, for whatever reason."""
        before = self.baseline, self.baseline_amount
        return before != (self.candidate, self.candidate_amount)

    @property
    def is_regression(self) -> bool:
        """More payments broke it than in the baseline, or more money is wrong."""
        is_more = self.candidate > self.baseline or self.candidate_amount > self.baseline_amount
        return is_more and self.is_judged and not self.is_chance

    @property
    def is_improvement(self) -> bool:
        """Fewer payments broke it, or less money is wrong, and neither is more."""
        is_more = self.candidate > self.baseline or self.candidate_amount > self.baseline_amount
        return self.differs and not is_more and self.is_judged and not self.is_chance

    @property
    def finding(self) -> Finding:
        """What the numbers mean."""
        if not self.is_judged:
            return "not judged"
        if self.is_regression:
            return "regression"
        return "improvement" if self.is_improvement else "same"

    @property
    def text(self) -> str:
        """`no double charge: 3 payments, 120.00 EUR → 5 payments, 184.60 EUR`."""
        before = _findings(self.baseline, self.baseline_amount, self.currency)
        after = _findings(self.candidate, self.candidate_amount, self.currency)
        return f"{self.title.lower()}: {before} → {after}"


class ComparedTolerance(msgspec.Struct, frozen=True, kw_only=True):
    """One tolerance, or the verdict, in all runs.

    With several baselines a tolerance that some of them held and others did not is "same": it
    varies from run to run.
    """

    id: str  # "technical_success.during", "verdict"
    name: str
    required: str
    baseline: str  # what was observed
    candidate: str
    finding: Finding
    text: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A run beside its baselines."""

    baseline: str  # run id; several are separated by commas
    candidate: str
    notes: list[str]
    measures: list[Compared]
    rules: list[ComparedRule]
    tolerances: list[ComparedTolerance] = []  # the verdict first

    @property
    def regressions(self) -> list[str]:
        """What became worse, in sentences: the verdict, tolerances, money, then measures."""
        return [
            *(item.text for item in self.tolerances if item.finding == "regression"),
            *(rule.text for rule in self.rules if rule.is_regression),
            *(measure.text for measure in self.measures if measure.finding == "regression"),
        ]

    @property
    def improvements(self) -> list[str]:
        """What became better, in the same order."""
        return [
            *(item.text for item in self.tolerances if item.finding == "improvement"),
            *(rule.text for rule in self.rules if rule.is_improvement),
            *(measure.text for measure in self.measures if measure.finding == "improvement"),
        ]


def _findings(payments: int, amount_minor: int, currency: str) -> str:
    if not payments:
        return "none"
    amount = f", {written(amount_minor, currency)}" if currency else ""
    return f"{payments:,} payment{'s' * (payments != 1)}{amount}"
