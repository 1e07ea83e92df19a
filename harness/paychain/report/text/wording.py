"""Verdicts, measures and the four answers in words. Every output takes its sentences from here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from paychain.analysis.judge import not_final
from paychain.analysis.measures.measures import (
    FallbackMeasure,
    MoneyRule,
    Recovery,
    ToleranceResult,
    Verdict,
)
from paychain.analysis.measures.phases import tolerance_name
from paychain.analysis.measures.recovery import STEADY_S
from paychain.analysis.measures.success_series import NEVER, TOO_FEW
from paychain.analysis.reasons import breach, broken_by, required
from paychain.declaration.quantity import count, seconds_text
from paychain.model.review.remedy import Remedy
from paychain.payments.journal import DecisionKind
from paychain.payments.money import written
from paychain.payments.outcome import failure_name
from paychain.payments.rules import RULES
from paychain.report.result import DeclaredFallback, Result
from paychain.report.text.services import failure_sentences

MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✕", Verdict.INCONCLUSIVE: "–"}
WORDS = {Verdict.PASS: "PASSED", Verdict.FAIL: "FAILED", Verdict.INCONCLUSIVE: "INCONCLUSIVE"}
TOLERANCE_RESULTS = {True: ("✓", "held"), False: ("✕", "breached"), None: ("–", "not judged")}
MAX_REASONS = 3  # in the headline: more do not fit the first screen

# A broken money rule in plain words. A rule that is missing here is described by its title. Whose
# money is held is judged per order, however often that was paid (payments/rules/rule.py).
_BROKEN_RULES = {
    "no_double_charge": "{broken} charged more than once, {amount} too much",
    "no_orphaned_authorisation": "{amount} held for {broken} never confirmed to the customer",
    "no_charge_after_a_decline": "{broken} declined to the customer and charged, {amount}",
    "no_approval_without_money": "{broken} approved without money behind them, {amount}",
    "customer_saw_the_amount": "{broken} confirmed with the wrong amount, off by {amount}",
    "amounts_equal": "{broken} booked with different amounts or currencies, off by {amount}",
    "books_agree": "the books disagree about {broken}, {amount}",
    "unknowns_resolved": "{broken} with an unknown outcome that was never resolved",
}


def share(value: float | None) -> str:
    """`71.3 %` for a share of 1, `too few payments` for None."""
    return TOO_FEW if value is None else f"{value * 100:.1f} %"


def seconds(value: float | None, absent: str = NEVER) -> str:
    """`6.2 s`, `480 ms`, `0 s`; `absent` for None."""
    return absent if value is None else seconds_text(value)


def moment(measure: Any, name: str) -> str:
    """A time in seconds of a measure, or why it has none: `6.2 s`, `already in use`, `never`."""
    value = getattr(measure, name)
    absent: dict[str, str] = measure.absent
    return seconds(value, absent.get(name, "–" if absent else NEVER))


def back_to_normal(recovery: Recovery) -> str:
    """`2.0 s`, or why there is no time: a load that ends sooner may have been normal at its end."""
    text = moment(recovery, "recovery_s")
    return f"never for {STEADY_S} s in a row" if text == NEVER else text


def millis(value: float | None, absent: str = "–") -> str:
    """`480 ms`; `absent` for None."""
    return absent if value is None else f"{value:,.0f} ms".replace("-", "−")


def spaced(name: str) -> str:
    """An identifier as words: `http error` for `http_error`."""
    return name.replace("_", " ")


def earlier_attempt(attempt: str) -> str:
    """`gateway → processor-a authorise: timeout`, for a key of `Break.earlier`."""
    call, target, failure = attempt.split(" ")
    caller, _, operation = call.rpartition(".")
    return f"{caller} → {target} {operation}: {spaced(failure)}"


def instrument_words(masked: str) -> str:
    """`card 378282…0005`, `address 0x9965…A4dc`: what a payment was made with, or paid to."""
    return f"{'card' if masked[:6].isdigit() else 'address'} {masked}"


def fallback_name(fallback: FallbackMeasure | DeclaredFallback) -> str:
    """`failover to processor-b`, `re-pick to node-1 to -7`."""
    kind = "re-pick" if fallback.kind == DecisionKind.RE_PICKED else spaced(fallback.kind)
    return kind + (f" to {fallback.to}" if fallback.to else "")


def unbroken(text: str) -> str:
    """The text with no line break possible between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(?:%|ms|s|[A-Z]{3,5})(?:\W|$))|(?<=[≥≤<>]) ", "\u00a0", text)


