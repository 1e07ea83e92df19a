"""Everything a run knows of itself that is not a record: kept in run.db as one value.

With the records and the two files under `inputs/`, these facts are all it takes to judge a run
again.
"""

from __future__ import annotations

import msgspec

from paychain.analysis.measures.measures import Stopped
from paychain.model.experiment import Times


class EngineFacts(msgspec.Struct, frozen=True):
    """The fault engine that carried the hops."""

    name: str  # "embedded" or "toxiproxy"
    version: str


class WorkerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One of several load processes, and its share of the payments."""

    name: str
    planned: int  # with users, who set the pace: the number it started
    started: int  # by its last report, or by its records when those show more
    recorded: int
    missing: int  # planned payments that have no record
    lag_p99_ms: float | None
    lag_max_ms: float | None
    clock_offset_ms: float | None  # its clock minus the master's; its records are corrected by it
    clock_uncertainty_ms: float | None  # the true offset is within this of the measured one
    clock_drift_ms: float | None  # change of the offset up to the last measurement
    clock_drift_uncertainty_ms: float | None  # a smaller drift may be no drift at all
    lost: str = ""  # why the worker was given up; empty when it was not


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Another machine that ran some links. Its records are converted to this machine's clock."""

    name: str
    address: str
    links: list[str]
    clock_offset_ms: float  # its clock minus this machine's, when the run began
    clock_uncertainty_ms: float  # the true offset is within this of the measured one
    clock_drift_ms: float | None = None  # change of the offset by the end of the run
    hops: list[str] = []  # hops proxied by its fault engine; all others are proxied here


class ServiceFailure(msgspec.Struct, frozen=True, kw_only=True):
    """An own service ended by itself, or did not come back after a crash: the run fails."""

    at_s: float  # since the start of the load; below 0 before it
    what: str  # "ended with exit code 139"
    lines: list[str] = []  # the last of its output, card numbers masked


class ServiceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A link that was the user's process. `form`: its command, its URL or its application."""

    name: str
    form: str
    log: str = ""  # file of its output within the run's folder; "": it is not ours
    failures: list[ServiceFailure] = []

    @property
    def sentences(self) -> list[str]:
        """What it did by itself that fails the run: `shop ended with exit code 139 at 12.3 s`."""
        return [f"{self.name} {failure.what} at {failure.at_s:.1f} s" for failure in self.failures]


NO_ENGINE = EngineFacts("none", "")


class KeptFile(msgspec.Struct, frozen=True):
    """A file that was run: its name in the run's folder `inputs`, and its digest."""

    name: str
    sha256: str


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run before it begins: enough to judge it when its process is killed."""

    chain: str  # names of the user's files, and the folders in which they lay
    experiment: str
    chain_home: str
    experiment_home: str
    # By what they are: "chain", "experiment", "replay", and classes by the file that declares them.
    inputs: dict[str, KeptFile] = {}
    names: dict[str, str] = {}  # what the chain calls what the experiment names
    seed: int
    command: str
    started_at: str  # ISO 8601 UTC
    virtual: bool = False


NOT_UNDERSTOOD = "no answer to a customer was understood"


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run knows of itself. Seconds are on the run's own clock unless a name says more."""

    times: Times
    seed: int
    command: str = ""  # repeats the run
    started_at: str = ""  # ISO 8601 UTC
    ended_at: str = ""
    virtual: bool = False
    compression: float | None = None  # of a virtual run: its seconds in one second of real time
    planned: int | None = 0  # payments; None: users set the pace
    offered: int | None = None  # payments that were really started; None: unknown
    drained_s: float | None = None  # when all was final; None: the run did not get there
    pending: list[str] = []  # payments that were still in progress when the drain ended
    collecting: list[str] = []  # those of them that waited only for captures
    stopped: Stopped | None = None  # by a condition of the experiment
    fault_hits: dict[str, int] | None = None  # requests by in-link fault; None: unknown
    engine: EngineFacts = NO_ENGINE
    engine_events_dropped: int = 0  # by the engine's log, before they were collected
    workers: list[WorkerFacts] = []  # none: one process made every payment
    hosts: list[HostFacts] = []
    services: list[ServiceFacts] = []  # links that were the user's processes
    problems: list[str] = []  # what went wrong with the harness itself, in plain sentences
    incomplete: list[str] = []  # journals with records missing, in sentences: no money is judged
    misfit: str = ""  # why no answer to a customer is understood: nothing else is judged then
    interrupted: bool = False
