"""run.db gives back what was put into it: by kind and payment by payment."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from paychain.analysis.money.findings import money
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile
from paychain.analysis.store import store as store_module
from paychain.analysis.store.queries import last_done
from paychain.analysis.store.spool import SpoolReader
from paychain.analysis.store.store import RecordedPayment, RunStore
from paychain.model.experiment import Times
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    FaultSwitch,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from paychain.payments.journal_frames import encode
from paychain.payments.outcome import HopResult, Outcome
from paychain.payments.rules import RULES
from tests.support.recorded import CHAIN, Recorded, ns


def payment(name: str, error: HopResult | None = None) -> PaymentRecord:
    return PaymentRecord(
        payment=name,
        intended_ns=1,
        started_ns=2,
        ended_ns=3_000_000_000_000,
        outcome=Outcome.APPROVED,
        technical=False,
        code="00",
        shown="approved",
        amount_minor=1_000,
        currency="EUR",
        scheme="visa",
        instrument="424242…4242",
        merchant='O\'Neil "& Söhne"',
        decided_by="issuer",
        error=error,
        warm_up=True,
    )


def hop(name: str, span: str = "s1") -> HopRecord:
    return HopRecord(
        payment=name,
        attempt=1,
        span=span,
        parent="",
        caller="gateway",
        operation="authorise",
        callee="processor-a",
        route=0,
        try_number=1,
        started_ns=5,
        ended_ns=6,
        result=HopResult.HTTP_ERROR,
        code="",
    )


def moved(name: str) -> Movement:
    return Movement(
        link="issuer",
        payment=name,
        attempt=1,
        kind=MovementKind.AUTHORISED,
        amount_minor=1_000,
        currency="EUR",
        reference="r1",
        at_ns=7,
        decided_by="issuer",
    )


def decided(name: str) -> Decision:
    return Decision(
        link="gateway",
        kind=DecisionKind.FAILOVER,
        at_ns=8,
        payment=name,
        attempt=1,
        operation="authorise",
        target="processor-b",
        detail="",
    )


SWITCH = FaultSwitch(
    fault="down-1",
    action="applied",
    planned_ns=1,
    effective_ns=2,
    place="hop",
    targets=["a -> b", "c -> d"],
    error="",
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.create(tmp_path / "run.db")


def test_every_kind_of_record_comes_back_as_it_was(store: RunStore) -> None:
    records: list[Record] = [
        payment("p1", HopResult.RESET),
        hop("p1"),
        moved("p1"),
        decided("p1"),
        SWITCH,
    ]
    store.ingest(records)
    kinds = (PaymentRecord, HopRecord, Movement, Decision, FaultSwitch)
    assert [row for kind in kinds for row in store.rows(kind)] == records


def test_a_story_has_all_records_of_its_payment_and_no_others(store: RunStore) -> None:
    store.ingest([hop("p2"), hop("p1", "s1"), payment("p1"), decided("p2"), hop("p1", "s2")])
    store.ingest([moved("p1"), payment("p2"), moved("p1")])
    stories = list(store.stories())
    assert stories == [
        RecordedPayment(
            "p1", payment("p1"), [hop("p1", "s1"), hop("p1", "s2")], [moved("p1")] * 2, []
        ),
        RecordedPayment("p2", payment("p2"), [hop("p2")], [], [decided("p2")]),
    ]
    assert store.story("p2") == stories[1]


def test_money_moved_for_a_payment_nobody_made_has_a_story(store: RunStore) -> None:
    store.ingest([payment("p2"), moved("p1")])
    assert [(story.payment, story.customer is None) for story in store.stories()] == [
        ("p1", True),
        ("p2", False),
    ]


def test_what_concerns_no_payment_is_in_no_story(store: RunStore) -> None:
    store.ingest([decided(""), payment("p1")])
    assert [story.payment for story in store.stories()] == ["p1"]


def test_a_payment_that_is_not_there_has_an_empty_story(store: RunStore) -> None:
    assert store.story("p9") == RecordedPayment("p9", None, [], [], [])


def test_a_closed_store_is_one_file_that_still_holds_every_story(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run.db")
    store.write_facts(Recorded(planned=1).facts())
    store.ingest([payment("p1"), hop("p1")])
    stories = list(store.stories())
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]
    again = RunStore.open(tmp_path / "run.db")
    assert list(again.stories()) == stories
    assert again.facts() == Recorded(planned=1).facts()


def test_a_spool_is_read_in_pieces_without_losing_a_record(tmp_path: Path) -> None:
    path = tmp_path / "load.spool"
    whole = encode([hop(f"p{number}") for number in range(20)])
    path.write_bytes(whole[:-5])  # the last record is half written
    reader = SpoolReader(path)
    assert len(reader.read()) == 19
    assert reader.read() == []
    path.write_bytes(whole)
    assert reader.read() == [hop("p19")]


def test_a_damaged_spool_keeps_what_was_read_and_reports_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "load.spool"
    path.write_bytes(encode([hop("p1")]) + b"\x00\x00\x00\x02\xc1\xc1" + encode([hop("p2")]))
    reader = SpoolReader(path)
    assert reader.read() == [hop("p1")]
    assert reader.read() == []
    assert reader.error.startswith("load.spool: ")


def test_aggregates_count_what_the_rows_say_whenever_the_records_came(tmp_path: Path) -> None:
    run = Recorded(ends_s=40, warm_up_s=5)
    for number in range(120):
        run.pay(number / 3, "unknown" if number % 7 == 0 else "approved", route=number % 2)
    store = run.store(tmp_path)  # what came late makes a second part of its second
    late = [hop("late"), moved("late"), decided("late")]
    store.ingest(late)
    n = {
        kind: sum(total.n for total in store.totals(kind))
        for kind in (PaymentRecord, HopRecord, Movement, Decision)
    }
    rows = {kind: len(list(store.rows(kind))) for kind in n}
    assert n == rows
    assert sum(total.amount_minor for total in store.totals(PaymentRecord)) == 120_000
    booked = sum(movement.amount_minor for movement in store.rows(Movement))
    assert sum(total.amount_minor for total in store.totals(Movement)) == booked
    seconds = [total.second for total in store.totals(HopRecord)]
    assert seconds == sorted(seconds)
    in_warm_up = sum(total.n for total in store.totals(PaymentRecord) if total.alike[0])
    assert in_warm_up == 15  # offered every third of a second: 0 to 4.67 s


def test_many_records_at_once_are_the_same_rows_whatever_part_of_them_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(folder: Path) -> list[tuple[object, ...]]:
        folder.mkdir()
        store = run.store(folder)
        tables = ("txn", "hop", "movement", "decision", "shape", "agg_hop", "agg_movement")
        return [row for table in tables for row in store.select(f"SELECT * FROM {table}", ())]

    run = Recorded(ends_s=10)
    for number in range(40):
        run.pay(number / 4, "unknown" if number % 7 == 0 else "approved", route=number % 2)
    whole = rows(tmp_path / "whole")
    monkeypatch.setattr(store_module, "BATCH", 7)
    assert rows(tmp_path / "parts") == whole
    assert len(whole) > 120


def test_aggregates_of_a_long_run_do_not_pile_up_in_memory(store: RunStore) -> None:
    store.begin(Recorded().facts().times)
    for second in range(100):
        at_ns = second * 10**9
        store.ingest([msgspec.structs.replace(hop("p1"), started_ns=at_ns, ended_ns=at_ns)])
    written = next(store.select("SELECT COUNT(*) FROM agg_hop", ()))[0]
    assert written >= 100 - 11  # at most two times five seconds wait for what comes late


@pytest.mark.parametrize("lasted_s", [25.0, 25.4])
def test_what_was_done_before_the_end_of_the_load_was_not_done_after_it(
    store: RunStore, lasted_s: float
) -> None:
    start_s = 12.3  # its processes took so long to start
    ends_s = start_s + lasted_s
    store.begin(
        Times(
            load_start_s=start_s,
            before_start_s=start_s,
            faults_start_s=start_s,
            load_end_s=ends_s,
        )
    )
    for link, after_s in (("before", -0.3), ("gateway", 0.1), ("gateway", 7.7), ("edge", 1.1)):
        at_ns = ns(ends_s + after_s)
        store.ingest([msgspec.structs.replace(decided("p1"), link=link, at_ns=at_ns)])
    store.settle()
    done = last_done(store, ends_s)
    assert list(done) == ["gateway authorise", "edge authorise"]
    for found_s, after_s in zip(done.values(), (7.7, 1.1), strict=True):
        assert 0 <= ends_s + after_s - found_s < 1
        assert found_s > ends_s - 1e-6


INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"


def long_run(tmp_path: Path) -> RunStore:
    run = Recorded(ends_s=400)
    for number in range(1_000):
        end = "unknown" if number % 100 == 0 else "approved"
        run.pay(number / 3, end, route=int(number % 50 == 1))
    return run.store(tmp_path)


def test_a_long_run_keeps_all_that_matters_and_a_sample(tmp_path: Path) -> None:
    store = long_run(tmp_path)
    stories = list(store.stories())
    totals = [total[:4] for total in store.totals(HopRecord)]
    store.keep("p00003")  # it broke a money rule, say
    # 1,000 payments: 980 of 3 hops and 20 of 4 are 3,020 rows. 10 are unknown (30 hops), 20 failed
    # over (80 hops), one is kept by name (3 hops). 1,000 - 113 are left for the other 2,907: one
    # in 4 (3.3 rounded up).
    store.close_thinned(seed=7, most_hops=1_000)
    store = RunStore.open(tmp_path / "run.db")
    assert store.kept_one_in == 4
    kept = list(store.stories())
    names = {each.payment for each in kept}
    assert {"p00003"} <= names
    assert {each.payment for each in stories if each.customer and each.customer.technical} <= names
    assert {each.payment for each in stories if each.decisions} <= names
    assert [each for each in stories if each.payment in names] == kept  # each whole, none changed
    # 969 others with a chance of 1/4: 242 and four standard deviations of 13.5 either way
    assert 242 - 54 <= len(names) - 31 <= 242 + 54
    assert [total[:4] for total in store.totals(HopRecord)] == totals  # everything still counts


def test_thinning_changes_no_row_and_leaves_every_index(tmp_path: Path) -> None:
    store = long_run(tmp_path)
    rows = {kind: list(store.rows(kind)) for kind in (HopRecord, PaymentRecord, Movement, Decision)}
    indexes = list(store.select(INDEXES, ()))
    for name in ("thin", "kept", "part"):  # of a process that ended while it thinned
        (tmp_path / f"run.{name}").write_text("unfinished")
    store.close_thinned(seed=7, most_hops=1_000)
    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]
    store = RunStore.open(tmp_path / "run.db")
    names = {story.payment for story in store.stories()}
    for kind, whole in rows.items():
        thinned = list(store.rows(kind))
        assert set(thinned) == {row for row in whole if row.payment in names}
        assert len(thinned) == len(set(thinned))
    assert sorted(store.select(INDEXES, ())) == sorted(indexes)


def test_the_same_seed_keeps_the_same_payments(tmp_path: Path) -> None:
    kept = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        (tmp_path / name).mkdir()
        store = long_run(tmp_path / name)
        store.close_thinned(seed=seed, most_hops=1_000)
        thinned = RunStore.open(tmp_path / name / "run.db")
        kept.append([story.payment for story in thinned.stories()])
    assert kept[0] == kept[1]
    assert kept[0] != kept[2]


def test_a_run_that_fits_keeps_every_row(tmp_path: Path) -> None:
    store = long_run(tmp_path)
    store.close_thinned(seed=7, most_hops=3_020)
    store = RunStore.open(tmp_path / "run.db")
    assert store.kept_one_in == 1
    assert len(list(store.rows(HopRecord))) == 3_020


def test_a_thinned_store_is_one_file_that_can_be_read_again(tmp_path: Path) -> None:
    store = long_run(tmp_path)
    store.close_thinned(seed=7, most_hops=1_000)
    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]
    again = RunStore.open(tmp_path / "run.db")
    assert again.kept_one_in == 4
    assert again.story("p00001").customer is not None


def test_judging_alike_payments_once_finds_what_judging_each_finds(tmp_path: Path) -> None:
    run = Recorded(ends_s=60)
    for number in range(300):
        end = ("approved", "declined", "unknown", "technical")[number % 7 % 4]
        name = run.pay(number / 5, end, route=number % 3 % 2, amount=1_000 + number % 5)
        if number % 13 == 0:
            run.decide(name, "reversal_acknowledged", number / 5, "processor-a")
    affected: list[Record] = []
    random.Random(5).shuffle(run.records)
    for number, record in enumerate(run.records):
        is_movement = isinstance(record, Movement)
        if is_movement and number % 41 == 0:
            continue  # a lost entry
        kept = record
        if is_movement and number % 43 == 0:
            kept = msgspec.structs.replace(record, amount_minor=record.amount_minor - 10)
        affected.append(kept)
        if is_movement and number % 47 == 0:
            affected.append(kept)  # booked twice
    run.records = affected
    store = run.store(tmp_path)
    parties = Parties.of(CHAIN)
    each = [value for story in store.stories() if (value := reconcile(story, parties)) is not None]
    found = {judged.rule: judged for judged in money(store, CHAIN).rules}
    counted = 0
    for name, rule in RULES.items():
        if rule.needs:
            continue
        findings = [finding for payment in each if (finding := rule(payment)) is not None]
        assert (found[name].findings, found[name].amount) == (
            len(findings),
            sum(finding.amount_minor for finding in findings),
        )
        counted += len(findings)
    assert counted > 20  # or the test would show nothing


def test_payments_that_differ_in_what_came_first_are_not_alike() -> None:
    run = Recorded()
    for number in range(20):
        name = run.pay(number, "declined", route=None)
        sent = ns(number)
        run.hop(name, "gateway", "authorise", "processor-a", sent, sent + 9, "timeout")
        # Every other payment was asked about before it was sent, which clears up nothing.
        asked = sent - 50 if number % 2 else sent + 50
        run.hop(name, "gateway", "query", "processor-a", asked, asked + 9, "declined")
    (rule,) = (each for each in money(run.store(), CHAIN).rules if each.rule == "unknowns_resolved")
    assert rule.findings == 10