def tolerance_title(tolerance: ToleranceResult) -> str:
    """`Technical success during the faults`."""
    return tolerance_name(tolerance).capitalize()


def broken_rule(rule: MoneyRule, currency: str) -> str:
    """`83 orders charged more than once, 5,011.51 EUR too much`."""
    amount = written(rule.amount, currency)
    if rule.rule in _BROKEN_RULES:
        return _BROKEN_RULES[rule.rule].format(broken=broken_by(rule), amount=amount)
    text = f"{broken_by(rule)} broke the rule “{rule.title}”"
    return f"{text}, {amount}" if rule.amount else text


def remedies_for(remedies: Iterable[Remedy]) -> list[tuple[str, Remedy]]:
    """Each remedy once, after what it is for and where: `no_double_charge at gateway.authorise`."""
    rules: dict[str, list[str]] = {}
    first: dict[str, Remedy] = {}
    for remedy in remedies:
        rules.setdefault(str(remedy), []).append(remedy.of)
        first.setdefault(str(remedy), remedy)
    return [
        (f"{', '.join(dict.fromkeys(rules[text]))} at {remedy.at}", remedy)
        for text, remedy in first.items()
    ]


def titled_remedies(remedies: Iterable[Remedy]) -> list[tuple[str, Remedy]]:
    """The same, after the rules' titles: `No double charge at gateway.authorise`."""
    return remedies_for(
        msgspec.structs.replace(remedy, of=_title(remedy.of)) for remedy in remedies
    )


def _title(of: str) -> str:
    """Of a money rule or a measure, by its id."""
    return RULES[of].title if of in RULES else spaced(of).capitalize()


def closed_model(result: Result) -> str:
    """The users of a closed model and what they hide; empty when payments arrived at a rate."""
    return f"{result.load.arrivals}; {result.load.caveat}" if result.load.users else ""


def headline(result: Result) -> str:
    """The reason for the verdict, in one sentence.

    Before it, what decides more than any number: that one link stands in front of many nodes.
    """
    return f"{result.chain.front} {_reason(result)}".strip()


def _reason(result: Result) -> str:
    if result.verdict is Verdict.PASS:
        return "The chain stayed within its tolerances and no money went wrong."
    reasons = list(result.reasons) if result.verdict is Verdict.INCONCLUSIVE else _failures(result)
    more = len(reasons) - MAX_REASONS
    text = "; ".join(reasons[:MAX_REASONS]) + (f"; and {more} more" if more > 0 else "")
    # The name of a link and a place in a file are not words of the sentence: they stay as they are.
    is_place = text.partition(" ")[0].endswith(":")
    if is_place or text.startswith(tuple(f"{service.name} " for service in result.services)):
        return f"{text}."
    return f"{text[:1].upper()}{text[1:]}."


def _failures(result: Result) -> list[str]:
    """What a failed run broke: money first, then tolerances.

    Before both, an own service that failed, and why the run was stopped.
    """
    failures = [
        broken_rule(rule, result.chain.currency) for rule in result.money.rules if rule.findings
    ]
    # Double charges and orphaned authorisations are already there as money rules.
    failures += [
        breach(tolerance)
        for tolerance in result.tolerances
        if tolerance.passed is False
        and tolerance.measure not in ("double_charges", "orphaned_authorisations")
    ]
    failures = failures or list(result.reasons)
    if result.stopped is not None and result.stopped.sentence not in failures:
        failures.insert(0, result.stopped.sentence)
    return list(dict.fromkeys([*failure_sentences(result), *failures]))


