"""Verdicts and numbers as people read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from harness.analysis.measured import FallbackMeasure, MoneyRule, ToleranceResult, Verdict
from harness.payments.money import written
from harness.report.result import Result

MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✕", Verdict.INCONCLUSIVE: "–"}
WORDS = {Verdict.PASS: "PASSED", Verdict.FAIL: "FAILED", Verdict.INCONCLUSIVE: "INCONCLUSIVE"}
JUDGED = {True: ("✓", "held"), False: ("✕", "broke"), None: ("–", "not judged")}
TOLD = 3  # reasons in the headline
NOT_FINAL = "the run ended before the last answer and reversal had come in"

_PHASES = {
    "before": " before the faults", "during": " during the faults",
    "recovery": " in recovery", "after": " after the faults",
}  # fmt: skip
_BROKEN = {  # a money rule that broke, in plain words; any other is told by its title
    "no_double_charge": "{payments} charged more than once, {amount} too much",
    "no_orphaned_authorisation": "{amount} of {payments} held although nobody was told so",
    "no_approval_without_money": "{payments} approved with no money behind them, {amount}",
    "customer_told_the_amount": "{payments} told another amount than is held, off by {amount}",
    "amounts_equal": "{payments} booked with another amount or currency, off by {amount}",
    "books_agree": "the books disagree about {payments}, {amount}",
    "unknowns_resolved": "{payments} with an outcome that was never cleared up",
}
_SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


def share(value: float | None) -> str:
    """`71.3 %`, or that there were too few payments."""
    return "too few payments" if value is None else f"{value * 100:.1f} %"


def seconds(value: float | None, absent: str = "never") -> str:
    """`6.2 s`, `480 ms`, `at once`."""
    if value is None:
        return absent
    if value == 0:
        return "at once"
    return f"{value:.1f} s" if abs(value) >= 1 else f"{value * 1000:.0f} ms"


def moment(measured: Any, name: str) -> str:
    """A time of a measure in words, or why there is none: `6.2 s`, `in use already`, `never`."""
    value = getattr(measured, name)
    absent: dict[str, str] = measured.absent
    return seconds(value, absent.get(name, "–" if absent else "never"))


def millis(value: float | None, absent: str = "–") -> str:
    """`480 ms`."""
    return absent if value is None else f"{value:,.0f} ms".replace("-", "−")


def count(number: int, noun: str) -> str:
    """`1 payment`, `1,240 payments`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def required(text: str) -> str:
    """`≥ 99.9 %` for a limit declared as `>= 99.9%`."""
    sign = next((sign for sign in _SIGNS if text.startswith(sign)), "")
    bound = re.sub(r"(?<=\d)(?=[a-z%])", " ", text[len(sign) :].strip())
    return f"{_SIGNS[sign]} {bound}" if sign else text


