"""The report from a committed result, and from hostile names."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from xml.etree.ElementTree import fromstring

import msgspec

from harness.report.html import render
from harness.report.junit import junit_xml
from harness.report.result import Result, read
from harness.report.summary import summary_md, terminal_lines

SAMPLE = Path(__file__).parents[2] / "reports" / "sample"
HOSTILE = "</script><b onload=alert(1)>|`@"


def sample() -> Result:
    return read(SAMPLE)


def test_the_page_has_no_inline_style_and_its_policy_names_its_style_sheet() -> None:
    page = render(sample())
    assert " style=" not in page
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"sha256-{digest}".replace("+", "&#43;") in page.replace("+", "&#43;")
    assert len(page) < 500_000


def test_foreign_text_is_never_markup() -> None:
    result = sample()
    fault = msgspec.structs.replace(result.faults[0], id=HOSTILE, text=HOSTILE)
    hostile = msgspec.structs.replace(result, reasons=[HOSTILE], faults=[fault])
    assert "<b onload" not in render(hostile)
    assert "<b onload" not in summary_md(hostile)
    assert fromstring(junit_xml(hostile)).tag == "testsuite"


def test_the_terminal_answers_the_four_questions_in_order() -> None:
    text = "\n".join(terminal_lines(sample()))
    places = [text.index(f"\n{number}  ") for number in (1, 2, 3, 4)]
    assert places == sorted(places)


def test_junit_has_a_case_for_every_tolerance_and_money_rule() -> None:
    result = sample()
    cases = fromstring(junit_xml(result)).findall("testcase")
    names = [case.get("name") for case in cases]
    assert len(set(names)) == len(names)
    assert len(names) == len(result.tolerances) + len(result.money.rules) + 1
