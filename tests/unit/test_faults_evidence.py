"""The engine's events are fetched whole, in order, on the run's clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_toxiproxy import serving

from harness.analysis.store import RunStore
from harness.faults.control import EngineControl, EngineError
from harness.faults.evidence import Evidence
from harness.payments.journal import EngineEvent, decode, encode


class Log:
    """An engine's log that hands out at most two events at a time."""

    def __init__(self, events: int, *, first: int = 1) -> None:
        self.kept = [
            {
                "seq": seq, "at_ns": 1_000 + seq, "kind": "connected", "proxy": "a",
                "connection": seq, "toxic": None, "detail": "",
            }
            for seq in range(first, events + 1)
        ]  # fmt: skip
        self.asked: list[int] = []

    def events(self, after: int) -> dict[str, Any]:
        self.asked.append(after)
        some = [event for event in self.kept if event["seq"] > after][:2]
        dropped = max(0, self.kept[0]["seq"] - 1 - after) if self.kept else 0
        return {"next": some[-1]["seq"] if some else after, "dropped": dropped, "events": some}


def test_every_page_is_fetched_once_and_times_count_from_the_epoch() -> None:
    log = Log(5)
    evidence = Evidence(log, epoch_ns=900)
    assert [(one.seq, one.at_ns) for one in evidence.poll()] == [
        (1, 101), (2, 102), (3, 103), (4, 104), (5, 105),
    ]  # fmt: skip
    assert evidence.poll() == []
    log.kept.append({**log.kept[0], "seq": 6, "connection": None, "toxic": "late_downstream"})
    (last,) = evidence.poll()
    assert (last.seq, last.connection, last.toxic) == (6, None, "late_downstream")
    assert evidence.dropped == 0


def test_events_that_were_thrown_away_are_counted() -> None:
    evidence = Evidence(Log(9, first=4), epoch_ns=0)  # 1, 2 and 3 are gone
    assert [one.seq for one in evidence.poll()] == [4, 5, 6, 7, 8, 9]
    assert evidence.dropped == 3


def test_a_real_server_has_no_events() -> None:
    with serving() as server:
        assert Evidence(EngineControl(server.url), 0).poll() == []


@pytest.mark.parametrize(
    "page", [b"{}", b'{"next":1,"dropped":0,"events":[{}]}', b'{"next":1,"dropped":0,"events":3}']
)
def test_a_page_that_is_none_is_an_engine_error(page: bytes) -> None:
    with serving() as server:
        server.answers["GET /events?after=0"] = (200, page)
        with pytest.raises(EngineError):
            Evidence(EngineControl(server.url), 0).poll()


def test_events_are_kept_in_the_spool_format_and_in_the_store(tmp_path: Path) -> None:
    events = [
        EngineEvent(1, 5, "toxic_hit", "a.pay.b", 7, "late_downstream", ""),
        EngineEvent(2, 6, "reset", "", None, None, ""),
    ]
    assert decode(encode(events))[0] == events
    store = RunStore.create(tmp_path / "run.db")
    store.ingest(events)
    assert list(store.rows(EngineEvent)) == events
    store.close()
