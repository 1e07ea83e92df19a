"""Orders of several payments of which the record of one never came: a load process was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from paychain.analysis.money.findings import money
from paychain.analysis.money.orders import Orders, orders_of
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile
from paychain.analysis.store.store import RunStore
from paychain.explore.checks import SimulatedRecords
from paychain.payments.attribution import first_payment
from paychain.payments.journal import HopRecord, PaymentRecord, Record
from tests.unit.analysis.test_reconcile import CHAIN, SOUND, customer

Found = dict[str, list[str]]  # the payments that broke each rule


def of(payment: str, records: list[Record]) -> list[Record]:
    """The same records, of another payment."""
    found: list[Record] = []
    for record in records:
        changed: dict[str, Any] = {"payment": payment}
        if hasattr(record, "reference"):
            changed["reference"] = f"{payment}-1"
        found.append(msgspec.structs.replace(record, **changed))  # type: ignore[type-var]
    return found


def paid(payment: str, *, approved: bool = True, minor: int = 1_000) -> PaymentRecord:
    """A customer's record of one payment of the order p1."""
    shown_minor = minor if approved else 0
    record = customer(approved=approved, minor=shown_minor)
    return msgspec.structs.replace(record, payment=payment, order="p1")


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
    hops = [record for record in SOUND if isinstance(record, HopRecord)]
    books = [record for record in SOUND if record not in hops]
    part = [msgspec.structs.replace(record, amount_minor=500) for record in books]  # type: ignore[type-var, call-arg]
    records = [paid("p1", minor=500), *hops, *part, *of("p1b", [*hops, *part])]
    assert "no_double_charge" not in broken(tmp_path, records)


def test_an_approval_needs_money_from_some_payment_of_its_order(tmp_path: Path) -> None:
    hops = [record for record in SOUND if isinstance(record, HopRecord)]
    found = broken(tmp_path, [paid("p1"), *hops, *of("p1b", hops)])
    assert found == {"no_approval_without_money": ["p1b"]}


def test_what_was_recorded_twice_is_one_payment(tmp_path: Path) -> None:
    twice = msgspec.structs.replace(SOUND[-1], reference="p1-2")  # type: ignore[type-var, call-arg]
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
