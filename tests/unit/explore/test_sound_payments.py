"""In a search, what went like a sound payment of an earlier schedule is not judged again."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from weakref import ref

import msgspec
import pytest

from paychain.analysis.money.fingerprints import SoundPayments
from paychain.analysis.money.parties import Parties
from paychain.analysis.store import shapes
from paychain.explore import checks
from paychain.explore.checks import broken
from paychain.payments.journal import HopRecord, Movement, PaymentRecord, Record
from paychain.payments.outcome import HopResult
from paychain.simulation.simulate import Cycles, frozen_memory
from tests.support.recorded import CHAIN, Recorded, ns

PARTIES = Parties.of(CHAIN)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The payments that are judged, as they are."""
    names: list[str] = []
    reconcile = checks.reconcile

    def noted(story, *others):  # type: ignore[no-untyped-def]  # passed on as it comes
        names.append(story.payment)
        return reconcile(story, *others)

    monkeypatch.setattr(checks, "reconcile", noted)
    return names


def paid(*amounts: int) -> list[Record]:
    run = Recorded()
    for number, amount in enumerate(amounts):
        run.pay(number, amount=amount)
    return run.records


def test_payments_that_differ_in_amount_and_time_are_judged_once(judged: list[str]) -> None:
    sound = SoundPayments()
    for _ in range(3):
        assert broken(paid(1_000, 5_000, 70), PARTIES, None, None, sound) == []
    assert judged == ["p00001"]


def test_beyond_all_shapes_new_payments_are_judged_and_those_known_are_not(
    judged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = SoundPayments()
    # A payment of its own, three hops and three movements.
    monkeypatch.setattr(shapes, "MAX_SHAPES", 7)
    for end, times in (("approved", 1), ("declined", 2), ("approved", 0)):
        judged.clear()
        run = Recorded()
        run.pay(1, end)
        for _ in range(2):
            assert broken(run.records, PARTIES, None, None, sound) == []
        assert len(judged) == times
    assert len(sound._likenesses._numbers) == 7


def edited(kind: type[Record], **changes: object) -> Callable[[list[Record]], list[Record]]:
    """Changes the last record of one kind."""

    def edit(records: list[Record]) -> list[Record]:
        place = max(n for n, record in enumerate(records) if isinstance(record, kind))
        changed = msgspec.structs.replace(records[place], **changes)
        return [*records[:place], changed, *records[place + 1 :]]

    return edit


def doubled(records: list[Record]) -> list[Record]:
    """The processor's last booking once more, of another reference."""
    movements = [record for record in records if isinstance(record, Movement)]
    again = [
        msgspec.structs.replace(move, reference=f"{move.reference}b") for move in movements[-2:]
    ]
    return [*records, *again]


def dropped(records: list[Record]) -> list[Record]:
    """Without the last booking."""
    return records[:-1]


SPOILED = {
    "charged twice": doubled,
    "not booked": dropped,
    "another amount": edited(Movement, amount_minor=999),
    "another currency": edited(Movement, currency="USD"),
    "another merchant": edited(Movement, merchant="other", instrument="555555…4444"),
    "shown an error": edited(PaymentRecord, outcome="unknown", shown="error", approved_minor=0),
    "a lost answer": edited(HopRecord, result=HopResult.TIMEOUT),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_went_otherwise_is_judged_and_found_as_ever(name: str, judged: list[str]) -> None:
    sound = SoundPayments()
    assert broken(paid(1_000), PARTIES, None, None, sound) == []
    judged.clear()
    records = SPOILED[name](paid(1_000))
    with_memory = [broken(records, PARTIES, None, None, sound) for _ in range(2)]
    assert judged[0] == "p00001"
    # What broke a rule is never taken for sound: it is found each time.
    assert with_memory == [broken(records, PARTIES, None)] * 2


def screened(begun_ms: float, ended_ms: float, result: str) -> list[Record]:
    """A payment that is authorised 600 ms after it began, and what screening it gave."""
    begun_ns, ended_ns = ns(1 + begun_ms / 1000), ns(1 + ended_ms / 1000)
    run = Recorded()
    run.hop("p00001", "gateway", "screen", "fraud", begun_ns, ended_ns, result, parent="p00001c")
    run.pay(1, took_ms=900)
    return [
        msgspec.structs.replace(record, started_ns=ns(1.6))
        if isinstance(record, HopRecord) and record.operation == "authorise"
        else record
        for record in run.records
    ]


@pytest.mark.parametrize(
    ("sound_one", "broken_one"),
    [
        # Approved before the authorisation was sent, and after it.
        (screened(100, 200, "approved"), screened(100, 800, "approved")),
        # Nobody waits for a check that begins with the authorisation.
        (screened(600, 700, "declined"), screened(599, 700, "declined")),
    ],
)
def test_when_a_check_was_over_is_asked_of_each_payment(
    sound_one: list[Record], broken_one: list[Record]
) -> None:
    closed = {"gateway": {"fraud": "fraud screening"}}
    parties = replace(PARTIES, own_closed=closed, has=PARTIES.has | {"closed call"})
    sound = SoundPayments()
    assert broken(sound_one, parties, None, None, sound) == []
    found = broken(broken_one, parties, None, None, sound)
    assert [breach.rule for breach in found] == ["closed_calls_stay_closed"]


def test_payments_of_one_order_are_judged_together_whatever_each_went_like() -> None:
    sound = SoundPayments()
    assert broken(paid(1_000), PARTIES, None, None, sound) == []
    one_order = [
        msgspec.structs.replace(record, order="o1", order_minor=1_000)
        if isinstance(record, PaymentRecord)
        else record
        for record in paid(1_000, 1_000)
    ]
    found = broken(one_order, PARTIES, None, None, sound)
    assert "no_double_charge" in [breach.rule for breach in found]
    assert found == broken(one_order, PARTIES, None)


def test_cycles_of_a_search_are_freed_when_a_schedule_is_over_and_not_before() -> None:
    class Node:
        def __init__(self) -> None:
            self.itself = self

    assert gc.isenabled()
    with frozen_memory():
        assert not gc.isenabled()
        cycles, node = Cycles(), Node()
        left = ref(node)
        del node
        assert left() is not None
        cycles.collect()
        assert left() is None
    assert gc.isenabled()
