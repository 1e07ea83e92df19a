"""report.html: one self-contained page from result.json alone.

It has one style sheet and one script, both named by hash in its content policy, and no style
attribute. Without the script every number is still there; without the styles every plot is.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import partial
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from harness.payments.money import written
from harness.report import palette, wording
from harness.report.chainmap import chain_map
from harness.report.comparison import comparison_rows
from harness.report.hosts import host_lines
from harness.report.plot import timeline
from harness.report.result import Result, Story
from harness.report.storyline import storyline
from harness.report.tables import fallback_rows, fault_rows, seconds_rows
from harness.report.workers import worker_lines

STORY_CHARACTERS = 200_000  # of all stories: with it a page of any run stays under 500 kB
ROW_CHARACTERS = 160  # of a moment in the table of a story

_FILTERS = (
    wording.share, wording.seconds, wording.millis, wording.required, wording.tolerance_name,
    wording.count, wording.unbroken, wording.moment,
)  # fmt: skip


def render(result: Result) -> str:
    """The whole page."""
    style, script = stylesheet(), asset("report.js")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update({one.__name__: one for one in _FILTERS})
    environment.filters["money"] = partial(written, currency=result.chain.currency)
    drawings, points = timeline(result)
    wide, rows = seconds_rows(result)
    return environment.from_string(asset("report.html.j2")).render(
        r=result,
        style=_ours(style),
        script=_ours(script),
        style_hash=csp_hash(style),
        script_hash=csp_hash(script),
        # "<" in data would end the element it stands in
        points=_ours(json.dumps(points, separators=(",", ":")).replace("<", "\\u003c")),
        headline=wording.headline(result),
        closed_model=wording.closed_model(result),
        answers=wording.answers(result),
        mark=wording.MARKS[result.verdict],
        word=wording.WORDS[result.verdict],
        judged=wording.JUDGED,
        panels=[_ours(one) for one in drawings],
        map=_ours(chain_map(result)),
        stories=_stories(result),
        broken=[one for one in result.money.rules if one.findings],
        kept=[one for one in result.money.rules if one.passed],
        unjudged=[one for one in result.money.rules if not one.is_judged],
        not_final=wording.NOT_FINAL,
        fallbacks=fallback_rows(result),
        faults=fault_rows(result),
        compared=comparison_rows(result.comparison) if result.comparison else [],
        worse=result.comparison.regressions if result.comparison else [],
        workers=worker_lines(result),
        hosts=host_lines(result),
        wide=wide,
        rows=rows,
    )


def _stories(result: Result) -> list[tuple[Story, Markup]]:
    """Stories with their drawings, as many as there is room for; all are in result.json."""
    drawn: list[tuple[Story, Markup]] = []
    room = STORY_CHARACTERS
    for one in result.stories:
        drawing = storyline(one, result.chain.currency)
        room -= len(drawing) + ROW_CHARACTERS * len(one.moments)
        if room < 0 and drawn:
            break
        drawn.append((one, _ours(drawing)))
    return drawn


def stylesheet() -> str:
    """report.css, for the page and beside it."""
    return palette.css() + asset("report.css")


def _ours(text: str) -> Markup:
    """Text that is made here, with everything foreign in it escaped already."""
    return Markup(text)  # noqa: S704


def csp_hash(text: str) -> Markup:
    """The source expression of a content policy that allows exactly this text."""
    return _ours(f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}")


def asset(name: str) -> str:
    """A file of the page folder."""
    return resources.files(__package__).joinpath(f"page/{name}").read_text("utf-8")
