"""What a run reports of failure scripts, and that a step that met nothing proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.analysis.measures.measures import Verdict
from paychain.model.loading import load_chain, load_experiment
from paychain.report.html.page import render
from paychain.report.result import Result
from paychain.report.text.summary import summary_md
from paychain.report.text.terminal import terminal_lines
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec

TEXT = """\
experiment: scripted
load: {arrivals: 20/s, warm_up: 0s, before: 2s, after: 2s}
scripts:
  - id: lost
    payments: {every: 20}
    MAY_MISS
    steps:
      - {link: processor-a, operation: authorise, lost_answer: {}}
      - {link: processor-b, operation: authorise, request: 7, decline: {}}
tolerances: {}
"""


def scripted(tmp_path: Path, chain: str, may_miss: str) -> Result:
    path = tmp_path / "scripted.yaml"
    path.write_text(TEXT.replace("    MAY_MISS\n", may_miss))
    loaded = load_chain(chain)
    spec = RunSpec(
        chain=loaded,
        experiment=load_experiment(str(path), loaded.model),
        out=tmp_path / "runs",
        virtual=True,
    )
    return run(spec, chain_of(spec)).result


def test_a_step_that_met_no_request_leaves_the_run_inconclusive(tmp_path: Path) -> None:
    result = scripted(tmp_path, "card-sound", "")
    assert result.verdict is Verdict.INCONCLUSIVE
    (reason,) = result.reasons
    assert reason.startswith(
        "step lost/2 met no request (the seventh authorise at processor-b: declines"
    )
    assert "may_miss: true on the script" in reason


def test_a_script_may_miss_where_it_says_so(tmp_path: Path) -> None:
    result = scripted(tmp_path, "card-sound", "    may_miss: true\n")
    assert result.verdict is Verdict.PASS
    assert "step lost/2 met no request (may_miss)" in result.reasons


def test_reports_say_what_each_step_met_and_timelines_name_it(tmp_path: Path) -> None:
    result = scripted(tmp_path, "card-gives-up", "")
    (script,) = result.scripts
    # Of 80 payments every twentieth.
    assert [step.hits for step in script.steps] == [4, 0]
    lines = terminal_lines(result)
    assert "Scripts" in lines
    assert any("lost/1  the first authorise at processor-a: works" in line for line in lines)
    assert "- lost/1" in summary_md(result)
    events = [event.text for timeline in result.timelines for event in timeline.events]
    assert "affected by step 1 of script lost" in events


@pytest.mark.parametrize("number", [1, 20])
def test_a_script_of_the_shipped_chain_is_judged_as_a_fault_is(tmp_path: Path, number: int) -> None:
    """With every payment scripted every payment is held twice, otherwise one in twenty."""
    path = tmp_path / "scripted.yaml"
    path.write_text(TEXT.replace("    MAY_MISS\n", "").replace("every: 20", f"every: {number}"))
    loaded = load_chain("card-gives-up")
    experiment = load_experiment(str(path), loaded.model)
    spec = RunSpec(chain=loaded, experiment=experiment, out=tmp_path / "runs", virtual=True)
    result = run(spec, chain_of(spec)).result
    (charged,) = [rule for rule in result.money.rules if rule.rule == "no_double_charge"]
    approved = sum(phase.approved for phase in result.phases if phase.kind == "all")
    assert approved
    assert charged.findings <= 80 // number
    assert charged.findings >= 80 // number * 0.7  # some are declined at processor-b


def test_the_page_lists_scripts_where_there_are_any(tmp_path: Path) -> None:
    page = render(scripted(tmp_path, "card-gives-up", ""))
    assert "Failure scripts" in page
    assert "lost/1" in page
