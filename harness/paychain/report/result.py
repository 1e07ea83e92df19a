"""result.json: the versioned contract that every output renders from.

Its JSON Schema is committed beside this module. A new field needs a default, so that older results
stay readable; any other change needs a new schema version.
"""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal

import msgspec

from paychain.analysis.comparison import Comparison
from paychain.analysis.measures.measures import (
    Break,
    FallbackMeasure,
    FaultRun,
    HopMeasure,
    LatencyBin,
    MoneyMeasure,
    Phase,
    Recovery,
    Risk,
    Second,
    StallFacts,
    Stopped,
    ToleranceResult,
    Verdict,
)
from paychain.analysis.measures.own_services import OwnServiceMeasures
from paychain.analysis.measures.scripts import ScriptRun
from paychain.analysis.store.facts import EngineFacts, HostFacts, ServiceFacts, WorkerFacts
from paychain.declaration.reading import read_bounded
from paychain.model.review import ReviewFinding
from paychain.payments.errors import UserError
from paychain.processes.files import write_atomically

SCHEMA = "paychain/result/v2"
FILE_NAME = "result.json"
MAX_BYTES = 200_000_000  # a day of a busy chain has some 20 MB


class LinkNode(msgspec.Struct, frozen=True):
    """A link as the chain map draws it."""

    name: str
    role: str
    provider: str  # the first that it names; "" for none
    title: str
    is_own: bool = False  # the user's process, no mock
    providers: list[str] = []  # all that it names

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Every provider that it names; a result of an earlier version has one."""
        return tuple(self.providers or [self.provider] * bool(self.provider))


class CallEdge(msgspec.Struct, frozen=True):
    """A possible hop as the chain map draws it; route 0 is the declared target."""

    caller: str
    operation: str
    callee: str
    route: int


class DeclaredFallback(msgspec.Struct, frozen=True):
    """A fallback that a call declares, whether it was used or not."""

    call: str  # gateway.authorise
    kind: str  # failover, skip, exempt, decline, retry
    to: str  # failover or retry target, "" otherwise


class ChainFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The chain that was run."""

    name: str
    title: str
    file: str
    sha256: str
    currency: str
    entries: list[str]  # the links that customers pay at
    deadline_ms: float
    links: list[LinkNode]
    edges: list[CallEdge]
    providers: dict[str, str]  # name -> kind
    fallbacks: list[DeclaredFallback] = []
    front: str = ""  # a sentence: that something single stands in front of many nodes


class ExperimentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The experiment that was run."""

    name: str
    title: str
    file: str
    sha256: str
    based_on: str
    time_scale: str
    replay: str = ""  # the file of recorded payments, "" without one
    replay_sha256: str = ""
    stop_when: list[str] = []  # conditions that stop the run early, as declared


class LoadFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The payments that were planned, offered and recorded."""

    rate: float  # payments per second, averaged over the load: planned, or offered by users
    planned: int | None  # None: unknown in advance, because users set the pace
    offered: int
    recorded: int
    lag_p99_ms: float | None  # start behind schedule; None with users, who have no schedule
    lag_max_ms: float | None
    arrivals: str = ""  # as declared, in words: "40/s, evenly spaced"
    workers: list[WorkerFacts] = []  # empty when one process made every payment
    users: int = 0  # of a closed model; 0: payments arrived at a rate the chain could not slow
    caveat: str = ""  # what figures taken under this load do not show


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a payment, in the row of one link."""

    at_ms: float  # since the payment's intended start
    kind: Literal["call", "money", "decision", "customer"]
    link: str  # the callee, the link whose book it is, or the link that decided; "customer"
    text: str
    is_bad: bool
    until_ms: float | None = None  # when a call ended
    amount: int = 0  # minor units: positive when a movement holds money, negative when it frees it


class PaymentTimeline(msgspec.Struct, frozen=True, kw_only=True):
    """One payment, from its intended start to its last movement."""

    payment: str
    why: str  # why it is shown: the rule it broke, or where it broke
    text: str  # the finding or the failure
    amount: int  # minor units
    card: str  # first six and last four digits only
    customer_saw: str  # "approved", "declined 51", "error", "no answer"
    events: list[TimelineEvent]
    omitted: int = 0  # events past the limit


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One run: what was run, what was measured, and the verdict."""

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
    money: MoneyMeasure
    seconds: list[Second]
    review: list[ReviewFinding] = []  # findings in the declaration, independent of the run
    environment: dict[str, str] = {}
    command: str = ""  # reproduces the run
    comparison: Comparison | None = None  # with a baseline, if one was given
    assurance: dict[str, Any] = {}  # as declared: who tested what, and why
    risks: list[Risk] = []  # approvals that lack something
    latencies: list[LatencyBin] = []  # over time, each of enough payments to judge
    compression: float | None = None  # virtual seconds per second of real time
    hosts: list[HostFacts] = []  # other machines that ran links
    services: list[ServiceFacts] = []  # links that were the user's processes
    stopped: Stopped | None = None  # the stop_when condition that ended the run early
    # What the user's own services really did.
    own_services: OwnServiceMeasures = OwnServiceMeasures()
    stalls: list[StallFacts] = []  # the run's own processes that stalled, worst first
    scripts: list[ScriptRun] = []  # failure scripts, and what each of their steps met
    timelines: list[PaymentTimeline] = []  # payments that broke, or that broke a money rule


def write(result: Result, folder: Path) -> Path:
    """Write result.json into a run directory, atomically. Returns its path."""
    path = folder / FILE_NAME
    write_atomically(path, msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    return path


def read(folder: Path) -> Result:
    """Read the result of a run directory.

    Raises UserError when there is none, or when its schema version is another one.
    """
    try:
        data = read_bounded(folder / FILE_NAME, MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"no {FILE_NAME} in {folder}", hint="name a run directory") from None
    except OSError as error:
        raise UserError(f"{folder / FILE_NAME} cannot be read: {error.strerror}") from None
    try:
        schema = msgspec.json.decode(data, type=_Versioned).schema
        if schema != SCHEMA:
            raise UserError(
                f"{folder / FILE_NAME} has schema '{schema}'; this version reads '{SCHEMA}'",
                hint="use the version of paychain that wrote it",
            )
        return msgspec.json.decode(data, type=Result)
    except msgspec.MsgspecError as error:
        raise UserError(f"{folder / FILE_NAME} is not a valid result: {error}") from None


class _Versioned(msgspec.Struct):
    schema: str


def json_schema() -> dict[str, Any]:
    """The JSON Schema of result.json; `result.schema.json` beside this module is a copy of it."""
    schema = msgspec.json.schema(Result)
    # Some versions of msgspec leave the indentation of docstrings in their text.
    for kind in schema["$defs"].values():
        if "description" in kind:
            kind["description"] = cleandoc(kind["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:paychain:schema:result",
        **schema,
    }
