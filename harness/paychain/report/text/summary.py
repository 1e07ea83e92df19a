"""summary.md: the run in GitHub-flavoured Markdown, failed checks first."""

from __future__ import annotations

import re
from collections.abc import Iterator

from paychain.analysis.reasons import required
from paychain.report.ci.checks import Check, checks, plain
from paychain.report.drawings.scale import bucket_width, extremes
from paychain.report.result import Result
from paychain.report.text.lines import break_lines, fallback_lines, money_lines
from paychain.report.text.scripts import script_lines
from paychain.report.text.wording import (
    MARKS,
    TOLERANCE_RESULTS,
    WORDS,
    closed_model,
    headline,
    tolerance_title,
)

SPARKS = "▁▂▃▄▅▆▇█"
SPARK_CHARACTERS = 80
MAX_CHARACTERS = 60_000  # far below what any CI system shows
_ESCAPED = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "|": "\\|",
        "\\": "&#92;",  # before a bar it would end the cell after all
        "`": "'",
        "[": "&#91;",
        "*": "&#42;",
        "_": "&#95;",
        "~": "&#126;",
        "$": "&#36;",
        "#": "&#35;",
        "@": "&#64;&#8203;",  # GitHub looks for names in what it has rendered
        "\r": " ",
        "\n": " ",
    }
)
_NUMBERED = re.compile("&#35;(?=[0-9])")  # an issue, as @ is a person
_FAILED_FIRST = {False: 0, None: 1, True: 2}


def summary_md(result: Result) -> str:
    """The four answers for a pull request or the page of a CI job."""
    title = f"{_text(result.experiment.name)} on {_text(result.chain.name)}"
    lines = [
        f"## {MARKS[result.verdict]} {title}: {WORDS[result.verdict].lower()}",
        "",
        _text(headline(result)),
        "",
        *([_text(closed_model(result)), ""] if result.load.users else []),
        *_tolerance_table(result),
    ]
    spark = sparkline(result)
    if spark:
        lines += ["", f"Success over time, 0 to 100 %: `{spark}`"]
    for heading, items in (
        ("Where payments broke", break_lines(result) or ["nowhere"]),
        ("Fallbacks", fallback_lines(result) or ["not used"]),
        ("Money", money_lines(result)),
        *([("Scripts", script_lines(result))] if result.scripts else []),
    ):
        lines += ["", f"**{heading}**", "", *map(_item, items)]
    evidence = [check for check in checks(result) if check.passed is False and check.evidence]
    if evidence:
        lines += ["", "<details><summary>First affected payments</summary>", ""]
        lines += [line for check in evidence for line in _evidence_items(check)]
        lines += ["", "</details>"]
    command = plain(result.command).replace("`", "").replace("\n", " ")
    text = "\n".join([*lines, "", f"Reproduce: `{command}`", ""])
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…\n"


def sparkline(result: Result) -> str:
    """Success over time in one line: the worst second of each part."""
    shares = [
        second.succeeded / second.offered if second.offered else None for second in result.seconds
    ]
    width = bucket_width(len(shares), SPARK_CHARACTERS)
    return "".join(
        SPARKS[round(pair[0] * (len(SPARKS) - 1))] if pair is not None else " "
        for pair in extremes(shares, width)
    ).rstrip()


def _tolerance_table(result: Result) -> Iterator[str]:
    yield "| | tolerance | required | observed | margin |"
    yield "|-|-|-|-|-|"
    for tolerance in sorted(result.tolerances, key=lambda item: _FAILED_FIRST[item.passed]):
        cells = (
            " ".join(TOLERANCE_RESULTS[tolerance.passed]),
            tolerance_title(tolerance),
            required(tolerance.required),
            tolerance.observed_text,
            tolerance.margin_text,
        )
        yield f"| {' | '.join(map(_text, cells))} |"


def _item(line: str) -> str:
    """A list item; the indentation of the line becomes its level in the list."""
    indent = line[: len(line) - len(line.lstrip())]
    return f"{indent}- {_text(line.strip())}"


def _evidence_items(check: Check) -> Iterator[str]:
    """The check, and below it each line of its evidence: a payment or a break."""
    yield _item(f"{check.title}:")
    for line in check.evidence.splitlines():
        yield _item(f"  {line}")


def _text(text: str) -> str:
    """Foreign text as text: no markup, link or mention, and no more than one table cell or line."""
    text = plain(text).translate(_ESCAPED).replace("://", "&#58;//").replace("www.", "www&#46;")
    return _NUMBERED.sub("&#35;&#8203;", text)
