"""run.db gives back what was put into it: by kind and payment by payment."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from recorded import CHAIN, Recorded, ns

from harness.analysis.reconcile import Parties, money, reconcile
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
from harness.payments.rules import RULES


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


def test_aggregates_count_what_the_rows_say_whenever_the_records_came(tmp_path: Path) -> None:
    run = Recorded(ends_s=40, warm_up_s=5)
    for number in range(120):
        run.pay(number / 3, "unknown" if number % 7 == 0 else "approved", route=number % 2)
    store = run.store(tmp_path)  # what came late makes a second part of its second
    late = [hop("late"), moved("late"), decided("late")]
    store.ingest(late)
    n = {kind: sum(total.n for total in store.totals(kind))
         for kind in (PaymentRecord, HopRecord, Movement, Decision)}  # fmt: skip
    rows = {kind: len(list(store.rows(kind))) for kind in n}
    assert n == rows
    assert sum(total.amount_minor for total in store.totals(PaymentRecord)) == 120_000
    booked = sum(one.amount_minor for one in store.rows(Movement))
    assert sum(total.amount_minor for total in store.totals(Movement)) == booked
    seconds = [total.second for total in store.totals(HopRecord)]
    assert seconds == sorted(seconds)
    in_warm_up = sum(total.n for total in store.totals(PaymentRecord) if total.alike[0])
    assert in_warm_up == 15  # offered every third of a second: 0 to 4.67 s


def test_aggregates_of_a_long_run_do_not_pile_up_in_memory(store: RunStore) -> None:
    store.set_meta("timeline", {"load_start_s": 0.0, "before_start_s": 0.0})
    for second in range(100):
        one = msgspec.structs.replace(hop("p1"), started_ns=second * 10**9, ended_ns=second * 10**9)
        store.ingest([one])
    written = next(store.select("SELECT COUNT(*) FROM agg_hop", ()))[0]
    assert written >= 100 - 11  # at most two times five seconds wait for what comes late


def long_run(tmp_path: Path) -> RunStore:
    run = Recorded(ends_s=400)
    for number in range(1_000):
        end = "unknown" if number % 100 == 0 else "approved"
        run.pay(number / 3, end, route=int(number % 50 == 1))
    return run.store(tmp_path)


def test_a_long_run_keeps_all_that_has_something_to_tell_and_a_sample(tmp_path: Path) -> None:
    store = long_run(tmp_path)
    told = list(store.stories())
    totals = [total[:4] for total in store.totals(HopRecord)]
    store.keep("p00003")  # it broke a money rule, say
    # 1,000 payments: 980 of 3 hops and 20 of 4 are 3,020 rows. 10 are unknown (30 hops), 20 failed
    # over (80 hops), one is kept by name (3 hops). 1,000 - 113 are left for the other 2,907: one
    # in 4 (3.3 rounded up).
    store.thin(seed=7, most_hops=1_000)
    assert store.meta("kept_one_in") == 4
    kept = list(store.stories())
    names = {one.payment for one in kept}
    assert {"p00003"} <= names
    assert {one.payment for one in told if one.customer and one.customer.technical} <= names
    assert {one.payment for one in told if one.decisions} <= names
    assert [one for one in told if one.payment in names] == kept  # each whole, none changed
    # 969 others with a chance of 1/4: 242 and four standard deviations of 13.5 either way
    assert 242 - 54 <= len(names) - 31 <= 242 + 54
    assert [total[:4] for total in store.totals(HopRecord)] == totals  # everything still counts


def test_the_same_seed_keeps_the_same_payments(tmp_path: Path) -> None:
    kept = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        (tmp_path / name).mkdir()
        store = long_run(tmp_path / name)
        store.thin(seed=seed, most_hops=1_000)
        kept.append([one.payment for one in store.stories()])
    assert kept[0] == kept[1]
    assert kept[0] != kept[2]


def test_a_run_that_fits_keeps_every_row(tmp_path: Path) -> None:
    store = long_run(tmp_path)
    store.thin(seed=7, most_hops=3_020)
    assert store.meta("kept_one_in") == 1
    assert len(list(store.rows(HopRecord))) == 3_020


def test_a_thinned_store_is_one_file_that_can_be_read_again(tmp_path: Path) -> None:
    store = long_run(tmp_path)
    store.thin(seed=7, most_hops=1_000)
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]
    again = RunStore.open(tmp_path / "run.db")
    assert again.meta("kept_one_in") == 4
    assert again.story("p00001").customer is not None


def test_judging_alike_payments_once_finds_what_judging_each_finds(tmp_path: Path) -> None:
    run = Recorded(ends_s=60)
    for number in range(300):
        end = ("approved", "declined", "unknown", "technical")[number % 7 % 4]
        name = run.pay(number / 5, end, route=number % 3 % 2, amount=1_000 + number % 5)
        if number % 13 == 0:
            run.decide(name, "reversal_acknowledged", number / 5, "processor-a")
    spoilt: list[Record] = []
    random.Random(5).shuffle(run.records)
    for number, one in enumerate(run.records):
        if isinstance(one, Movement) and number % 41 == 0:
            continue  # a lost entry
        if isinstance(one, Movement) and number % 43 == 0:
            one = msgspec.structs.replace(one, amount_minor=one.amount_minor - 10)
        spoilt.append(one)
        if isinstance(one, Movement) and number % 47 == 0:
            spoilt.append(one)  # booked twice
    run.records = spoilt
    store = run.store(tmp_path)
    parties = Parties.of(CHAIN)
    each = [value for one in store.stories() if (value := reconcile(one, parties)) is not None]
    found = {one.rule: one for one in money(store, CHAIN).rules}
    counted = 0
    for name, (_, rule) in RULES.items():
        findings = [finding for one in each if (finding := rule(one)) is not None]
        assert (found[name].findings, found[name].amount) == (
            len(findings), sum(one.amount_minor for one in findings)
        )  # fmt: skip
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
    (rule,) = (one for one in money(run.store(), CHAIN).rules if one.rule == "unknowns_resolved")
    assert rule.findings == 10
