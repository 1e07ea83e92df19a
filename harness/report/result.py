"""result.json: the versioned contract every output renders from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from harness.analysis.measured import (
    Break,
    FallbackMeasure,
    FaultRun,
    HopMeasure,
    Money,
    Phase,
    Recovery,
    Second,
    ToleranceResult,
    Verdict,
)

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


class ExperimentFacts(msgspec.Struct, frozen=True):
    """The experiment that was run."""

    name: str
    title: str
    file: str
    sha256: str
    based_on: str
    time_scale: str


class EngineFacts(msgspec.Struct, frozen=True):
    """Which fault engine stood on the hops."""

    name: str  # "embedded" or "toxiproxy"
    version: str


class LoadFacts(msgspec.Struct, frozen=True):
    """What was to be offered, what was, and what has a record."""

    rate: float  # declared arrivals per second
    planned: int
    offered: int
    recorded: int
    lag_p99_ms: float | None  # spawn behind schedule
    lag_max_ms: float | None


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
    review: list[dict[str, Any]] = []
    environment: dict[str, str] = {}
    command: str = ""  # repeats the run


def write(result: Result, folder: Path) -> Path:
    """Write result.json into a run directory, whole or not at all."""
    path = folder / FILE_NAME
    scratch = path.with_suffix(".tmp")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    scratch.replace(path)
    return path


def read(folder: Path) -> Result:
    """The result of a run directory.

    Raises FileNotFoundError, or msgspec.DecodeError when it is not a result of this version.
    """
    return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=Result)


def json_schema() -> dict[str, Any]:
    """JSON Schema of result.json."""
    return msgspec.json.schema(Result)
