"""The customer's side of the record reaches its file whole."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest

from paychain.load.locust import recorder
from paychain.load.locust.recorder import Recorder
from paychain.payments.journal import Decision, DecisionKind, Record
from paychain.payments.journal_frames import decode
from tests.support.waiting import let_pass


def record(payment: str) -> Decision:
    return Decision(
        link="gateway",
        kind=DecisionKind.RETRY,
        at_ns=1,
        payment=payment,
        attempt=1,
        operation="authorise",
        target="a",
        detail="",
    )


def test_what_is_being_written_when_it_is_closed_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Recorder._write
    begun: list[int] = []

    def slowly(self: Recorder, records: list[Record]) -> None:
        begun.append(len(records))
        if len(begun) == 1:
            let_pass(0.2)  # a busy disk, in a thread of its own
        write(self, records)

    monkeypatch.setattr(Recorder, "_write", slowly)
    monkeypatch.setattr(recorder, "FLUSH_S", 0.01)
    made = Recorder(tmp_path / "load.spool")
    made.append(record("p1"))
    while not begun:  # the flusher has taken it
        gevent.sleep(0.001)
    made.append(record("p2"))
    made.close()
    records, _ = decode((tmp_path / "load.spool").read_bytes())
    assert [each.payment for each in records] == ["p1", "p2"]  # type: ignore[union-attr]  # payments only
