"""The four answers in words: for the terminal and for summary.md."""

from __future__ import annotations

from harness.analysis.measured import FallbackMeasure
from harness.payments.money import written
from harness.report.result import Result
from harness.report.wording import MARKS, WORDS, seconds, share

LISTED = 5


def terminal_lines(result: Result) -> list[str]:
    """The four questions every run answers, in order."""
    lines = [
        f"{MARKS[result.verdict]} {WORDS[result.verdict]}  {result.experiment.name} on "
        f"{result.chain.name}"
    ]
    lines += [f"    {reason}" for reason in result.reasons[:LISTED]]
    lines += ["", "1  Within tolerances?"]
    for one in result.tolerances:
        mark = {True: "✓", False: "✕", None: "–"}[one.passed]
        margin = f"  ({one.margin_text})" if one.margin_text else ""
        lines.append(f"   {mark} {one.id:<32} {one.required:>9}  {one.observed_text}{margin}")
    lines += ["", "2  Where did payments break?"]
    lines += [f"   {line}" for line in break_lines(result)] or ["   nowhere"]
    lines += ["", "3  How did the fallbacks perform?"]
    lines += [f"   {line}" for line in fallback_lines(result)] or ["   not used"]
    lines += ["", "4  Did any money go wrong?"]
    lines += [f"   {line}" for line in money_lines(result)]
    return [*lines, "", f"repeat: {result.command}"]


def break_lines(result: Result) -> list[str]:
    """`customer → edge: 312 payments, 12,240.10 EUR (http_error 500; edge-5xx)`."""
    lines = []
    for one in result.breaks[:LISTED]:
        why = f"{one.failure} {one.code}".strip()
        during = f"; during {', '.join(one.faults)}" if one.faults else ""
        amount = written(one.amount, result.chain.currency)
        lines.append(
            f"{one.caller} → {one.callee} ({one.operation}): {one.payments} payments, {amount} "
            f"({why}{during})"
        )
    left = result.breaks[LISTED:]
    if left:
        lines.append(f"and {sum(one.payments for one in left)} payments in {len(left)} other ways")
    return lines


def fallback_lines(result: Result) -> list[str]:
    """A line per fallback, and one for recovery when there were faults."""
    lines = [_fallback(one) for one in result.fallbacks]
    recovery = result.recovery
    if result.faults:
        lines.append(f"back to normal after the last heal: {seconds(recovery.recovery_s)}")
    if recovery.reversals_sent:
        lines.append(
            f"reversals: {recovery.reversals_sent} sent, "
            f"{recovery.reversals_acknowledged} acknowledged"
        )
    return lines


def _fallback(one: FallbackMeasure) -> str:
    to = f" to {one.to}" if one.to else ""
    line = f"{one.call} {one.kind}{to}: used {one.activations} times, success {share(one.success)}"
    if one.kind == "failover":
        line += (
            f"; first served after {seconds(one.detection_s)}, back at the tolerance after "
            f"{seconds(one.failover_s)}, fail-back after {seconds(one.failback_s)}"
        )
    return line


def money_lines(result: Result) -> list[str]:
    """A line per money rule, with the first payments that broke it."""
    lines = []
    for rule in result.money.rules:
        if not rule.findings:
            lines.append(f"✓ {rule.title}")
            continue
        amount = written(rule.amount, result.chain.currency)
        lines.append(f"✕ {rule.title}: {rule.findings} payments, {amount}")
        for one in rule.payments[:3]:
            lines.append(f"    {one.payment}: {one.text}; {'; '.join(one.references)}")
    return lines


def summary_md(result: Result) -> str:
    """GitHub-flavoured Markdown: failed checks first."""
    lines = [f"## {MARKS[result.verdict]} {_plain(result.experiment.name)} on "
             f"{_plain(result.chain.name)}: {WORDS[result.verdict].lower()}", ""]  # fmt: skip
    lines += [f"- {_plain(reason)}" for reason in result.reasons]
    lines += ["", "| tolerance | required | observed | |", "|-|-|-|-|"]
    order = {False: 0, None: 1, True: 2}
    for one in sorted(result.tolerances, key=lambda one: order[one.passed]):
        mark = {True: "✓ held", False: "✕ broke", None: "– not judged"}[one.passed]
        lines.append(
            f"| {one.id} | {_plain(one.required)} | {_plain(one.observed_text)} | {mark} |"
        )
    for title, some in (
        ("Where payments broke", break_lines(result) or ["nowhere"]),
        ("Fallbacks", fallback_lines(result) or ["not used"]),
        ("Money", money_lines(result)),
    ):
        lines += ["", f"**{title}**", ""]
        lines += [f"- {_plain(line.strip())}" for line in some]
    return "\n".join([*lines, "", f"Repeat: `{result.command.replace('`', '')}`", ""])


def _plain(text: str) -> str:
    for character, instead in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("`", "'"),
                               ("@", "&#64;")):  # fmt: skip
        text = text.replace(character, instead)
    return text.replace("\n", " ")
