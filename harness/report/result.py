"""result.json: the versioned contract every output renders from.

Its JSON Schema is committed beside this module; a field that is added needs a default, so that
older results stay readable, and anything else needs a new version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.analysis.compare import Comparison
from harness.analysis.measured import (
    Break,
    FallbackMeasure,
    FaultRun,
    HopMeasure,
    Money,
    Phase,
    Recovery,
    Risk,
    Second,
    StoodStill,
    Stopped,
    ToleranceResult,
    Verdict,
)
from harness.model.review import ReviewFinding
from harness.payments.errors import UserError

SCHEMA = "paychain/result/v1"
FILE_NAME = "result.json"


class LinkNode(msgspec.Struct, frozen=True):
    """A link as the chain map draws it."""

    name: str
    role: str
    provider: str
    title: str


class CallEdge(msgspec.Struct, frozen=True):
    """A possible hop as the chain map draws it; route 0 is the declared target."""

    caller: str
    operation: str
    callee: str
    route: int


class DeclaredFallback(msgspec.Struct, frozen=True):
    """What a call may fall back on, used or not."""

    call: str  # gateway.authorise
    kind: str  # failover, skip, exempt, decline, retry
    to: str  # failover or retry target, "" otherwise


class ChainFacts(msgspec.Struct, frozen=True):
    """The chain that was run."""

    name: str
    title: str
    file: str
    sha256: str
    currency: str
    entry: str
    deadline_ms: float
    links: list[LinkNode]
    edges: list[CallEdge]
    providers: dict[str, str]  # name -> kind
    fallbacks: list[DeclaredFallback] = []


class ExperimentFacts(msgspec.Struct, frozen=True):
    """The experiment that was run."""

    name: str
    title: str
    file: str
    sha256: str
    based_on: str
    time_scale: str
    stop_when: list[str] = []  # conditions that would have stopped it early


class EngineFacts(msgspec.Struct, frozen=True):
    """Which fault engine stood on the hops."""

    name: str  # "embedded" or "toxiproxy"
    version: str


class WorkerFacts(msgspec.Struct, frozen=True):
    """One of several load processes, and its share of the payments."""

    name: str
    planned: int  # of users who set the pace: what they started
    started: int  # as it last said, or as its records show
    recorded: int
    missing: int  # planned, and without a record here
    lag_p99_ms: float | None
    lag_max_ms: float | None
    clock_offset_ms: float | None  # its clock minus the master's; its records were moved by it
    clock_within_ms: float | None  # how far the true offset can be from that
    clock_drift_ms: float | None  # how far the offset had changed when last measured
    clock_drift_within_ms: float | None  # a drift less than this may be none
    lost: str = ""  # why it was given up


class LoadFacts(msgspec.Struct, frozen=True):
    """What was to be offered, what was, and what has a record."""

    rate: float  # payments per second of load, on average: planned, or offered by users
    planned: int | None  # None: nobody knew, as users set the pace
    offered: int
    recorded: int
    lag_p99_ms: float | None  # spawn behind schedule; None: users have none
    lag_max_ms: float | None
    arrivals: str = ""  # as declared, in words: "40/s, evenly spaced"
    workers: list[WorkerFacts] = []  # none: one process made every payment
    users: int = 0  # of a closed model; 0: payments arrived whatever the chain did
    hides: str = ""  # what figures taken under this load do not show


class HostFacts(msgspec.Struct, frozen=True):
    """A machine that ran some of the links. Its records are put on this machine's clock."""

    name: str
    address: str
    links: list[str]
    clock_offset_ms: float  # its clock minus this machine's, when the run began
    clock_within_ms: float  # it may be off by so much
    clock_drift_ms: float | None = None  # how far the clocks went apart until the end
    hops: list[str] = []  # whose proxies were on its fault engine; all others on this machine's


class Moment(msgspec.Struct, frozen=True):
    """One thing that happened to a payment, in the row of one link."""

    at_ms: float  # since the payment's intended start
    kind: Literal["call", "money", "decision", "told"]
    link: str  # the callee of a call, the book's link, who decided; "customer"
    text: str
    is_bad: bool
    until_ms: float | None = None  # a call lasts
    amount: int = 0  # minor units: held by a movement when positive, freed when negative


class Story(msgspec.Struct, frozen=True):
    """One payment from its intended start to its last movement, on one time line."""

    payment: str
    why: str  # the rule it broke, or where it broke
    text: str  # what was found
    amount: int
    card: str  # first six and last four digits only
    told: str  # what the customer saw
    moments: list[Moment]
    left_out: int = 0  # moments past the limit


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One run, judged."""

    schema: str = SCHEMA
    run_id: str
    verdict: Verdict
    reasons: list[str]  # plain sentences, worst first
    chain: ChainFacts
    experiment: ExperimentFacts
    seed: int
    virtual: bool
    started_at: str  # ISO 8601 UTC
    ended_at: str
    engine: EngineFacts
    load: LoadFacts
    phases: list[Phase]
    faults: list[FaultRun]
    tolerances: list[ToleranceResult]
    breaks: list[Break]
    hops: list[HopMeasure]
    fallbacks: list[FallbackMeasure]
    recovery: Recovery
    money: Money
    seconds: list[Second]
    review: list[ReviewFinding] = []  # what the declaration alone says
    environment: dict[str, str] = {}
    command: str = ""  # repeats the run
    comparison: Comparison | None = None  # with a baseline, when one was given
    assurance: dict[str, Any] = {}  # as declared: who tested what and why
    risks: list[Risk] = []  # approvals with something missing
    compression: float | None = None  # of a virtual run: its seconds in one second of real time
    hosts: list[HostFacts] = []  # other machines that ran links
    stopped: Stopped | None = None  # before its end, by a condition of the experiment
    stood_still: list[StoodStill] = []  # processes of the run's own that did, the worst first
    stories: list[Story] = []  # of payments that broke or broke a money rule


def write(result: Result, folder: Path) -> Path:
    """Write result.json into a run directory, whole or not at all."""
    path = folder / FILE_NAME
    scratch = path.with_suffix(".tmp")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    scratch.replace(path)
    return path


def read(folder: Path) -> Result:
    """The result of a run directory. Raises UserError when there is none of this version."""
    try:
        data = (folder / FILE_NAME).read_bytes()
    except OSError:
        raise UserError(f"no {FILE_NAME} in {folder}", mend="name a run directory") from None
    try:
        schema = msgspec.json.decode(data, type=_Named).schema
        if schema != SCHEMA:
            raise UserError(
                f"{folder / FILE_NAME} is of version '{schema}', this paychain reads '{SCHEMA}'",
                mend="use the paychain that wrote it, or a newer one",
            )
        return msgspec.json.decode(data, type=Result)
    except msgspec.MsgspecError as error:
        raise UserError(f"{folder / FILE_NAME} is not a run's result: {error}") from None


class _Named(msgspec.Struct):
    schema: str


def json_schema() -> dict[str, Any]:
    """JSON Schema of result.json. `harness/report/result.schema.json` is a copy of it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(Result),
    }
