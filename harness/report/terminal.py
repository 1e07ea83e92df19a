"""The four answers on a terminal: 80 columns, coloured where somebody watches."""

from __future__ import annotations

from textwrap import wrap

from rich.console import Console
from rich.text import Text

from harness.report.checks import plain
from harness.report.lines import break_lines, fallback_lines, money_lines
from harness.report.result import Result
from harness.report.wording import (
    JUDGED,
    MARKS,
    WORDS,
    answers,
    closed_model,
    headline,
    required,
    tolerance_name,
)
from harness.report.workers import worker_lines

WIDTH = 80
_STYLES = {"✓": "green", "✕": "bold red", "–": "yellow", "⚠": "yellow"}


def show(result: Result, console: Console, *, is_quiet: bool = False) -> None:
    """Print the answers; colours only where `console` is a terminal."""
    lines = terminal_lines(result)
    for line in lines[:1] if is_quiet else lines:
        text = Text(line)
        mark = line.strip()[:1]
        if mark in _STYLES:
            start = len(line) - len(line.lstrip())
            end = len(line) if start == 0 else start + 1
            text.stylize(_STYLES[mark], start, end)
        elif line[:1].isdigit():
            text.stylize("bold")
        console.print(text, soft_wrap=True)


def terminal_lines(result: Result) -> list[str]:
    """The verdict, and the four questions every run answers, in order."""
    first, second, third, fourth = answers(result)
    title = f"{result.experiment.name} on {result.chain.name}"
    lines = [f"{MARKS[result.verdict]} {WORDS[result.verdict]}  {title}"]
    lines += _indented(headline(result), 2)
    lines += _indented(closed_model(result), 2)
    lines += ["", f"1  {first.question} {first.figure}", *_tolerances(result)]
    lines += ["", f"2  {second.question} {second.figure}"]
    lines += [part for line in break_lines(result) for part in _indented(line, 3)]
    lines += ["", f"3  {third.question} {third.figure}"]
    lines += [part for line in fallback_lines(result) for part in _indented(line, 3)]
    lines += ["", f"4  {fourth.question} {fourth.figure}"]
    lines += [part for line in money_lines(result) for part in _indented(line, 3)]
    if result.load.workers:
        lines += ["", "Load workers"]
        for name, line in worker_lines(result):
            lines += _indented(f"{name}: {line}", 3)
    return [plain(line) for line in [*lines, "", f"repeat: {result.command}"]]


def _tolerances(result: Result) -> list[str]:
    """Failed ones first, in columns as wide as their contents."""
    order = sorted(result.tolerances, key=lambda one: one.passed is True)
    cells = [
        (JUDGED[one.passed][0], tolerance_name(one), one.observed_text, required(one.required),
         one.margin_text)
        for one in order
    ]  # fmt: skip
    widths = [max((len(row[at]) for row in cells), default=0) for at in range(4)]
    lines = []
    for mark, name, observed, limit, margin in cells:
        line = (
            f"   {mark} {name.ljust(widths[1])}  {observed.rjust(widths[2])}  "
            f"{limit.ljust(widths[3])}"
        )
        # The margin is the one that can be missed where the line is too short for all.
        both = f"{line}  {margin}".rstrip()
        lines.append(both if len(both) <= WIDTH else line.rstrip())
    return lines


def _indented(line: str, indent: int) -> list[str]:
    own = len(line) - len(line.lstrip())
    start = " " * (indent + own)
    return wrap(
        line.strip(), WIDTH, initial_indent=start, subsequent_indent=start + "  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
