"""What junit.xml says of a run, where and under which names."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

import msgspec

from paychain.analysis.measures.measures import Verdict
from paychain.report.ci.junit import junit_xml
from paychain.report.result import Result
from tests.support.report_results import result


def cases(of: Result) -> dict[str, Element]:
    suite = fromstring(junit_xml(of)).find("testsuite")
    assert suite is not None
    return {case.attrib["name"]: case for case in suite.findall("testcase")}


def test_the_suite_counts_its_cases_and_says_how_long_the_run_took() -> None:
    (suite,) = fromstring(junit_xml(result()))
    # three tolerances, two money rules and whether the run is conclusive
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {
        "tests": "6",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
        "time": "30.000",
    }


def test_names_are_stable_and_unique_within_their_class() -> None:
    good = result(
        tolerances=[
            msgspec.structs.replace(tolerance, passed=True, observed_text="99 %")
            for tolerance in result().tolerances
        ]
    )
    assert list(cases(good)) == list(cases(result()))
    assert len(cases(result())) == 6
    assert {case.get("classname") for case in cases(result()).values()} == {"paychain.shop.mine"}


def test_a_failure_says_required_and_observed_the_first_payment_and_how_to_reproduce_it() -> None:
    tolerance = cases(result())["technical_success.during"].find("failure")
    assert tolerance is not None
    assert tolerance.get("message") == (
        "Technical success during the faults: required ≥ 95 %, observed 71.3 % (23.7 points short)"
    )
    assert "chaos/mine.yaml:7:41" in (tolerance.text or "")
    rule = cases(result())["no_double_charge"].find("failure")
    assert rule is not None
    lines = (rule.text or "").splitlines()
    assert "broken by 2 orders, 30.00 EUR" in lines
    assert any(line.startswith("p0000007: 20.00 EUR held") for line in lines)
    assert lines[-1] == "reproduce: paychain run shop mine --seed 7"


def test_what_could_not_be_judged_is_skipped_and_an_inconclusive_run_an_error() -> None:
    assert cases(result())["latency_p99.after"].find("skipped") is not None
    broken = cases(result(verdict=Verdict.INCONCLUSIVE, reasons=["the engine died"]))
    error = broken["run_is_conclusive"].find("error")
    assert error is not None
    assert error.get("message") == "Run is conclusive: the engine died"


def test_the_times_of_the_cases_add_up_to_the_run() -> None:
    times = {name: float(case.attrib["time"]) for name, case in cases(result()).items()}
    assert times["run_is_conclusive"] == 30
    assert sum(times.values()) == 30
