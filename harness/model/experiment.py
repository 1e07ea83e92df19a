"""Load, faults on a timeline, tolerances."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.model.assurance import Assurance
from harness.model.chain import Name
from harness.model.fault import Fault
from harness.model.load import Load
from harness.model.schema import Declared
from harness.model.stop import StopWhen
from harness.model.tolerance import Tolerances


class Experiment(Declared):
    """One experiment. `time_scale` says how an outage's clock was compressed; it is only stated."""

    experiment: Name
    title: str = ""
    based_on: str = ""
    time_scale: Annotated[str, Field(pattern=r"^1(/[1-9]\d{0,6})?$")] = "1"
    load: Load
    faults: Annotated[list[Fault], Field(max_length=1_000)] = []
    tolerances: Tolerances = Tolerances()
    stop_when: StopWhen = []
    assurance: Assurance = Assurance()

    @property
    def faults_last(self) -> float:
        """Seconds from the first moment of the fault timeline until the last heal."""
        return max((fault.at + fault.lasts for fault in self.faults), default=0.0)

    @property
    def load_lasts(self) -> float:
        """Seconds of load, warm-up included."""
        return self.load.warm_up + self.load.before + self.faults_last + self.load.after

    def moments(self, start_s: float) -> dict[str, float]:
        """When its stages begin, for a load that starts at `start_s`."""
        before_s = start_s + self.load.warm_up
        return {
            "load_start_s": start_s,
            "before_start_s": before_s,
            "faults_start_s": before_s + self.load.before,
            "load_end_s": start_s + self.load_lasts,
        }
