"""The four answers on a terminal: 80 columns, with colour on a terminal only."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from paychain.analysis.reasons import required
from paychain.model.review.remedy import Remedy
from paychain.payments.errors import one_line
from paychain.report.result import Result
from paychain.report.text.lines import break_lines, fallback_lines, money_lines
from paychain.report.text.own_services import own_service_lines
from paychain.report.text.review import review_summary
from paychain.report.text.scripts import script_lines
from paychain.report.text.services import last_words
from paychain.report.text.wording import (
    MARKS,
    TOLERANCE_RESULTS,
    WORDS,
    answers,
    closed_model,
    headline,
    remedies_for,
    tolerance_title,
)
from paychain.report.text.workers import worker_lines

WIDTH = 80
_STYLES = {"✓": "green", "✕": "bold red", "–": "yellow", "⚠": "yellow"}


def show(result: Result, console: Console, *, is_quiet: bool = False) -> None:
    """Print the answers, or only the verdict; in colour only where `console` is a terminal."""
    lines = terminal_lines(result)
    for line in lines[:1] if is_quiet else lines:
        text = Text(line)
        mark = line.strip()[:1]
        if mark in _STYLES:
            # The verdict is coloured as a whole; of a line below a question only its mark.
            start = len(line) - len(line.lstrip())
            end = len(line) if start == 0 else start + 1
            text.stylize(_STYLES[mark], start, end)
        elif line[:1].isdigit():
            text.stylize("bold")
        console.print(text, soft_wrap=True)


def terminal_lines(result: Result) -> list[str]:
    """The verdict, and the four questions every run answers, in order."""
    tolerances, breaks, fallbacks, money = answers(result)
    title = f"{result.experiment.name} on {result.chain.name}"
    lines = [f"{MARKS[result.verdict]} {WORDS[result.verdict]}  {title}"]
    lines += _indented([headline(result), closed_model(result)], 2)
    lines += ["", f"1  {tolerances.question} {tolerances.figure}", *_tolerance_rows(result)]
    lines += remedy_lines(limit.remedies for limit in result.tolerances)
    lines += ["", f"2  {breaks.question} {breaks.figure}", *_indented(break_lines(result), 3)]
    lines += [
        "",
        f"3  {fallbacks.question} {fallbacks.figure}",
        *_indented(fallback_lines(result), 3),
    ]
    lines += ["", f"4  {money.question} {money.figure}", *_indented(money_lines(result), 3)]
    lines += remedy_lines(rule.remedies for rule in result.money.rules)
    for sentence, written in last_words(result):
        lines += ["", f"{sentence}; its last lines:", *(f"   {line}" for line in written)]
    if result.own_services.calls:
        lines += ["", "Own services", *_indented(own_service_lines(result), 3)]
    if result.scripts:
        lines += ["", "Scripts", *_indented(script_lines(result), 3)]
    if result.load.workers:
        workers = [f"{name}: {line}" for name, line in worker_lines(result)]
        lines += ["", "Load workers", *_indented(workers, 3)]
    reviewed = [f"{review_summary(result.review)}; paychain check shows what to change"]
    lines += ["", *reviewed] if any(finding.is_open for finding in result.review) else []
    # Services, files and messages of others are in them, and a CI job obeys some lines.
    return [one_line(line) for line in [*lines, "", f"reproduce: {result.command}"]]


def remedy_lines(remedies: Iterable[Iterable[Remedy]]) -> list[str]:
    """Each remedy once and unbroken, so that it can be copied; in front, what it is for and where.

    `   remedy for no_double_charge at gateway.authorise: shop.yaml:12: set …`
    """
    named = remedies_for(remedy for several in remedies for remedy in several)
    return [f"   remedy for {what}: {remedy}" for what, remedy in named]


def _tolerance_rows(result: Result) -> list[str]:
    """Failed tolerances first, in columns as wide as their contents."""
    order = sorted(result.tolerances, key=lambda tolerance: tolerance.passed is True)
    cells = [
        (
            TOLERANCE_RESULTS[tolerance.passed][0],
            tolerance_title(tolerance),
            tolerance.observed_text,
            required(tolerance.required),
            tolerance.margin_text,
        )
        for tolerance in order
    ]
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(4)]
    lines = []
    for mark, name, observed, limit, margin in cells:
        line = (
            f"   {mark} {name.ljust(widths[1])}  {observed.rjust(widths[2])}  "
            f"{limit.ljust(widths[3])}"
        )
        # The margin follows from the other columns, so it goes where the line is too short.
        with_margin = f"{line}  {margin}".rstrip()
        lines.append(with_margin if len(with_margin) <= WIDTH else line.rstrip())
    return lines


def _indented(lines: list[str], indent: int) -> list[str]:
    """The lines, indented further and wrapped at WIDTH; an empty line disappears."""
    wrapped = []
    for line in lines:
        start = " " * (indent + len(line) - len(line.lstrip()))
        wrapped += wrap(
            line.strip(),
            WIDTH,
            initial_indent=start,
            subsequent_indent=start + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return wrapped
