"""What a cell of the matrix is called, and what the matrix renders to."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import msgspec
import pytest

from paychain.analysis.measures.measures import MoneyRule, Verdict
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.errors import UserError
from paychain.report.html.matrix import (
    Cell,
    Matrix,
    judge_cell,
    junit_xml,
    not_run,
    read_matrix,
    render,
    terminal_lines,
    write_matrix,
)
from paychain.report.result import Result, read
from paychain.runs.matrix import standard_faults
from tests.support.paths import SAMPLE

RUN = Path("cells/edge.down/run")


def result_with(
    verdict: Verdict, *, success: float = 1.0, p95: float = 100.0, wrong: int = 0
) -> Result:
    """The sample with a baseline of success 100 % and p95 100 ms."""
    result = read(SAMPLE)
    changed: dict[str, dict[str, Any]] = {
        "before": {"technical_success": 1.0, "p95_ms": 100.0},
        "during": {"technical_success": success, "p95_ms": p95},
    }
    phases = [
        msgspec.structs.replace(phase, **changed.get(phase.kind, {})) for phase in result.phases
    ]
    rule = MoneyRule(
        rule="no_double_charge",
        title="No double charge",
        findings=wrong,
        amount=wrong * 1_000,
        payments=[],
    )
    return msgspec.structs.replace(
        result,
        verdict=verdict,
        phases=phases,
        reasons=["it fell"],
        money=msgspec.structs.replace(result.money, rules=[rule], wrong=wrong * 900),
    )


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (result_with(Verdict.PASS), "held"),
        (result_with(Verdict.PASS, success=0.991), "held"),  # within a point of the baseline
        (result_with(Verdict.PASS, success=0.98), "degraded"),
        (result_with(Verdict.PASS, p95=199), "held"),  # up to 1.5 x 100 + 50 = 200 ms
        (result_with(Verdict.PASS, p95=201), "degraded"),
        (result_with(Verdict.FAIL), "broke"),
        (result_with(Verdict.FAIL, wrong=2), "money wrong"),
        (result_with(Verdict.INCONCLUSIVE, wrong=2), "not run"),
    ],
)
def test_a_cell_is_called_by_the_worst_that_was_seen(result: Result, state: str) -> None:
    assert judge_cell("edge", "down", result, RUN).state == state


def test_money_is_wrong_once_however_many_rules_say_so() -> None:
    assert judge_cell("edge", "down", result_with(Verdict.FAIL, wrong=2), RUN).amount == 1_800


@pytest.mark.parametrize(
    ("verdict", "wrong", "state"),
    [
        (Verdict.INCONCLUSIVE, 0, "not tried"),
        (Verdict.PASS, 0, "not tried"),  # may_miss: the experiment accepts it, the cell shows it
        (Verdict.FAIL, 0, "broke"),
        (Verdict.FAIL, 2, "money wrong"),
    ],
)
def test_a_cell_whose_fault_met_no_traffic_is_not_tried(
    verdict: Verdict, wrong: int, state: str
) -> None:
    good = result_with(verdict, wrong=wrong)
    idle = msgspec.structs.replace(good, faults=[msgspec.structs.replace(good.faults[0], hits=0)])
    assert judge_cell("edge", "refuse", idle, RUN).state == state
    assert judge_cell("edge", "down", result_with(Verdict.PASS), RUN).text == "success 100.0 %"


def test_cells_that_were_not_tried_are_shown_wherever_a_matrix_is() -> None:
    untried = Cell(link="edge", fault="slow", state="not tried", text="it affected no traffic")
    shown = matrix()
    shown = msgspec.structs.replace(shown, cells=[shown.cells[0], untried, *shown.cells[2:]])
    lines = terminal_lines(shown)
    assert lines[-1] == "○ not tried, the fault affected no traffic: edge × slow"
    assert "○ not tried" in render(shown)
    suite = fromstring(junit_xml(shown))
    assert (suite.get("tests"), suite.get("skipped")) == ("4", "2")


def matrix() -> Matrix:
    return Matrix(
        chain="shop",
        title="",
        seed=1,
        virtual=True,
        command="paychain matrix shop",
        interrupted=False,
        links=["edge", "issuer"],
        faults={"down": "gone", "slow": "late"},
        cells=[
            judge_cell("edge", "down", result_with(Verdict.FAIL), RUN),
            Cell(
                link="edge",
                fault="slow",
                state="degraded",
                text="p95 300 ms instead of 100 ms",
            ),
            judge_cell("issuer", "down", result_with(Verdict.FAIL, wrong=2), RUN),
            not_run("issuer", "slow", "<this link cannot have the fault>"),
        ],
    )


def test_junit_has_a_case_per_cell_with_a_stable_name_and_its_replay() -> None:
    suite = fromstring(junit_xml(matrix()))
    assert [(each.get("classname"), each.get("name")) for each in suite] == [
        ("paychain.shop.edge", "down"),
        ("paychain.shop.edge", "slow"),
        ("paychain.shop.issuer", "down"),
        ("paychain.shop.issuer", "slow"),
    ]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "2", "1")
    failure = suite[0].find("failure")
    assert failure is not None
    assert "reproduce: paychain run" in (failure.text or "")


def test_the_page_opens_each_cell_and_holds_no_foreign_markup() -> None:
    page = render(matrix())
    assert 'href="cells/edge.down/run/report.html"' in page
    assert "<the fault" not in page
    assert " style=" not in page


def test_a_matrix_reads_back_and_counts_its_states(tmp_path: Path) -> None:
    write_matrix(matrix(), tmp_path)
    again = read_matrix(tmp_path)
    assert again == matrix()
    assert again.counts() == {
        "money wrong": 1,
        "broke": 1,
        "degraded": 1,
        "held": 0,
        "not tried": 0,
        "not run": 1,
    }
    assert not again.is_sound
    assert "‼ issuer × down" in "\n".join(terminal_lines(again))


def test_a_standard_fault_is_no_experiment_of_its_own() -> None:
    chain = load_chain("card-ecommerce").model
    with pytest.raises(UserError, match="run paychain matrix CHAIN --link LINK"):
        load_experiment("down", chain)
    with pytest.raises(UserError, match="not a standard fault"):
        standard_faults(["steady"])
    with pytest.raises(UserError, match="no standard fault named 'lost-anser'; did you mean 'lost"):
        standard_faults(["lost-anser"])
    with pytest.raises(UserError, match="no standard fault named 'x'; there are: bandwidth, black"):
        standard_faults(["x"])


def test_the_shipped_standard_faults_have_names_of_their_own() -> None:
    names = [fault.model.experiment for fault in standard_faults()]
    assert {"down", "lost-answer", "latency", "http-500"} <= set(names)
    assert len(set(names)) == len(names)
    assert all(fault.path.stem == fault.model.experiment for fault in standard_faults())


def test_its_page_says_how_many_links_and_faults_it_has() -> None:
    whole = matrix()
    assert "<h1>shop: 2 links × 2 faults</h1>" in render(whole)
    small = msgspec.structs.replace(
        whole, links=["edge"], faults={"down": "gone"}, cells=whole.cells[:1]
    )
    page = render(small)
    assert "<h1>shop: 1 link × 1 fault</h1>" in page
    assert "1 cell · seed 1" in page
