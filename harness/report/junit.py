"""junit.xml for Jenkins, GitLab and others: one case per check, with stable names.

GitLab counts only the first of two cases of one class and name, and shows the class as the suite;
so the class names the chain and the experiment. It shows an outcome's content, Jenkins its message:
so what matters is in both. Never one case per payment.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from harness.report.checks import Check, checks, plain
from harness.report.result import Result
from harness.report.wording import closed_model

LONGEST_TEXT = 64 * 1024  # characters; GitLab's XML reader gives up on a text of 10 MB


def junit_xml(result: Result) -> str:
    """The run as JUnit XML. An inconclusive run is an error, not a failure of the chain."""
    classname = f"paychain.{result.chain.name}.{result.experiment.name}"
    found = checks(result)
    # Result files of later versions may hold any text: nothing here may make the XML unreadable.
    suite = Element("testsuite", name=plain(classname))
    suite.attrib.update(
        tests=str(len(found)),
        failures=str(sum(_is_failure(one) for one in found)),
        errors=str(sum(one.passed is False and one.is_about_harness for one in found)),
        skipped=str(sum(one.passed is None for one in found)),
        time=f"{_lasted_s(result):.3f}",
        timestamp=plain(result.started_at[:19]),
    )
    properties = SubElement(suite, "properties")
    for name, value in (
        ("seed", str(result.seed)), ("engine", f"{result.engine.name} {result.engine.version}"),
        ("chain", result.chain.sha256), ("experiment", result.experiment.sha256),
        ("load", closed_model(result) or result.load.arrivals),
    ):  # fmt: skip
        SubElement(properties, "property", name=name, value=plain(value))
    for one in found:
        _case(suite, classname, one, result.command)
    suites = Element("testsuites")
    suites.append(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _case(suite: Element, classname: str, one: Check, command: str) -> None:
    case = SubElement(
        suite, "testcase", classname=plain(classname), name=plain(one.name), time="0.000"
    )
    if one.passed is None:
        say(case, "skipped", one.said)
    elif not one.passed:
        kind = "error" if one.is_about_harness else "failure"
        lines = (one.title, one.said, one.evidence, one.place, f"repeat: {command}")
        say(case, kind, f"{one.title}: {one.said}", *lines)
    elif one.said:
        add_output(case, one.said)


def say(case: Element, kind: str, message: str, *lines: str) -> None:
    """Give a case a failure, an error or a skip; its content is `lines`, or the message again."""
    found = SubElement(case, kind, message=_held(message), type=kind)
    found.text = "\n".join(_held(line) for line in lines if line) or _held(message)


def add_output(case: Element, text: str) -> None:
    """Give a case that passed something to say."""
    SubElement(case, "system-out").text = _held(text)


def _held(text: str) -> str:
    """Text that XML can hold and its readers take."""
    clean = plain(text)
    over = len(clean) - LONGEST_TEXT
    return clean if over <= 0 else f"{clean[:LONGEST_TEXT]}… ({over} more characters)"


def _is_failure(one: Check) -> bool:
    return one.passed is False and not one.is_about_harness


def _lasted_s(result: Result) -> float:
    start, end = (datetime.fromisoformat(at) for at in (result.started_at, result.ended_at))
    return max(0.0, (end - start).total_seconds())
