"""When faults were on, also where two of them overlap at one place."""

from __future__ import annotations

import math
from pathlib import Path

from paychain.analysis.measures.windows import windows_of_any
from paychain.analysis.store.store import RunStore
from paychain.payments.journal import FaultSwitch


def switch(fault: str, action: str, at_ns: int, error: str = "") -> FaultSwitch:
    return FaultSwitch(
        fault=fault,
        action=action,
        planned_ns=at_ns,
        effective_ns=at_ns,
        place="hop",
        targets=["a.authorise.b"],
        error=error,
    )


def windows(tmp_path: Path, *switches: FaultSwitch) -> list[tuple[int, float]]:
    store = RunStore.create(tmp_path / "run.db")
    store.ingest(switches)
    found = windows_of_any(store, {"f", "g"})
    store.close()
    return found.get("a.authorise.b", [])


def test_each_of_two_overlapping_faults_ends_by_itself(tmp_path: Path) -> None:
    found = windows(
        tmp_path,
        switch("f", "applied", 100),
        switch("g", "applied", 200),
        switch("f", "healed", 300),
        switch("g", "healed", 400),
    )
    assert found == [(100, 300), (200, 400)]


def test_a_fault_that_is_never_healed_has_no_end(tmp_path: Path) -> None:
    assert windows(tmp_path, switch("f", "applied", 100)) == [(100, math.inf)]


def test_what_failed_and_other_faults_do_not_count(tmp_path: Path) -> None:
    found = windows(
        tmp_path, switch("f", "applied", 100, error="no answer"), switch("other", "applied", 200)
    )
    assert found == []
