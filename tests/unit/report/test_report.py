"""The report from a committed result, from hostile names and from long runs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from xml.etree.ElementTree import fromstring

import msgspec
import pytest

from paychain.analysis.measures.measures import Second
from paychain.report.ci.junit import junit_xml
from paychain.report.html.page import render
from paychain.report.result import (
    DeclaredFallback,
    PaymentTimeline,
    Result,
    TimelineEvent,
    read,
)
from paychain.report.text.summary import summary_md
from paychain.report.text.wording import instrument_words
from tests.support.paths import SAMPLE

HOSTILE = "</script><b onload=alert(1)>\"'|`@&\x0b"
LARGEST = 500_000  # bytes of report.html


def sample() -> Result:
    return read(SAMPLE)


def defaced(value: object) -> object:
    """The same value with every free text in it hostile."""
    if isinstance(value, dict):
        return {
            key: defaced(each)
            if key
            not in (
                "schema",
                "verdict",
                "kind",
                "costs",
                "action",
                "entries",
                "name",
                "caller",
                "callee",
                "started_at",
                "ended_at",
                "phase",
                "measure",
                "required",
                "sha256",
            )
            else each
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [defaced(each) for each in value]
    return value + HOSTILE if isinstance(value, str) else value


class Page(HTMLParser):
    """Elements that are open, and every attribute seen."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"


def test_the_page_is_well_formed_and_has_no_inline_style_or_handler() -> None:
    page = Page(render(sample()))
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert "style" not in page.attributes
    assert not [name for name in page.attributes if name.startswith("on")]


@pytest.mark.parametrize("element", ["style", "script"])
def test_the_policy_names_the_one_style_sheet_and_the_one_script_by_hash(element: str) -> None:
    page = render(sample())
    found = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    assert len(found) == 1
    digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert re.search(rf"{element}-src [^;]*'sha256-{re.escape(digest)}'", policy[1])
    assert "unsafe" not in policy[1]


def test_foreign_text_is_never_markup() -> None:
    data = json.loads(msgspec.json.encode(sample()))
    hostile = msgspec.json.decode(json.dumps(defaced(data)), type=Result)
    page = render(hostile)
    assert Page(page).open == []
    assert "b" not in Page(page.split("<main>")[0]).tags - {"base"}
    assert "<b onload" not in page
    assert page.count("</script>") == 2  # the data and the script, nothing else
    assert "<b onload" not in re.sub(r"`[^`]*`", "", summary_md(hostile))  # code is shown as it is
    assert fromstring(junit_xml(hostile)) is not None


def test_a_page_has_no_character_that_hides_or_turns_text() -> None:
    odd = "\x00\x1b[31m\x9b\u202e\u2066\ufffe"
    command = msgspec.structs.replace(sample(), command=f"paychain run {odd}")
    assert not set(odd) - set("[31m") & set(render(command))


def test_each_page_has_the_currency_of_its_chain() -> None:
    result = read(SAMPLE)
    for currency, other in (("GBP", "JPY"), ("JPY", "GBP")):
        chain = msgspec.structs.replace(result.chain, currency=currency)
        page = render(msgspec.structs.replace(result, chain=chain))
        assert f" {currency}" in page
        assert f" {other}" not in page


def test_the_data_of_the_script_cannot_end_its_element() -> None:
    fault = msgspec.structs.replace(sample().faults[0], id="</script><b>")
    page = render(msgspec.structs.replace(sample(), faults=[fault]))
    data = re.search(r'<script type="application/json" id="points">(.*?)</script>', page)
    assert data is not None
    assert json.loads(data[1])["faults"][0][0] == "</script><b>"


def test_the_plotted_numbers_are_also_in_tables() -> None:
    result = sample()
    page = render(result)
    for second in (result.seconds[0], result.seconds[-2]):
        assert f'<td class="num">{second.at_s}</td><td class="num">{second.offered:,}</td>' in page


@pytest.mark.parametrize(
    ("masked", "words"),
    [("378282…0005", "card 378282…0005"), ("0x9965…A4dc", "address 0x9965…A4dc")],
)
def test_what_a_payment_was_made_with_is_a_card_or_an_address(masked: str, words: str) -> None:
    assert instrument_words(masked) == words


def test_a_fallback_that_was_not_used_says_so() -> None:
    declared = [DeclaredFallback("gateway.authorise", "failover", "processor-b")]
    chain = msgspec.structs.replace(sample().chain, fallbacks=declared)
    page = render(msgspec.structs.replace(sample(), chain=chain, fallbacks=[]))
    assert "1 declared fallback not used:" in page
    assert "<li>– failover to processor-b <small>gateway.authorise</small></li>" in page


def test_a_day_long_run_with_full_timelines_stays_under_the_limit() -> None:
    seconds = [
        Second(
            at_s=at,
            offered=40,
            succeeded=40 - at % 3,
            approved=38,
            declined=2,
            broke=at % 3,
            p50_ms=100.123 + at % 97,
            p95_ms=200.5 + at % 89,
            p99_ms=300.25 + at % 83,
            fallbacks={"gateway.authorise failover processor-b": at % 7},
        )
        for at in range(86_400)
    ]
    events = [
        TimelineEvent(
            at_ms=at * 1.5,
            kind="call",
            link=f"link-{at % 9}",
            text="gateway → processor-a authorise: timeout",
            is_bad=True,
            until_ms=at * 1.5 + 40,
        )
        for at in range(80)
    ]
    timeline = PaymentTimeline(
        payment="p1",
        why="No double charge",
        text="20.00 EUR held for 10.00 EUR",
        amount=1000,
        card="424242…4242",
        customer_saw="approved",
        events=events,
    )
    long = msgspec.structs.replace(sample(), seconds=seconds, timelines=[timeline] * 20)
    assert len(render(long).encode()) < LARGEST
