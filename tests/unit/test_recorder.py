"""The customer's side of the record reaches its file whole."""

from __future__ import annotations

import time
from pathlib import Path

import gevent
import pytest

from harness.load import recorder
from harness.load.recorder import Recorder
from harness.payments.journal import Decision, DecisionKind, Record, decode


def record(payment: str) -> Decision:
    return Decision("gateway", DecisionKind.RETRY, 1, payment, 1, "authorise", "a", "")


def test_what_is_being_written_when_it_is_closed_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Recorder._write
    begun: list[int] = []

    def slowly(self: Recorder, records: list[Record]) -> None:
        begun.append(len(records))
        if len(begun) == 1:
            time.sleep(0.2)  # a busy disk, in a thread of its own
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
    assert [one.payment for one in records] == ["p1", "p2"]  # type: ignore[union-attr]