def unbroken(text: str) -> str:
    """No line ends between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(?:%|ms|s|[A-Z]{3})(?:\W|$))|(?<=[≥≤<>]) ", "\u00a0", text)


def tolerance_name(one: ToleranceResult) -> str:
    """`Technical success during the faults`."""
    return one.measure.replace("_", " ").capitalize() + _PHASES.get(one.phase, "")


def broken_rule(rule: MoneyRule, currency: str) -> str:
    """`83 payments charged more than once, 5,011.51 EUR too much`."""
    told = {
        "payments": count(rule.findings, "payment"), "amount": written(rule.amount, currency)
    }  # fmt: skip
    if rule.rule in _BROKEN:
        return _BROKEN[rule.rule].format(**told)
    amount = f", {told['amount']}" if rule.amount else ""
    return f"{told['payments']} broke the rule “{rule.title}”{amount}"


def closed_model(result: Result) -> str:
    """Which users paid and what that hides, "" when payments arrived whatever the chain did."""
    return f"{result.load.arrivals}; {result.load.hides}" if result.load.users else ""


def headline(result: Result) -> str:
    """Why the verdict is as it is, in one sentence."""
    if result.verdict is Verdict.PASS:
        return "The chain stayed within its tolerances and no money went wrong."
    if result.verdict is Verdict.INCONCLUSIVE:
        said = list(result.reasons)
    else:
        said = [broken_rule(one, result.chain.currency)
                for one in result.money.rules if one.findings]  # fmt: skip
        said += [
            f"{tolerance_name(one)[:1].lower()}{tolerance_name(one)[1:]} was {one.observed_text} "
            f"({required(one.required)} required)"
            for one in result.tolerances
            if one.passed is False
            and one.measure not in ("double_charges", "orphaned_authorisations")
        ]
        said = said or list(result.reasons)
        if result.stopped is not None and result.stopped.sentence not in said:
            said.insert(0, result.stopped.sentence)
    more = len(said) - TOLD
    text = "; ".join(said[:TOLD]) + (f"; and {more} more" if more > 0 else "")
    return f"{text[:1].upper()}{text[1:]}."


@dataclass(frozen=True)
class Answer:
    """One of the four questions, answered in a figure and a line."""

    question: str
    figure: str
    text: str
    section: str  # where the page says more
    is_bad: bool


def answers(result: Result) -> list[Answer]:
    """The four questions every run answers, in order."""
    return [_tolerances(result), _breaks(result), _fallbacks(result), _money(result)]


def _tolerances(result: Result) -> Answer:
    held = sum(one.passed is True for one in result.tolerances)
    failed = [one for one in result.tolerances if one.passed is not True]
    text = "every limit was kept" if result.tolerances else "no limit is declared"
    if failed:
        first = failed[0]
        text = (
            f"{tolerance_name(first)}: {first.observed_text}, {required(first.required)} required"
        )
    return Answer("Within tolerances?", f"{held} of {len(result.tolerances)} held", text,
                  "tolerances", any(one.passed is False for one in failed))  # fmt: skip


def _breaks(result: Result) -> Answer:
    broke = sum(one.payments for one in result.breaks)
    if not broke:
        return Answer("Where did payments break?", "nowhere",
                      "every payment was answered finally", "breaks", False)  # fmt: skip
    first = result.breaks[0]
    amount = written(sum(one.amount for one in result.breaks), result.chain.currency)
    return Answer(
        "Where did payments break?", f"{broke:,} broke",
        f"{amount}; most at {first.caller} → {first.callee} "
        f"({f'{first.failure} {first.code}'.strip().replace('_', ' ')})", "breaks", True,
    )  # fmt: skip


def _fallbacks(result: Result) -> Answer:
    used: FallbackMeasure | None = max(
        result.fallbacks, key=lambda one: (one.kind == "failover", one.activations), default=None
    )
    back = ""
    if result.faults:
        recovery = result.recovery.recovery_s
        back = f"back to normal {seconds(recovery)} after the heal" if recovery else (
            "back to normal at once" if recovery == 0
            else f"back to normal: {moment(result.recovery, 'recovery_s')}"
        )  # fmt: skip
    is_late = bool(result.faults) and moment(result.recovery, "recovery_s") == "never"
    question = "How did the fallbacks perform?"
    if used is None:
        return Answer(question, "not used", back or "no fault was injected", "fallbacks", is_late)
    total = sum(one.activations for one in result.fallbacks)
    said = used.kind.replace("_", " ") + (f" to {used.to}" if used.to else "")
    said += f" ({used.activations:,} of them)" if used.activations < total else ""
    said += ": too few payments to say" if used.success is None else (
        f": {share(used.success)} succeeded"
    )  # fmt: skip
    return Answer(question, count(total, "use"), f"{said}; {back}" if back else said,
                  "fallbacks", is_late)  # fmt: skip


def _money(result: Result) -> Answer:
    broken = [one for one in result.money.rules if one.findings]
    question = "Did any money go wrong?"
    kept = sum(one.passed is True for one in result.money.rules)
    told = f"{count(kept, 'money rule')} kept by {count(result.load.recorded, 'payment')}"
    if not broken and kept < len(result.money.rules):
        open_ = len(result.money.rules) - kept
        return Answer(question, "not known", f"{told}; {open_} not judged: {NOT_FINAL}", "money",
                      False)  # fmt: skip
    if not broken:
        return Answer(question, "no", told, "money", False)
    wrong = written(result.money.wrong, result.chain.currency)
    titles = ", ".join(one.title.lower() for one in broken[:TOLD])
    return Answer(question, wrong, f"broken: {titles}", "money", True)
