"""What was done by hand, as an experiment file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from paychain.board.experiment_file import experiment_of, file_name, file_text, free_name
from paychain.board.timeline import FaultTimeline
from paychain.engine.timeline import compile_timeline
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.errors import UserError

DOWN = {"id": "down-1", "target": {"link": "processor-a"}, "down": {"share": "100%"}}
LATE = {
    "id": "latency-2",
    "target": {"provider": "aws-eu-west-1"},
    "latency": {"delay": "400ms", "jitter": "100ms"},
}


def recording() -> FaultTimeline:
    """20/s, 40/s from 5 s on; processor-a down from 3 s to 8 s; latency from 6.5 s on."""
    made = FaultTimeline()
    made.rates = [(0.0, 20.0), (5.0, 40.0)]
    made.inject("down-1", DOWN, 3.0)
    made.inject("latency-2", LATE, 6.5)
    made.heal("down-1", 8.0)
    return made


def saved(made: FaultTimeline, now_s: float, folder: Path) -> Path:
    declared = experiment_of(made, now_s, name="2026-11-24-x", title="By hand: a # title")
    path = folder / "2026-11-24-x.yaml"
    path.write_text(file_text(declared, chain="card-ecommerce", seed=3, command="paychain run …"))
    return path


def test_a_saved_file_switches_the_same_faults_at_the_same_times(tmp_path: Path) -> None:
    chain = load_chain("card-ecommerce").model
    experiment = load_experiment(
        str(saved(recording(), 10.0, tmp_path)), chain, needs_tolerances=True
    ).model
    start_s = experiment.times(0.0).faults_start_s
    switches = [
        (round(start_s + switch.at_s, 6), switch.action, switch.fault.id)
        for switch in compile_timeline(chain, experiment)
    ]
    assert switches == [
        (3.0, "apply", "down-1"),
        (6.5, "apply", "latency-2"),
        (8.0, "heal", "down-1"),
        (10.0, "heal", "latency-2"),  # what is on when it is saved is healed then
    ]
    assert experiment.faults[1].parameters.delay == 0.4


def test_a_saved_file_offers_the_same_load(tmp_path: Path) -> None:
    experiment = load_experiment(
        str(saved(recording(), 10.0, tmp_path)), needs_tolerances=True
    ).model
    assert experiment.load_lasts == 10.0
    corners = experiment.load.corners(experiment.load_lasts)
    assert corners == ((0.0, 20.0), (5.0, 20.0), (5.0, 40.0), (10.0, 40.0))
    assert experiment.load.warm_up == 0


def test_a_saved_file_says_what_it_is_and_how_to_repeat_it(tmp_path: Path) -> None:
    text = saved(recording(), 10.0, tmp_path).read_text("utf-8")
    first, second, *_ = text.splitlines()
    assert first == "# Recorded by hand on card-ecommerce with paychain load; seed 3."
    assert second == "# Reproduce: paychain run …"
    limits = yaml.safe_load(text)["tolerances"]
    assert limits == {
        # 20/s for 3 s before the first fault are enough to judge
        "technical_success": {"before": ">= 99%", "during": ">= 95%"},
        "double_charges": 0,
        "orphaned_authorisations": 0,
    }


def test_too_few_payments_before_the_faults_are_not_judged() -> None:
    made = FaultTimeline(rates=[(0.0, 20.0)])
    made.inject("down-1", DOWN, 0.9)  # 18 payments
    declared = experiment_of(made, 5.0, name="x", title="")
    assert declared["tolerances"]["technical_success"] == {"during": ">= 95%"}


def test_a_load_without_faults_is_one_stretch() -> None:
    declared = experiment_of(FaultTimeline(rates=[(0.0, 20.0)]), 12.0, name="x", title="")
    assert declared["load"] == {
        "arrivals": "20/s",
        "warm_up": "0s",
        "before": "12s",
        "after": "0s",
    }
    assert declared["faults"] == []


def test_idle_time_at_the_end_is_left_out() -> None:
    made = FaultTimeline(rates=[(0.0, 20.0), (30.0, 0.0)])
    made.inject("down-1", DOWN, 5.0)
    made.heal("down-1", 35.0)
    assert made.end_s(90.0) == 35.0  # the last heal
    made.rates.append((50.0, 10.0))
    made.rates.append((60.0, 0.0))
    assert made.end_s(90.0) == 60.0  # the last payment
    declared = experiment_of(made, 90.0, name="x", title="")
    rates = [step["rate"] for step in declared["load"]["arrivals"]["steps"]]
    assert rates == ["20/s", "0/s", "10/s"]


def test_a_fault_that_was_on_before_the_load_counts_from_its_start() -> None:
    made = FaultTimeline(rates=[(0.0, 20.0)])
    made.inject("down-1", DOWN, -4.0)
    made.heal("down-1", 2.0)
    (fault,) = experiment_of(made, 5.0, name="x", title="")["faults"]
    assert (fault["at"], fault["for"]) == ("0s", "2s")


def test_a_fault_that_was_over_before_the_load_is_no_part_of_it() -> None:
    made = FaultTimeline()
    made.inject("down-1", DOWN, -4.0)
    made.heal("down-1", -1.0)
    assert made.faults == {}


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 41, "-", "é"])
def test_a_name_cannot_lead_out_of_the_folder(name: str) -> None:
    with pytest.raises(UserError):
        file_name(name, "2026-11-24")


def test_a_name_is_made_of_what_was_typed_and_the_day(tmp_path: Path) -> None:
    assert file_name(" Processor A down ", "2026-11-24") == "2026-11-24-processor-a-down"
    assert file_name("", "2026-11-24") == "2026-11-24-by-hand"
    (tmp_path / "x.yaml").touch()
    assert free_name("x", tmp_path) == "x-2"


def test_a_ramp_of_more_steps_than_a_file_holds_brings_as_many_payments(tmp_path: Path) -> None:
    made = FaultTimeline(rates=[(float(at_s), float(at_s + 1)) for at_s in range(1_500)])
    experiment = load_experiment(str(saved(made, 1_500.0, tmp_path)), needs_tolerances=True).model
    corners = experiment.load.corners(experiment.load_lasts)
    assert len(corners) == 2 * 750
    # 1 + 2 + … + 1,500 payments
    brought = sum(
        (until - at_s) * rate
        for (at_s, rate), (until, _) in zip(corners[::2], corners[1::2], strict=True)
    )
    assert brought == pytest.approx(1_500 * 1_501 / 2)
