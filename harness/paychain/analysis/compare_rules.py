"""Money rules in several runs: did more payments break one, or more money?

A rule that held and breaks now is worse, whatever the seed. Of a rule that broke before, as many
payments break again only in a virtual run with the same seed: others, and real runs, break it in
numbers that vary by chance, and so the numbers are tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from paychain.analysis.comparison import ComparedRule
from paychain.analysis.measures.measures import MoneyRule
from paychain.analysis.significance import SIGNIFICANT, fisher


class JudgedMoney(NamedTuple):
    """The rules of one run, and how many payments they judged."""

    rules: Sequence[MoneyRule]
    payments: int


def compare_rules(
    baselines: Sequence[JudgedMoney], candidate: JudgedMoney, *, currency: str, by_chance: bool
) -> Iterator[ComparedRule]:
    """Every rule of any run. `by_chance`: how many payments break one varies between equal runs."""
    rules: dict[str, list[MoneyRule | None]] = {}
    for number, run in enumerate((*baselines, candidate)):
        for rule in run.rules:
            rules.setdefault(rule.rule, [None] * (len(baselines) + 1))[number] = rule
    broken_in_both = sum(map(_is_broken_in_both, rules.values()))
    payments = sum(run.payments for run in baselines)
    for known in rules.values():
        before = [rule for rule in known[:-1] if rule is not None]
        after = known[-1]
        findings = [rule.findings for rule in before]
        now = after.findings if after is not None else 0
        is_chance = by_chance and _is_broken_in_both(known)
        if is_chance:
            chance = fisher(sum(findings), payments, now, candidate.payments)
            is_chance = chance > SIGNIFICANT / broken_in_both
        named = after or before[0]
        yield ComparedRule(
            rule=named.rule,
            title=named.title,
            baseline=max(findings, default=0),
            candidate=now,
            baseline_amount=max((rule.amount for rule in before), default=0),
            candidate_amount=after.amount if after is not None else 0,
            currency=currency,
            is_chance=is_chance,
            is_judged=_is_judged(after) and (not before or any(map(_is_judged, before))),
        )


def _is_broken_in_both(rules: Sequence[MoneyRule | None]) -> bool:
    *before, after = rules
    is_broken = any(rule is not None and rule.findings for rule in before)
    return is_broken and after is not None and after.findings > 0


def _is_judged(rule: MoneyRule | None) -> bool:
    """Whether a run says how often the rule broke. None: the run has no such rule."""
    return rule is not None and (rule.is_judged or rule.findings > 0)