@dataclass(frozen=True)
class QuestionAnswer:
    """One of the four questions, answered by a figure and a line."""

    question: str
    figure: str
    text: str
    section: str  # id of the page's section with the details
    is_bad: bool


def answers(result: Result) -> list[QuestionAnswer]:
    """The four questions every run answers, in order."""
    return [_tolerances(result), _breaks(result), _fallbacks(result), _money(result)]


def _tolerances(result: Result) -> QuestionAnswer:
    held = sum(tolerance.passed is True for tolerance in result.tolerances)
    failed = [tolerance for tolerance in result.tolerances if tolerance.passed is not True]
    text, value = "every tolerance held", f"{held} of {len(result.tolerances)} held"
    if not result.tolerances:
        text, value = "the money rules alone decide", "none declared"
    if failed:
        first = failed[0]
        text = (
            f"{tolerance_title(first)}: {first.observed_text}, {required(first.required)} required"
        )
    return QuestionAnswer(
        "Within tolerances?",
        value,
        text,
        "tolerances",
        any(tolerance.passed is False for tolerance in failed),
    )


def _breaks(result: Result) -> QuestionAnswer:
    question = "Where did payments break?"
    broken = sum(group.payments for group in result.breaks)
    if not broken:
        return QuestionAnswer(
            question, "nowhere", "every payment got a final answer", "breaks", False
        )
    first = result.breaks[0]
    amount = written(sum(group.amount for group in result.breaks), result.chain.currency)
    text = (
        f"{amount}; most at {first.caller} → {first.callee} "
        f"({failure_name(first.failure, first.code)})"
    )
    return QuestionAnswer(question, f"{broken:,} broke", text, "breaks", True)


def _fallbacks(result: Result) -> QuestionAnswer:
    question = "How did the fallbacks perform?"
    recovery = _recovery(result)
    never_recovered = bool(result.faults) and moment(result.recovery, "recovery_s") == NEVER
    most_used: FallbackMeasure | None = max(
        result.fallbacks,
        key=lambda fallback: (fallback.kind == "failover", fallback.activations),
        default=None,
    )
    if most_used is None:
        text = recovery or "no fault was injected"
        return QuestionAnswer(question, "not used", text, "fallbacks", never_recovered)
    total = sum(fallback.activations for fallback in result.fallbacks)
    name = fallback_name(most_used)
    if most_used.activations < total:
        name += f" ({most_used.activations:,} of them)"
    success = (
        "too few payments to tell"
        if most_used.success is None
        else f"{share(most_used.success)} succeeded"
    )
    text = "; ".join(filter(None, (f"{name}: {success}", recovery)))
    return QuestionAnswer(question, count(total, "use"), text, "fallbacks", never_recovered)


def _recovery(result: Result) -> str:
    """`back to normal 2.0 s after the heal`; empty for a run without faults."""
    if not result.faults:
        return ""
    recovery_s = result.recovery.recovery_s
    if recovery_s is None:
        return f"back to normal: {back_to_normal(result.recovery)}"
    return f"back to normal {seconds(recovery_s)} after the heal"


def _money(result: Result) -> QuestionAnswer:
    question = "Did any money go wrong?"
    rules = result.money.rules
    broken = [rule for rule in rules if rule.findings]
    held = sum(rule.passed is True for rule in rules)
    if broken:
        wrong = written(result.money.wrong, result.chain.currency)
        titles = ", ".join(rule.title.lower() for rule in broken[:MAX_REASONS])
        return QuestionAnswer(question, wrong, f"broken: {titles}", "money", True)
    text = f"{count(held, 'money rule')} held for {count(result.load.recorded, 'payment')}"
    if held < len(rules):
        text += f"; {len(rules) - held} not judged: {not_final(result.money)}"
        return QuestionAnswer(question, "not known", text, "money", False)
    return QuestionAnswer(question, "no", text, "money", False)
