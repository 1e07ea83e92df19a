"""run.db gives back what was put into it: by kind and payment by payment."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.analysis.store import RunStore, SpoolReader, Story
from harness.payments.journal import (
    Decision,
    DecisionKind,
    FaultSwitch,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
    encode,
)
from harness.payments.outcome import HopResult, Outcome


def payment(name: str, error: HopResult | None = None) -> PaymentRecord:
    return PaymentRecord(
        name, 1, 2, 3_000_000_000_000, Outcome.APPROVED, False, "00", "approved", 1_000, "EUR",
        "visa", "424242…4242", 'O\'Neil "& Söhne"', "issuer", error, True,
    )  # fmt: skip


def hop(name: str, span: str = "s1") -> HopRecord:
    return HopRecord(
        name, 1, span, "", "gateway", "authorise", "processor-a", 0, 1, 5, 6,
        HopResult.HTTP_ERROR, "",
    )  # fmt: skip


def moved(name: str) -> Movement:
    return Movement("issuer", name, 1, MovementKind.AUTHORISED, 1_000, "EUR", "r1", 7, "issuer")


def decided(name: str) -> Decision:
    return Decision("gateway", DecisionKind.FAILOVER, 8, name, 1, "authorise", "processor-b", "")


SWITCH = FaultSwitch("down-1", "applied", 1, 2, "hop", ["a -> b", "c -> d"], "")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.create(tmp_path / "run.db")


def test_every_kind_of_record_comes_back_as_it_was(store: RunStore) -> None:
    records: list[Record] = [
        payment("p1", HopResult.RESET), hop("p1"), moved("p1"), decided("p1"), SWITCH
    ]  # fmt: skip
    store.ingest(records)
    kinds = (PaymentRecord, HopRecord, Movement, Decision, FaultSwitch)
    assert [one for kind in kinds for one in store.rows(kind)] == records


def test_a_story_has_all_records_of_its_payment_and_no_others(store: RunStore) -> None:
    store.ingest([hop("p2"), hop("p1", "s1"), payment("p1"), decided("p2"), hop("p1", "s2")])
    store.ingest([moved("p1"), payment("p2"), moved("p1")])
    stories = list(store.stories())
    assert stories == [
        Story("p1", payment("p1"), [hop("p1", "s1"), hop("p1", "s2")], [moved("p1")] * 2, []),
        Story("p2", payment("p2"), [hop("p2")], [], [decided("p2")]),
    ]
    assert store.story("p2") == stories[1]


def test_money_moved_for_a_payment_nobody_made_has_a_story(store: RunStore) -> None:
    store.ingest([payment("p2"), moved("p1")])
    assert [(one.payment, one.customer is None) for one in store.stories()] == [
        ("p1", True), ("p2", False)
    ]  # fmt: skip


def test_what_concerns_no_payment_is_in_no_story(store: RunStore) -> None:
    store.ingest([decided(""), payment("p1")])
    assert [one.payment for one in store.stories()] == ["p1"]


def test_a_payment_that_is_not_there_has_an_empty_story(store: RunStore) -> None:
    assert store.story("p9") == Story("p9", None, [], [], [])


def test_a_closed_store_is_one_file_that_still_tells_every_story(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run.db")
    store.set_meta("planned", 1)
    store.ingest([payment("p1"), hop("p1")])
    told = list(store.stories())
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]
    again = RunStore.open(tmp_path / "run.db")
    assert list(again.stories()) == told
    assert again.meta("planned") == 1


def test_a_spool_is_read_in_pieces_without_losing_a_record(tmp_path: Path) -> None:
    path = tmp_path / "load.spool"
    whole = encode([hop(f"p{number}") for number in range(20)])
    path.write_bytes(whole[:-5])  # the last record is half written
    reader = SpoolReader(path)
    assert len(reader.read()) == 19
    assert reader.read() == []
    path.write_bytes(whole)
    assert reader.read() == [hop("p19")]


def test_a_damaged_spool_keeps_what_was_read_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "load.spool"
    path.write_bytes(encode([hop("p1")]) + b"\x00\x00\x00\x02\xc1\xc1" + encode([hop("p2")]))
    reader = SpoolReader(path)
    assert reader.read() == [hop("p1")]
    assert reader.read() == []
    assert reader.error.startswith("load.spool: ")
