"""junit.xml for Jenkins, GitLab and others: one case per check, with stable names.

GitLab counts only the first of two cases with the same class and name, and shows the class as the
suite: so the class names the chain and the experiment. GitLab shows the content of a failure and
Jenkins its message: so both hold what matters. There is never a case per payment.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from paychain.report.ci.checks import RUN_IS_CONCLUSIVE, Check, checks, plain
from paychain.report.result import Result
from paychain.report.text.wording import closed_model

MAX_TEXT = 64 * 1024  # characters; GitLab's XML parser rejects a text of 10 MB


def junit_xml(result: Result) -> str:
    """The run as JUnit XML. An inconclusive run is an error, not a failure of the chain."""
    classname = f"paychain.{result.chain.name}.{result.experiment.name}"
    cases = checks(result)
    # Results of later versions may hold any text, and none may make the XML invalid.
    suite = Element("testsuite", name=plain(classname))
    suite.attrib.update(
        tests=str(len(cases)),
        failures=str(sum(_is_failure(check) for check in cases)),
        errors=str(sum(check.passed is False and check.is_about_harness for check in cases)),
        skipped=str(sum(check.passed is None for check in cases)),
        time=f"{_duration_s(result):.3f}",
        timestamp=plain(result.started_at[:19]),
    )
    properties = SubElement(suite, "properties")
    for name, value in (
        ("seed", str(result.seed)),
        ("engine", f"{result.engine.name} {result.engine.version}"),
        ("chain", result.chain.sha256),
        ("experiment", result.experiment.sha256),
        ("load", closed_model(result) or result.load.arrivals),
    ):
        SubElement(properties, "property", name=name, value=plain(value))
    for check in cases:
        # The run took the time, and no check of it: a reader that adds up its cases is right, too.
        took = suite.attrib["time"] if check.name == RUN_IS_CONCLUSIVE else "0.000"
        _add_case(suite, classname, check, result.command, took)
    suites = Element("testsuites")
    suites.append(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _add_case(suite: Element, classname: str, check: Check, command: str, took: str) -> None:
    case = SubElement(
        suite, "testcase", classname=plain(classname), name=plain(check.name), time=took
    )
    if check.passed is None:
        add_outcome(case, "skipped", check.message)
    elif not check.passed:
        kind = "error" if check.is_about_harness else "failure"
        remedies = (f"remedy: {remedy}" for remedy in check.remedies)
        lines = (
            check.title,
            check.message,
            check.evidence,
            check.place,
            *remedies,
            f"reproduce: {command}",
        )
        add_outcome(case, kind, f"{check.title}: {check.message}", *lines)
    elif check.message:
        add_output(case, check.message)


def add_outcome(case: Element, kind: str, message: str, *lines: str) -> None:
    """Add a failure, an error or a skip to a case; its content is `lines`, or the message again."""
    outcome = SubElement(case, kind, message=_valid(message), type=kind)
    outcome.text = "\n".join(_valid(line) for line in lines if line) or _valid(message)


def add_output(case: Element, text: str) -> None:
    """Add a line of output to a case that passed."""
    SubElement(case, "system-out").text = _valid(text)


def _valid(text: str) -> str:
    """Text that XML can hold, and short enough for its readers."""
    clean = plain(text)
    over = len(clean) - MAX_TEXT
    return clean if over <= 0 else f"{clean[:MAX_TEXT]}… ({over} more characters)"


def _is_failure(check: Check) -> bool:
    return check.passed is False and not check.is_about_harness


def _duration_s(result: Result) -> float:
    start, end = (datetime.fromisoformat(at) for at in (result.started_at, result.ended_at))
    return max(0.0, (end - start).total_seconds())
