"""A load that makes no sense any more ends before its time."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.engine.timeline import Switch
from paychain.environment.conductor import ExperimentProgress, RunObserver, _Drive
from paychain.environment.running_chain import ChainReport, NothingOwn
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.payments.journal import FaultSwitch
from paychain.processes.wall_clock import ClockStart
from paychain.runs.finish import facts_of

CHAIN = {
    "chain": "one",
    "currency": "EUR",
    "entry": "shop",
    "links": {
        "shop": {"role": "gateway", "calls": {"authorise": {"to": "issuer"}}},
        "issuer": {"role": "issuer"},
    },
}
EXPERIMENT = {
    "experiment": "one",
    "load": {"arrivals": "10/s", "warm_up": "0s", "before": "10s", "after": "10s"},
    "faults": [{"id": "down", "target": {"link": "issuer"}, "at": "0s", "for": "5s", "down": {}}],
}
MISFIT = "shop.yaml:7:3: no answer to POST /pay is approved or declined; the first: 404"


class OneChain:
    """As much of a running chain as a drive asks for."""

    own = NothingOwn()
    misfit = ""
    look_every_s = 1.0

    def __init__(self) -> None:
        self.has_stopped = False

    def stop_load(self) -> None:
        self.has_stopped = True

    def heal_all(self) -> list[FaultSwitch]:
        return []

    def switch(self, switch: Switch, planned_ns: int) -> FaultSwitch:
        return FaultSwitch(
            fault=switch.fault.id,
            action="applied" if switch.action == "apply" else "healed",
            planned_ns=planned_ns,
            effective_ns=planned_ns,
            place="link",
            targets=["issuer"],
            error="",
        )


def drive_of(chain: Any) -> tuple[_Drive, ExperimentProgress]:
    declared = Chain.model_validate(CHAIN)
    experiment = Experiment.model_validate(EXPERIMENT)
    conducted = ExperimentProgress(times=experiment.times(0.0))
    return _Drive(chain, declared, experiment, conducted, RunObserver()), conducted


def test_a_load_whose_answers_nobody_understands_ends_at_once() -> None:
    chain = OneChain()
    drive, conducted = drive_of(chain)
    drive.step(int(1e9))
    assert not chain.has_stopped
    chain.misfit = MISFIT
    drive.step(int(2e9))
    assert chain.has_stopped
    assert conducted.times is not None
    assert conducted.times.load_end_s == pytest.approx(2.0)
    facts = facts_of(
        conducted, ChainReport(planned=250), seed=1, command="", begun=ClockStart.now()
    )
    assert facts.planned is None  # what is not offered any more is not missed
    assert conducted.misfit == MISFIT


def test_answers_under_a_fault_do_not_end_a_load() -> None:
    chain = OneChain()
    drive, _ = drive_of(chain)
    drive.step(int(10e9))  # the fault is on
    chain.misfit = MISFIT
    drive.step(int(16e9))  # and off
    assert not chain.has_stopped
