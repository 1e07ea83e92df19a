"""Records that went alike share a number in run.db; whole runs are asked by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paychain.analysis.money.findings import money
from paychain.analysis.money.fingerprints import stories_to_judge
from paychain.analysis.money.orders import Orders
from paychain.analysis.store import shapes
from paychain.analysis.store.queries import payments_by_hop
from paychain.analysis.store.store import RunStore
from tests.support.recorded import CHAIN, Recorded


def numbers(store: RunStore, table: str) -> list[int | None]:
    return [number for (number,) in store.select(f"SELECT shape FROM {table} ORDER BY rowid", ())]


def three_payments() -> Recorded:
    run = Recorded()
    run.pay(1, amount=1_000)
    run.pay(2, amount=5_000)
    run.pay(3, "declined", amount=1_000)
    return run


@pytest.fixture(params=[shapes.MAX_SHAPES, 0])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    """Three payments, with shapes and where there was no room for any."""
    monkeypatch.setattr(shapes, "MAX_SHAPES", request.param)
    made = three_payments().store()
    yield made
    made.close()


def test_payments_that_differ_in_id_time_and_amount_have_one_shape() -> None:
    store = three_payments().store()
    first, second, third = numbers(store, "txn")
    assert first == second != third
    # each has its own hop, the gateway's and the processor's; those of the third were declined
    hops = numbers(store, "hop")
    assert hops[:3] == hops[3:6]
    assert len(set(hops)) == 6
    store.close()


def test_over_which_hops_payments_went_does_not_depend_on_shapes(store: RunStore) -> None:
    ((hops, n),) = payments_by_hop(store).items()
    assert n == 3
    assert hops == {
        ("customer", "pay", "gateway", 0),
        ("gateway", "authorise", "processor-a", 0),
        ("processor-a", "authorise", "issuer", 0),
    }


def test_payments_without_a_shape_are_judged_each_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shapes, "MAX_SHAPES", 0)
    store = three_payments().store()
    stories = stories_to_judge(store, set(), Orders({}), {})
    found = [(story.payment, fingerprint) for story, fingerprint in stories]
    assert found == [("p00001", ""), ("p00002", ""), ("p00003", "")]
    assert not any(rule.findings for rule in money(store, CHAIN).rules)
    store.close()


def test_of_payments_with_one_outline_that_broke_no_rule_one_is_judged() -> None:
    store = three_payments().store()
    sound: set[str] = set()
    judged = []
    for story, fingerprint in stories_to_judge(store, sound, Orders({}), {}):
        judged.append(story.payment)
        sound.add(fingerprint)
    assert judged == ["p00001", "p00003"]
    store.close()


def test_a_run_that_is_judged_again_takes_more_records_and_mixes_up_no_numbers(
    tmp_path: Path,
) -> None:
    three_payments().store(tmp_path).close()
    store = RunStore.reopen(tmp_path / "run.db")
    first = numbers(store, "hop")
    later = Recorded()
    later.pay(4, "declined", amount=2_000)
    store.ingest(later.records)
    more = numbers(store, "hop")
    assert more[: len(first)] == first
    assert set(more[len(first) :]).isdisjoint(first)
    parties = [party for (party,) in store.select("SELECT party FROM txn ORDER BY rowid", ())]
    assert parties[3] > max(parties[:3])
    store.close()
