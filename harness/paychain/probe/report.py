"""What the probes found, for CI: JUnit XML and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from xml.etree.ElementTree import Element, SubElement, tostring

from paychain.probe.run import ProbeResult
from paychain.report.ci.checks import plain
from paychain.report.ci.junit import add_outcome, add_output


def junit_xml(dialect: str, probed: Sequence[ProbeResult]) -> str:
    """One case per probe, with stable names."""
    classname = f"paychain.probe.{dialect}"
    suite = Element("testsuite", name=classname)
    suite.attrib.update(
        tests=str(len(probed)),
        failures=str(sum(each.passed is False for each in probed)),
        errors="0",
        skipped=str(sum(each.passed is None for each in probed)),
        time=f"{sum(each.took_s for each in probed):.3f}",
    )
    for each in probed:
        case = SubElement(
            suite,
            "testcase",
            classname=classname,
            name=plain(each.name),
            time=f"{each.took_s:.3f}",
        )
        line = f"expected: {each.expects}; observed: {each.observed}"
        if each.passed is None:
            add_outcome(case, "skipped", each.observed)
        elif each.passed:
            add_output(case, line)
        else:
            add_outcome(case, "failure", line, line, f"remedy: {each.remedy}")
    suites = Element("testsuites")
    suites.append(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def as_json(dialect: str, url: str, probed: Sequence[ProbeResult]) -> str:
    """`verdict` is pass or fail; every probe with what was expected and observed."""
    failed = any(each.passed is False for each in probed)
    return json.dumps(
        {
            "dialect": dialect,
            "url": url,
            "verdict": "fail" if failed else "pass",
            "probes": [asdict(each) for each in probed],
        },
        indent=2,
    )
