"""report.html: one self-contained page from result.json alone."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from harness.payments.money import written
from harness.report.charts import chain_map, timeline
from harness.report.result import Result
from harness.report.wording import MARKS, WORDS, headline, millis, seconds, share


def render(result: Result) -> str:
    """The whole page."""
    style = stylesheet()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    currency = result.chain.currency
    environment.filters.update(
        money=lambda minor: written(minor, currency), share=share, seconds=seconds, millis=millis
    )
    return environment.from_string(_asset("report.html.j2")).render(
        r=result,
        style=Markup(style),  # noqa: S704  (our own asset)
        style_hash=f"sha256-{digest}",
        headline=headline(result),
        mark=MARKS[result.verdict],
        word=WORDS[result.verdict],
        within=f"{sum(one.passed is True for one in result.tolerances)} of "
        f"{len(result.tolerances)}",
        broke=f"{sum(one.payments for one in result.breaks):,}",
        at_risk=written(sum(one.amount for one in result.breaks), currency),
        recovery=seconds(result.recovery.recovery_s) if result.faults else "no faults",
        wrong=f"{sum(rule.findings for rule in result.money.rules):,}",
        timeline=Markup(timeline(result)),  # noqa: S704  (escaped where it is drawn)
        map=Markup(chain_map(result)),  # noqa: S704
    )


def stylesheet() -> str:
    """report.css, for the page and beside it."""
    return _asset("report.css")


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(f"page/{name}").read_text("utf-8")
