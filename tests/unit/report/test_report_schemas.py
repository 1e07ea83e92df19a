"""junit.xml and ctrf.json of every kind of run are taken by the readers they are written for."""

from __future__ import annotations

import msgspec
import pytest

from paychain.analysis.measures.measures import MoneyFinding, Verdict
from paychain.report.ci.ctrf import ctrf_json
from paychain.report.ci.junit import MAX_TEXT, junit_xml
from paychain.report.html.matrix import Cell, Matrix, not_run
from paychain.report.html.matrix import junit_xml as matrix_junit_xml
from paychain.report.result import Result, read
from tests.support.ci_formats import ctrf_mistakes, junit_mistakes
from tests.support.paths import SAMPLE
from tests.support.report_results import DOUBLE, FAILED, HELD, KEPT, UNJUDGED, result

# what an answer of a foreign provider may hold, and XML, JSON and terminals take badly
ODD = "é ≥ 支付 🏦 ]]> <![CDATA[ &amp; & < > \" ' \x00\x0b\x1b[31m\x7f\ufffe\ud800 \r\n\t"


def odd() -> Result:
    finding = MoneyFinding(ODD, 1, f"held {ODD} twice", [ODD])
    rule = msgspec.structs.replace(DOUBLE, title=ODD, payments=[finding])
    broken = msgspec.structs.replace(result().breaks[0], code=ODD, examples=[ODD])
    tolerances = [
        msgspec.structs.replace(FAILED, observed_text=ODD, place=f"{ODD}.yaml:7:41"),
        msgspec.structs.replace(UNJUDGED, observed_text=ODD),
        msgspec.structs.replace(HELD, observed_text=ODD),
    ]
    return result(
        verdict=Verdict.INCONCLUSIVE,
        reasons=[ODD],
        tolerances=tolerances,
        breaks=[broken],
        money=msgspec.structs.replace(result().money, rules=[rule]),
        command=ODD,
        environment={"paychain": ODD},
        experiment=msgspec.structs.replace(result().experiment, name=f"mine {ODD}"),
    )


RUNS: dict[str, Result] = {
    "passed": result(
        verdict=Verdict.PASS,
        reasons=[],
        tolerances=[HELD],
        breaks=[],
        money=msgspec.structs.replace(result().money, rules=[KEPT]),
    ),
    "failed": result(),
    "inconclusive": result(verdict=Verdict.INCONCLUSIVE, reasons=["the engine died"]),
    "nothing to judge": result(
        tolerances=[], money=msgspec.structs.replace(result().money, rules=[])
    ),
    "odd characters": odd(),
    "a very long message": result(verdict=Verdict.INCONCLUSIVE, reasons=["x" * 10_000_001]),
    "a recorded run": read(SAMPLE),
}
MATRIX = Matrix(
    chain="shop",
    title="",
    seed=1,
    virtual=True,
    command="paychain matrix shop",
    interrupted=False,
    links=["edge", "issuer"],
    faults={"down": "gone", "slow": "late"},
    cells=[
        Cell(
            link="edge",
            fault="down",
            state="broke",
            text=f"it fell {ODD}",
            command=f"paychain run {ODD}",
        ),
        Cell(link="edge", fault="slow", state="degraded", text=f"p95 300 ms, not 100 ms {ODD}"),
        Cell(link="edge", fault="lost", state="held", text="success 100 %"),
        Cell(link="issuer", fault="down", state="money wrong", text="x" * 10_000_001),
        not_run("issuer", "slow", f"this link cannot have the fault {ODD}"),
    ],
)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_jenkins_and_gitlab_take_the_junit_report_of_every_run(run: Result) -> None:
    assert junit_mistakes(junit_xml(run)) == []


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_readers_of_ctrf_take_the_report_of_every_run(run: Result) -> None:
    assert ctrf_mistakes(ctrf_json(run)) == []


def test_jenkins_and_gitlab_take_the_junit_report_of_a_matrix() -> None:
    assert junit_mistakes(matrix_junit_xml(MATRIX)) == []


def test_a_long_message_is_cut_says_so_and_leaves_how_to_reproduce_the_run() -> None:
    finding = MoneyFinding("p1", 1, "y" * (MAX_TEXT + 5), [])
    rule = msgspec.structs.replace(DOUBLE, payments=[finding])
    text = junit_xml(result(money=msgspec.structs.replace(result().money, rules=[rule])))
    # "p1: " stands before the message: 4 + 5 characters are over
    assert "y… (9 more characters)\nreproduce: paychain run shop mine --seed 7</failure>" in text


def test_gitlab_shows_why_a_cell_of_a_matrix_broke_or_was_not_run() -> None:
    text = matrix_junit_xml(MATRIX)
    assert ">broke: it fell" in text
    assert ">this link cannot have the fault" in text


FAILING = junit_xml(result())
CLASS = 'classname="paychain.shop.mine" '


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (' time="0.000"', ' time="soon"', "'soon'"),
        ("<testcase ", '<testcase verdict="sad" ', "'verdict' is not allowed"),
        (CLASS + "name=", CLASS + "title=", "'name' is required"),
        ("<property ", "<fact ", "'fact'"),
        ('failures="2"', 'failures="two"', "'two' is not a valid value"),
        ('failures="2"', 'failures="3"', "counts are wrong"),
        ('name="technical_success.during"', 'name="recovery.all"', "is there 2 times"),
        (CLASS, "", "has no class"),
        (">required ≤ 1 s, observed too few payments</skipped>", "/>", "<skipped> has no content"),
        ("</failure>", "x" * 10_000_000 + "</failure>", "text of <failure> is too long"),
        ("</testsuites>", f"<!--{'x' * 30_000_000}--></testsuites>", "bytes"),
    ],
    ids=lambda text: text[:20],
)
def test_a_junit_report_that_they_would_not_take_is_refused(
    old: str, new: str, mistake: str
) -> None:
    assert old in FAILING
    assert mistake in "\n".join(junit_mistakes(FAILING.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ('"reportFormat": "CTRF"', '"reportFormat": "JUnit"', "'CTRF' was expected"),
        ('"specVersion": "0.1.0"', '"specVersion": "v0"', "'v0' does not match"),
        ('"status": "passed"', '"status": "degraded"', "'degraded' is not one of"),
        ('"duration": 0', '"duration": "0 ms"', "'0 ms' is not of type 'integer'"),
        ('"duration": 0', '"lasted": 0', "'duration' is a required property"),
        ('"message"', '"said"', "('said' was unexpected)"),
        ('"pending": 0,', "", "'pending' is a required property"),
        ('"name": "paychain"', '"name": ""', "'' should be non-empty"),
    ],
)
def test_a_ctrf_report_that_readers_would_not_take_is_refused(
    old: str, new: str, mistake: str
) -> None:
    text = ctrf_json(result())
    assert old in text
    assert mistake in "\n".join(ctrf_mistakes(text.replace(old, new, 1)))
