"""summary.md: the run in GitHub-flavoured Markdown, failed checks first."""

from __future__ import annotations

from harness.report.checks import checks, plain
from harness.report.lines import break_lines, fallback_lines, money_lines
from harness.report.result import Result
from harness.report.scale import bucket_width, extremes
from harness.report.wording import (
    JUDGED,
    MARKS,
    WORDS,
    closed_model,
    headline,
    required,
    tolerance_name,
)

SPARKS = "▁▂▃▄▅▆▇█"
SPARK_CHARACTERS = 80
LARGEST = 60_000  # characters: far under what any CI system shows
_FAILED_FIRST = {False: 0, None: 1, True: 2}


def summary_md(result: Result) -> str:
    """The four answers for a pull request or a CI job's page."""
    title = f"{_text(result.experiment.name)} on {_text(result.chain.name)}"
    lines = [
        f"## {MARKS[result.verdict]} {title}: {WORDS[result.verdict].lower()}", "",
        _text(headline(result)), "",
        *([_text(closed_model(result)), ""] if result.load.users else []),
        "| | tolerance | required | observed | margin |", "|-|-|-|-|-|",
    ]  # fmt: skip
    for one in sorted(result.tolerances, key=lambda one: _FAILED_FIRST[one.passed]):
        cells = (
            " ".join(JUDGED[one.passed]), tolerance_name(one), required(one.required),
            one.observed_text, one.margin_text,
        )  # fmt: skip
        lines.append(f"| {' | '.join(_text(cell) for cell in cells)} |")
    spark = sparkline(result)
    if spark:
        lines += ["", f"Success over time, 0 to 100 %: `{spark}`"]
    for heading, some in (
        ("Where payments broke", break_lines(result) or ["nowhere"]),
        ("Fallbacks", fallback_lines(result) or ["not used"]),
        ("Money", money_lines(result)),
    ):
        lines += ["", f"**{heading}**", ""]
        lines += [f"- {_text(line.strip())}" for line in some]
    evidence = [one for one in checks(result) if one.passed is False and one.evidence]
    if evidence:
        lines += ["", "<details><summary>First offending payments</summary>", ""]
        lines += [f"- {_text(one.title)}: {_text(one.evidence)}" for one in evidence]
        lines += ["", "</details>"]
    command = plain(result.command).replace("`", "").replace("\n", " ")
    text = "\n".join([*lines, "", f"Repeat: `{command}`", ""])
    return text if len(text) <= LARGEST else f"{text[:LARGEST]}…\n"


def sparkline(result: Result) -> str:
    """Success over time in one line: the worst second of each part."""
    shares = [one.succeeded / one.offered if one.offered else None for one in result.seconds]
    wide = bucket_width(len(shares), SPARK_CHARACTERS)
    return "".join(
        SPARKS[round(pair[0] * (len(SPARKS) - 1))] if pair is not None else " "
        for pair in extremes(shares, wide)
    ).rstrip()


def _text(text: str) -> str:
    """Foreign text as text: neither markup nor a mention, and in one table cell."""
    text = plain(text).replace("&", "&amp;")
    for character, instead in (("<", "&lt;"), ("|", "\\|"), ("`", "'"), ("@", "&#64;"),
                               ("[", "&#91;"), ("*", "&#42;"), ("_", "&#95;")):  # fmt: skip
        text = text.replace(character, instead)
    return text.replace("\r", " ").replace("\n", " ")
