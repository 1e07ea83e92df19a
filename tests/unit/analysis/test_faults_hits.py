"""What a fault hit is counted from the engine's events and from what callers met."""

from __future__ import annotations

from pathlib import Path

from paychain.analysis.measures.hits import hop_hits
from paychain.analysis.store.store import RunStore
from paychain.model.experiment import Experiment
from paychain.payments.journal import EngineEvent, FaultSwitch, HopRecord, Record
from paychain.payments.outcome import HopResult

AB, AC = "a.authorise.b", "a.authorise.c"
TARGET = {"link": "b"}
EXPERIMENT = Experiment.model_validate(
    {
        "experiment": "hits",
        "load": {"arrivals": "1/s", "before": "1s", "after": "1s"},
        "faults": [
            {"id": "late", "at": "0s", "for": "1s", "target": TARGET, "latency": {"delay": "1ms"}},
            {"id": "gone", "at": "2s", "for": "1s", "target": TARGET, "down": {}},
            {"id": "shy", "at": "4s", "for": "1s", "target": TARGET, "refuse": {}},
            {"id": "some", "at": "6s", "for": "1s", "target": TARGET, "refuse": {"share": "50%"}},
            {"id": "no", "at": "8s", "for": "1s", "target": TARGET, "decline": {}},
        ],
    }
)


def switched(fault: str, start: int, end: int) -> list[Record]:
    return [
        FaultSwitch(
            fault=fault,
            action="applied",
            planned_ns=start,
            effective_ns=start,
            place="hop",
            targets=[AB],
            error="",
        ),
        FaultSwitch(
            fault=fault,
            action="healed",
            planned_ns=end,
            effective_ns=end,
            place="hop",
            targets=[AB],
            error="",
        ),
    ]


def refused(at: int, callee: str = "b") -> HopRecord:
    return HopRecord(
        payment="p",
        attempt=1,
        span=f"s{at}",
        parent="",
        caller="a",
        operation="authorise",
        callee=callee,
        route=0,
        try_number=1,
        started_ns=at - 1,
        ended_ns=at,
        result=HopResult.REFUSED,
        code="",
    )


def event(
    seq: int,
    at: int,
    kind: str,
    connection: int | None,
    toxic: str | None = None,
    detail: str = "",
    proxy: str = AB,
) -> EngineEvent:
    return EngineEvent(
        seq=seq, at_ns=at, kind=kind, proxy=proxy, connection=connection, toxic=toxic, detail=detail
    )


def hits(folder: Path, records: list[Record]) -> dict[str, int]:
    store = RunStore.create(folder / "run.db")
    try:
        store.ingest(records)
        return hop_hits(store, EXPERIMENT)
    finally:
        store.close()


def test_connections_are_counted_once_for_each_fault(tmp_path: Path) -> None:
    assert hits(
        tmp_path,
        [
            *switched("late", 0, 10),
            event(1, 1, "toxic_hit", 1, "late_downstream"),
            event(2, 2, "toxic_hit", 1, "late_upstream"),  # the same connection again
            event(3, 2, "toxic_hit", 1, "late_downstream", proxy=AC),
            event(4, 3, "toxic_hit", 2, "other_downstream"),  # put on by somebody else
            event(5, 4, "refused", 3, "some_downstream"),
        ],
    ) == {"late": 2, "gone": 0, "shy": 0, "some": 1}


def test_a_stopped_proxy_hit_what_it_cut_and_what_it_refused(tmp_path: Path) -> None:
    cut = "proxy stopped; 0 B up, 0 B down"
    assert hits(
        tmp_path,
        [
            *switched("gone", 100, 200),
            *switched("shy", 300, 400),
            event(1, 101, "closed", 1, detail=cut),
            event(2, 102, "closed", 2, detail=cut),
            event(3, 150, "closed", 3, detail="ended; 0 B up, 0 B down"),  # by itself
            event(4, 101, "closed", 1, detail=cut, proxy=AC),  # not a target
            event(5, 900, "closed", 4, detail=cut),  # the end of the run
            refused(150),
            refused(250),
            refused(160, "c"),
            refused(390),
        ],
    ) == {"late": 0, "gone": 3, "shy": 1, "some": 0}


def test_an_engine_without_events_cannot_say(tmp_path: Path) -> None:
    assert hits(tmp_path, [*switched("gone", 100, 200), refused(150)]) == {}
