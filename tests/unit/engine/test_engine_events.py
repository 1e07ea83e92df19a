"""The engine's events are fetched whole, in order, on the run's clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.analysis.store.store import RunStore
from paychain.engine.control import EngineControl
from paychain.engine.errors import EngineError
from paychain.engine.events import EngineEvents
from paychain.payments.journal import EngineEvent
from paychain.payments.journal_frames import decode, encode
from tests.support.fake_toxiproxy import serving


class Log:
    """An engine's log that hands out at most two events at a time."""

    def __init__(self, events: int, *, first: int = 1) -> None:
        self.kept = [
            {
                "seq": seq,
                "at_ns": 1_000 + seq,
                "kind": "connected",
                "proxy": "a",
                "connection": seq,
                "toxic": None,
                "detail": "",
            }
            for seq in range(first, events + 1)
        ]
        self.asked: list[int] = []

    def events(self, after: int) -> dict[str, Any]:
        self.asked.append(after)
        some = [event for event in self.kept if event["seq"] > after][:2]
        dropped = max(0, self.kept[0]["seq"] - 1 - after) if self.kept else 0
        return {"next": some[-1]["seq"] if some else after, "dropped": dropped, "events": some}


def test_every_page_is_fetched_once_and_times_count_from_the_epoch() -> None:
    log = Log(5)
    evidence = EngineEvents(log, epoch_ns=900)
    assert [(each.seq, each.at_ns) for each in evidence.poll()] == [
        (1, 101),
        (2, 102),
        (3, 103),
        (4, 104),
        (5, 105),
    ]
    assert evidence.poll() == []
    log.kept.append({**log.kept[0], "seq": 6, "connection": None, "toxic": "late_downstream"})
    (last,) = evidence.poll()
    assert (last.seq, last.connection, last.toxic) == (6, None, "late_downstream")
    assert evidence.dropped == 0


def test_events_that_were_thrown_away_are_counted() -> None:
    evidence = EngineEvents(Log(9, first=4), epoch_ns=0)  # 1, 2 and 3 are gone
    assert [each.seq for each in evidence.poll()] == [4, 5, 6, 7, 8, 9]
    assert evidence.dropped == 3


def test_a_real_server_has_no_events() -> None:
    with serving() as server:
        assert EngineEvents(EngineControl(server.url), 0).poll() == []


@pytest.mark.parametrize(
    "page", [b"{}", b'{"next":1,"dropped":0,"events":[{}]}', b'{"next":1,"dropped":0,"events":3}']
)
def test_a_page_that_is_none_is_an_engine_error(page: bytes) -> None:
    with serving() as server:
        server.answers["GET /events?after=0"] = (200, page)
        with pytest.raises(EngineError):
            EngineEvents(EngineControl(server.url), 0).poll()


def test_events_are_kept_in_the_spool_format_and_in_the_store(tmp_path: Path) -> None:
    events = [
        EngineEvent(
            seq=1,
            at_ns=5,
            kind="toxic_hit",
            proxy="a.pay.b",
            connection=7,
            toxic="late_downstream",
            detail="",
        ),
        EngineEvent(seq=2, at_ns=6, kind="reset", proxy="", connection=None, toxic=None, detail=""),
    ]
    assert decode(encode(events))[0] == events
    store = RunStore.create(tmp_path / "run.db")
    store.ingest(events)
    assert list(store.rows(EngineEvent)) == events
    store.close()
