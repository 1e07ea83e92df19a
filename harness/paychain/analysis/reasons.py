"""What broke a limit or a money rule, in words: for reasons, reports and searches alike."""

from __future__ import annotations

import re

from paychain.analysis.measures.measures import MoneyRule, ToleranceResult
from paychain.analysis.measures.phases import tolerance_name
from paychain.analysis.measures.success_series import NEVER
from paychain.declaration.quantity import count
from paychain.payments.rules import RULES

_TIMES = ("detection", "failover", "failback", "recovery", "drain")  # measures of how long
_PER_ORDER = frozenset(name for name, rule in RULES.items() if rule.per == "order")
_SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


def required(text: str) -> str:
    """`≥ 99.9 %` for a limit declared as `>= 99.9%`."""
    sign = next((sign for sign in _SIGNS if text.startswith(sign)), "")
    bound = re.sub(r"(?<=\d)(?=[a-z%])", " ", text[len(sign) :].strip())
    return f"{_SIGNS[sign]} {bound}" if sign else text


def breach(result: ToleranceResult) -> str:
    """`recovery took 6.2 s (≤ 5 s required)`: a limit that was broken, in a sentence."""
    name = tolerance_name(result)
    limit = f"({required(result.required)} required)"
    if result.observed_text == NEVER:
        return f"{name} never happened {limit}"
    verb = "took" if result.measure in _TIMES else "was"
    return f"{name} {verb} {result.observed_text} {limit}"


def broken_by(rule: MoneyRule) -> str:
    """`83 orders`, or `83 payments` of a rule about single payments."""
    return count(rule.findings, "order" if rule.rule in _PER_ORDER else "payment")
