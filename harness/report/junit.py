"""junit.xml: one case per tolerance and money rule, with stable names."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

from harness.analysis.measured import Verdict
from harness.payments.money import written
from harness.report.result import Result

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def junit_xml(result: Result) -> str:
    """The run as JUnit XML. An inconclusive run is an error, not a failure of the chain."""
    classname = f"paychain.{result.chain.name}.{result.experiment.name}"
    suite = Element("testsuite", name=classname)
    cases = failures = errors = 0
    for one in result.tolerances:
        cases += 1
        case = SubElement(suite, "testcase", classname=classname, name=one.id)
        said = f"required {one.required}, observed {one.observed_text}"
        if one.passed is False:
            failures += 1
            say(case, "failure", said, f"{said}\nrepeat: {result.command}")
        elif one.passed is None:
            say(case, "skipped", said, "")
    for rule in result.money.rules:
        cases += 1
        case = SubElement(suite, "testcase", classname=classname, name=rule.rule)
        if rule.findings:
            failures += 1
            amount = written(rule.amount, result.chain.currency)
            first = rule.payments[0]
            say(case, "failure", f"{rule.findings} payments, {amount}",
                 f"{first.payment}: {first.text}\nrepeat: {result.command}")  # fmt: skip
    cases += 1
    case = SubElement(suite, "testcase", classname=classname, name="run is conclusive")
    if result.verdict is Verdict.INCONCLUSIVE:
        errors += 1
        say(case, "error", "; ".join(result.reasons), f"repeat: {result.command}")
    suite.attrib.update(tests=str(cases), failures=str(failures), errors=str(errors))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def say(case: Element, kind: str, message: str, text: str) -> None:
    """Give a case a failure, an error or a skip, without characters that XML cannot hold."""
    found = SubElement(case, kind, message=_CONTROL.sub("", message))
    found.text = _CONTROL.sub("", text)
