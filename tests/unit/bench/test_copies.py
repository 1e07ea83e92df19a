"""Copies of recorded payments are payments of their own, and count as if they were recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import store as bench_store
from paychain.analysis.store.store import RunStore
from paychain.payments.journal import Decision, HopRecord, Movement, PaymentRecord

RATE, PAYMENTS = 100, 2_500  # in 25 s: the shortest run in which recovery can be seen


@pytest.fixture(autouse=True)
def _few_payments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_store, "RATE", RATE)


@pytest.mark.parametrize("copies", [1, 10])
def test_the_bench_stores_as_many_payments_however_many_are_copies(
    copies: int, tmp_path: Path
) -> None:
    store, _ = _stored(tmp_path, copies)
    payments = list(store.rows(PaymentRecord))
    hops = list(store.rows(HopRecord))
    assert len({paid.payment for paid in payments}) == len(payments) == PAYMENTS
    assert len({hop.span for hop in hops}) == len(hops)
    store.close()


def test_a_copy_has_all_records_of_a_payment_under_its_own_name(tmp_path: Path) -> None:
    store, _ = _stored(tmp_path, 10)
    # The fault begins with 1000, which fails; 1010 is served by the fallback.
    for first, outcome in ((0, "approved"), (1_000, "unknown"), (1_010, "approved")):
        original, copy = (store.story(f"p{number:07d}") for number in (first, first + 7))
        assert copy.customer is not None
        assert copy.customer.outcome == outcome
        assert original.customer is not None
        assert copy.customer.started_ns == original.customer.started_ns + 7_000_000
        for kind in ("hops", "movements", "decisions"):
            assert len(getattr(copy, kind)) == len(getattr(original, kind))
        spans = {hop.span for hop in copy.hops}
        assert {hop.parent for hop in copy.hops} <= {"", *spans}
        assert all(each.reference.startswith(copy.payment) for each in copy.movements)
    store.close()


def test_the_totals_with_copies_are_those_of_their_records(tmp_path: Path) -> None:
    store, spec = _stored(tmp_path, 10)
    counted = _totals(store)
    store.restore(bench_store.facts_of(spec, PAYMENTS).times)
    assert _totals(store) == counted
    store.close()


def _stored(folder: Path, copies: int) -> tuple[RunStore, bench_store.RunSpec]:
    bench_store.write_spools(folder, PAYMENTS, copies)
    spec = bench_store.spec_in(folder, PAYMENTS / RATE)
    return bench_store.stored(folder, bench_store.facts_of(spec, PAYMENTS), copies), spec


def _totals(store: RunStore) -> dict[object, list[int]]:
    """What records add up to. A movement may count in the second before its own."""
    found: dict[object, list[int]] = {}
    for kind in (PaymentRecord, HopRecord, Movement, Decision):
        for total in store.totals(kind):
            second = 0 if kind is Movement else total.second
            values = found.setdefault((kind, second, total.alike), [0, 0, 0])
            for place, value in enumerate((total.n, total.amount_minor, total.latencies_ns.total)):
                values[place] += value
    return found
