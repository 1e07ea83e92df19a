"""What CI systems take: files of a run judged by the schemas in schemas/ and by GitLab's limits."""

from __future__ import annotations

import json
from collections import Counter

from jsonschema import Draft7Validator, FormatChecker
from lxml import etree

from tests.support.paths import ROOT

SCHEMAS = ROOT / "tests" / "schemas"
JUNIT = etree.XMLSchema(etree.parse(SCHEMAS / "junit.xsd"))
CTRF = Draft7Validator(
    json.loads((SCHEMAS / "ctrf.schema.json").read_text("utf-8")), format_checker=FormatChecker()
)
# GitLab, "Unit test reports": files smaller than 30 MB; of cases of one class and name only the
# first counts; classname, name, file and time of a case are shown, and the content of its outcome.
# Its reader of XML takes 250,000 objects at most (issue 507482) and texts below 10 MB (25357).
LARGEST_FILE, LARGEST_TEXT = 30_000_000, 10_000_000
MAX_OBJECTS = 250_000
OUTCOMES = ("failure", "error", "skipped")


def junit_mistakes(text: str) -> list[str]:
    """Why Jenkins or GitLab would not take this report, or not show what it says."""
    data = text.encode()  # a lone surrogate raises, as it does when the file is written
    root = etree.fromstring(data, etree.XMLParser(huge_tree=True))
    JUNIT.validate(root)
    mistakes = [str(each) for each in JUNIT.error_log]
    mistakes += [f"counts are wrong: {suite.get('name')}" for suite in _miscounted(root)]
    return mistakes + _gitlab(root, len(data))


def ctrf_mistakes(text: str) -> list[str]:
    """Why a reader of CTRF would not take this report."""
    report = json.loads(text.encode())
    return [error.message for error in CTRF.iter_errors(report)]


def _miscounted(root: etree._Element) -> list[etree._Element]:
    kinds = {
        "tests": "testcase",
        "failures": "testcase/failure",
        "errors": "testcase/error",
        "skipped": "testcase/skipped",
    }
    return [
        suite
        for suite in root.iter("testsuite")
        if any(suite.get(name) != str(len(suite.findall(path))) for name, path in kinds.items())
    ]


def _gitlab(root: etree._Element, size: int) -> list[str]:
    mistakes = [] if size < LARGEST_FILE else [f"{size} bytes"]
    elements = list(root.iter("*"))
    if sum(1 + len(element.attrib) for element in elements) > MAX_OBJECTS:
        mistakes.append("too many elements and attributes")
    mistakes += [
        f"text of <{element.tag}> is too long"
        for element in elements
        if max(map(len, (element.text or "", *element.attrib.values()))) >= LARGEST_TEXT
    ]
    cases = list(root.iter("testcase"))
    names = Counter((case.get("classname"), case.get("name")) for case in cases)
    mistakes += [f"{name} is there {many} times" for name, many in names.items() if many > 1]
    mistakes += [f"{case.get('name')} has no class" for case in cases if not case.get("classname")]
    mistakes += [
        f"{case.get('name')} does not say why: its <{outcome.tag}> has no content"
        for case in cases
        for outcome in case.iterchildren(*OUTCOMES)
        if not outcome.text
    ]
    return mistakes
