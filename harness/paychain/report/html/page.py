"""report.html: one self-contained page, rendered from result.json alone.

It has one style sheet and one script, both named by hash in its content security policy, and no
style attribute. Every number is there without the script, and every plot without the styles.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from paychain.analysis.judge import not_final
from paychain.analysis.reasons import broken_by, required
from paychain.declaration.quantity import count
from paychain.payments.money import written
from paychain.payments.outcome import failure_name
from paychain.report.ci.checks import plain
from paychain.report.drawings import palette
from paychain.report.drawings.alike import grouped
from paychain.report.drawings.chain_map import chain_map
from paychain.report.drawings.payment_timeline import timeline_drawing
from paychain.report.drawings.plot import timeline
from paychain.report.html.compiled import CompiledTemplates, cache_folder
from paychain.report.html.tables import fault_rows, seconds_rows
from paychain.report.result import PaymentTimeline, Result
from paychain.report.text import wording
from paychain.report.text.comparison import comparison_rows
from paychain.report.text.hosts import host_lines
from paychain.report.text.own_services import HOLDS_WORDS, attribution_words, sdk_words
from paychain.report.text.services import last_words, service_lines
from paychain.report.text.used_fallbacks import unused_fallbacks, used_fallbacks
from paychain.report.text.workers import worker_lines

TIMELINE_CHARACTERS = 200_000  # of all timelines: it keeps the page of any run under 500 kB
ROW_CHARACTERS = 160  # of an event in the table of a timeline

_FILTERS = (
    wording.share,
    wording.seconds,
    wording.millis,
    required,
    wording.titled_remedies,
    broken_by,
    wording.tolerance_title,
    count,
    wording.unbroken,
    wording.moment,
    wording.spaced,
    wording.earlier_attempt,
    failure_name,
    wording.fallback_name,
    wording.instrument_words,
    sdk_words,
    attribution_words,
)


@pass_context
def _money(context: Context, amount_minor: int) -> str:
    """An amount in the currency of the chain."""
    return written(amount_minor, context["r"].chain.currency)


@cache
def _template() -> Template:
    """The template. To compile it takes longer than to render ten pages."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(asset),
        bytecode_cache=CompiledTemplates(cache_folder()),
    )
    environment.filters.update({words.__name__: words for words in _FILTERS})
    environment.filters["money"] = _money
    return environment.get_template("report.html.j2")


def render(result: Result) -> str:
    """The page as HTML."""
    style, script = stylesheet(), asset("report.js")
    drawings, points = timeline(result)
    timelines = _timelines(result)
    wide, rows = seconds_rows(result)
    page = _template().render(
        r=result,
        style=_ours(style),
        script=_ours(script),
        style_hash=csp_hash(style),
        script_hash=csp_hash(script),
        # A "<" in the data could end its script element.
        points=_ours(json.dumps(points, separators=(",", ":")).replace("<", "\\u003c")),
        headline=wording.headline(result),
        closed_model=wording.closed_model(result),
        answers=wording.answers(result),
        mark=wording.MARKS[result.verdict],
        word=wording.WORDS[result.verdict],
        tolerance_results=wording.TOLERANCE_RESULTS,
        panels=[_ours(drawing) for drawing in drawings],
        map=_ours(chain_map(result)),
        has_groups=bool(grouped(result).members),
        timelines=timelines,
        with_timeline={payment.payment for payment, _ in timelines},
        broken=[rule for rule in result.money.rules if rule.findings],
        held=[rule for rule in result.money.rules if rule.passed],
        unjudged=[rule for rule in result.money.rules if rule.passed is None],
        not_final=not_final(result.money),
        fallbacks=used_fallbacks(result),
        unused=unused_fallbacks(result),
        faults=fault_rows(result),
        compared=comparison_rows(result.comparison) if result.comparison else [],
        worse=result.comparison.regressions if result.comparison else [],
        workers=worker_lines(result),
        hosts=host_lines(result),
        services=list(zip(result.services, service_lines(result), strict=True)),
        last_words=last_words(result),
        holds=HOLDS_WORDS,
        wide=wide,
        rows=rows,
    )
    # A browser obeys what turns the direction of text, and markup may end at a NUL.
    return plain(page)


def _timelines(result: Result) -> list[tuple[PaymentTimeline, Markup]]:
    """Timelines with their drawings, as many as there is room for; all are in result.json."""
    shown: list[tuple[PaymentTimeline, Markup]] = []
    room = TIMELINE_CHARACTERS
    for payment in result.timelines:
        drawing = timeline_drawing(payment, result.chain.currency)
        room -= len(drawing) + ROW_CHARACTERS * len(payment.events)
        # The first is shown whatever its size: a page without any would hide what went wrong.
        if room < 0 and shown:
            break
        shown.append((payment, _ours(drawing)))
    return shown


def stylesheet() -> str:
    """report.css, as it is inlined in the page and written beside it."""
    return palette.css() + asset("report.css")


def _ours(text: str) -> Markup:
    """Markup made by us, in which all foreign text is already escaped."""
    return Markup(text)  # noqa: S704  (escaped already)


def csp_hash(text: str) -> Markup:
    """The source expression of a content security policy that allows exactly this text."""
    return _ours(f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}")


def asset(name: str) -> str:
    """The text of a file in the templates folder."""
    return resources.files(__package__).joinpath(f"templates/{name}").read_text("utf-8")
