"""Load, faults on a timeline, tolerances."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from paychain.declaration.quantity import Span
from paychain.declaration.schema import Declared, Line
from paychain.faults.fault import Fault
from paychain.model.assurance import Assurance
from paychain.model.chain import Name
from paychain.model.load import Load
from paychain.model.scripts import MAX_SCRIPTS, Script
from paychain.model.stop import StopWhen
from paychain.model.tolerance import Tolerances

MIN_PROCESSES, MAX_PROCESSES = 2, 64  # one for the links, one for the fault engine
# Processes that run the links and the proxies before them.
NumberOfProcesses = Annotated[int, Field(ge=MIN_PROCESSES, le=MAX_PROCESSES)] | Literal["auto"]
MAX_FAULTS = 1_000  # of one experiment, each window of a recurring one counted


@dataclass(frozen=True, kw_only=True)
class Times:
    """When the stages of a run begin, in seconds on its clock."""

    load_start_s: float
    before_start_s: float  # the end of the warm-up
    faults_start_s: float
    load_end_s: float

    def cut_short(self, at_s: float) -> Times:
        """The same, for a load that was ended `at_s` seconds after its start."""
        return replace(self, load_end_s=self.load_start_s + at_s)


class Experiment(Declared):
    """One experiment. `time_scale` says how an outage's clock was compressed; it is only stated."""

    experiment: Name
    title: Line = ""
    based_on: Line = ""
    time_scale: Annotated[str, Field(pattern=r"^1(/[1-9]\d{0,6})?$")] = "1"
    load: Load
    # how long the chain may take after the load to come to rest; the chain says it without this
    settles_within: Span | None = None
    processes: NumberOfProcesses = MIN_PROCESSES
    faults: Annotated[list[Fault], Field(max_length=MAX_FAULTS)] = []
    scripts: Annotated[list[Script], Field(max_length=MAX_SCRIPTS)] = []
    tolerances: Tolerances = Tolerances()
    stop_when: StopWhen = []
    assurance: Assurance = Assurance()

    @property
    def faults_last(self) -> float:
        """Seconds from the first moment of the fault timeline until the last heal."""
        return max((fault.ends for fault in self.faults), default=0.0)

    @property
    def load_lasts(self) -> float:
        """Seconds of load, warm-up included."""
        return self.load.warm_up + self.load.before + self.faults_last + self.load.after

    def with_ids(self) -> Experiment:
        """The same with an id for every fault and script.

        Each time that a fault comes back is a fault of its own: only then does it come back.
        """
        faults = [
            each
            for number, fault in enumerate(self.faults)
            for each in fault.as_number(number).occurrences()
        ]
        scripts = [script.as_number(number) for number, script in enumerate(self.scripts)]
        return self.model_copy(update={"faults": faults, "scripts": scripts})

    def times(self, start_s: float) -> Times:
        """When its stages begin, for a load that starts at `start_s`."""
        before_s = start_s + self.load.warm_up
        return Times(
            load_start_s=start_s,
            before_start_s=before_s,
            faults_start_s=before_s + self.load.before,
            load_end_s=start_s + self.load_lasts,
        )
