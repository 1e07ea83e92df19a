"""Orders of several payments of which the record of one never came: a load process was killed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from paychain.analysis.money.findings import money
from paychain.analysis.money.orders import Orders, orders_of
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile
from paychain.analysis.store.store import RunStore
from paychain.explore.checks import SimulatedRecords
from paychain.payments.attribution import first_payment
from paychain.payments.journal import HopRecord, Movement, PaymentRecord, Record
from tests.unit.analysis.test_reconcile import CHAIN, SOUND, customer

HOPS = [record for record in SOUND if isinstance(record, HopRecord)]
BOOKS = [record for record in SOUND if isinstance(record, Movement)]
Found = dict[str, list[str]]  # the payments that broke each rule


def of(payment: str, records: Sequence[Record]) -> list[Record]:
    """The same calls and lines of books, of another payment."""
    hops = (replace(each, payment=payment) for each in records if isinstance(each, HopRecord))
    books = (
        replace(each, payment=payment, reference=f"{payment}-1")
        for each in records
        if isinstance(each, Movement)
    )
    return [*hops, *books]


def paid(payment: str, *, approved: bool = True, minor: int = 1_000) -> PaymentRecord:
    """A customer's record of one payment of the order p1."""
    shown_minor = minor if approved else 0
    record = customer(approved=approved, minor=shown_minor)
    return replace(record, payment=payment, order="p1")


def in_store(folder: Path, records: list[Record]) -> Found:
    """The findings over the records of a run."""
    store = RunStore.create(folder / "run.db")
    store.ingest(records)
    rules = money(store, CHAIN).rules
    store.close()
    return {rule.rule: [each.payment for each in rule.payments] for rule in rules if rule.findings}


def in_memory(records: list[Record]) -> Found:
    """The findings of a search."""
    kept, parties = SimulatedRecords(records), Parties.of(CHAIN)
    orders = Orders(orders_of(kept.rows(PaymentRecord), kept.strangers()))
    found: Found = {}
    for story in kept.stories():
        for judged, broken in orders.judge(reconcile(story, parties)):
            for rule in broken:
                found.setdefault(rule, []).append(judged.payment)
    return found


def broken(folder: Path, records: list[Record]) -> Found:
    """The findings, which are the same in a store and in memory."""
    found = in_store(folder, records)
    assert in_memory(records) == found
    return found


@pytest.mark.parametrize("recorded", ["p1", "p1b"])
@pytest.mark.parametrize("is_approved", [True, False])
def test_an_order_is_charged_twice_whichever_of_its_payments_has_a_record(
    tmp_path: Path, recorded: str, is_approved: bool
) -> None:
    money_held = [*SOUND, *of("p1b", SOUND)]
    found = broken(tmp_path, [paid(recorded, approved=is_approved), *money_held])
    assert found == {"no_double_charge": ["p1b"]}


@pytest.mark.parametrize("is_approved", [True, False])
def test_the_money_of_a_payment_without_a_record_is_its_orders(
    tmp_path: Path, is_approved: bool
) -> None:
    # What its customer was shown is not known: the money is neither nobody's nor an orphan.
    assert broken(tmp_path, [paid("p1", approved=is_approved), *of("p1r2", SOUND)]) == {}


def test_the_rest_of_an_order_may_have_been_approved_where_the_record_is_missing(
    tmp_path: Path,
) -> None:
    part = [*HOPS, *(replace(line, amount_minor=500) for line in BOOKS)]
    records = [paid("p1", minor=500), *part, *of("p1b", part)]
    assert "no_double_charge" not in broken(tmp_path, records)


def test_an_approval_needs_money_from_some_payment_of_its_order(tmp_path: Path) -> None:
    found = broken(tmp_path, [paid("p1"), *HOPS, *of("p1b", HOPS)])
    assert found == {"no_approval_without_money": ["p1b"]}


def test_what_was_recorded_twice_is_one_payment(tmp_path: Path) -> None:
    twice = replace(BOOKS[-1], reference="p1-2")
    records = [paid("p1"), paid("p1"), *SOUND, twice]
    assert "no_double_charge" in in_store(tmp_path, records)


@pytest.mark.parametrize(
    ("payment", "first"),
    [
        ("p1", "p1"),
        ("p0000012r2", "p0000012"),
        ("p0000012b", "p0000012"),
        ("p0000012br3", "p0000012"),
        ("pb1r0000012", "pb1r0000012"),  # a run's own prefix
        ("pb1r0000012r127", "pb1r0000012"),
    ],
)
def test_a_name_says_which_payment_was_the_first_of_its_order(payment: str, first: str) -> None:
    assert first_payment(payment) == first
