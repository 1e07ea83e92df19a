"""A load that ended early: it claims nothing of what it did not get to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.analysis.measures.measures import Verdict
from paychain.environment.virtual import VirtualChain
from paychain.model.experiment import Times
from paychain.model.loading import load_chain, load_experiment
from paychain.report.result import Result
from paychain.runs.run import run
from paychain.runs.spec import RunSpec
from tests.support.chains import shop
from tests.support.recorded import Recorded

EXPERIMENT = """\
experiment: long
load: {arrivals: 20/s, warm_up: 0s, before: 3s, after: 20s}
faults:
  - {id: first, at: 0s, for: 2s, target: {link: processor-a}, down: {}}
  - {id: second, at: 20s, for: 2s, target: {link: processor-a}, down: {}}
tolerances: {recovery: "<= 10s", technical_success: {after: ">= 90%"}}
"""


def ended_at_22_s() -> Recorded:
    run = Recorded(ends_s=22, is_drained=False)
    for number in range(220):
        run.pay(number / 10)
    run.fault("first", 5, 8)
    run.faults.append(("second", 30.0, 33.0))  # it was never switched
    return run


def test_a_recovery_is_not_over_while_a_fault_is_still_to_come() -> None:
    found = ended_at_22_s().analysed("the run was interrupted", recovery="<= 10s")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "fault second never took effect" not in found.reasons
    assert found.recovery.recovery_s is None
    assert found.recovery.absent["recovery_s"] == "the load ended before its last fault"
    (limit,) = found.tolerances
    assert limit.passed is None


def test_what_did_not_come_to_its_drain_claims_none() -> None:
    found = ended_at_22_s().analysed("the run was interrupted", drain="<= 5s")
    assert found.recovery.drain_s is None
    (limit,) = found.tolerances
    assert (limit.passed, limit.observed_text) == (None, "the run ended before its drain")


def test_phases_end_where_the_load_ended() -> None:
    phases = {phase.name: phase for phase in ended_at_22_s().analysed("interrupted").phases}
    assert max(phase.end_s for phase in phases.values()) == 22
    assert "after" not in phases
    assert phases["recovery"].offered == 0
    assert phases["between"].offered == 140  # from 8 s to 22 s


def interrupted_at(folder: Path, at_s: float) -> Result:
    at_ns = round(at_s * 1e9)

    class Interrupted(VirtualChain):
        def advance(self, until_ns: int | None = None) -> None:
            super().advance(min(until_ns or at_ns, at_ns))
            if self.now_ns() >= at_ns:
                raise KeyboardInterrupt

    (folder / "shop.yaml").write_text(shop(), "utf-8")
    (folder / "long.yaml").write_text(EXPERIMENT, "utf-8")
    chain = load_chain(str(folder / "shop.yaml"))
    experiment = load_experiment(str(folder / "long.yaml"), chain.model)
    spec = RunSpec(chain=chain, experiment=experiment, out=folder / "runs", virtual=True)
    return run(spec, lambda *_: Interrupted(chain.model, spec.seed)).result


def test_an_interrupted_run_claims_no_recovery(tmp_path: Path) -> None:
    # 3 s of before, 2 s of the first fault; the second one would begin at 23 s.
    result = interrupted_at(tmp_path, 17.005)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reasons[0] == "the run was interrupted"
    assert not [reason for reason in result.reasons if "never took effect" in reason]
    # What was under way is left as it is: nothing runs on, and nobody is told of a failure.
    assert not [reason for reason in result.reasons if "simulation failed" in reason]
    assert {each.technical_success for each in result.phases if each.name == "between"} == {1.0}
    assert result.recovery.recovery_s is None
    assert {limit.id: limit.passed for limit in result.tolerances} == {
        "recovery.all": None,
        "technical_success.after": None,
    }
    assert max(phase.end_s for phase in result.phases) == 17.005


def test_a_run_that_is_interrupted_as_its_load_begins_misses_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_recorder: Any, _times: Times) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("paychain.runs.run._Recorder.begin", interrupt)
    result = interrupted_at(tmp_path, 100)
    assert result.reasons[0] == "the run was interrupted"
    assert not [reason for reason in result.reasons if "never took effect" in reason]
    assert result.recovery.absent["recovery_s"] == "the load ended before its last fault"
