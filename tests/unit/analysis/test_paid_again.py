"""Whose what a service begins is, once the customer has paid an order again."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.analysis.money.findings import money
from paychain.payments.journal import MovementKind
from tests.support.observed_runs import A, B
from tests.unit.payments.test_own_rules import NO_BOOKS, Shop, broken


def paid_again(run: Shop, asked_s: float) -> None:
    """A decline, then another payment of the order; a request that names only the first one."""
    run.pay("p1", 1.0, result="declined", order="p1")
    run.asked("p1", 1.1, key="k1", result="declined")
    run.pay("p1r2", 3.0, order="p1")
    run.asked("p1", asked_s, key="k2", attempt=2)
    run.holds("p1", asked_s, attempt=2)


def test_what_is_begun_once_the_customer_pays_an_order_again_is_for_that_payment(
    tmp_path: Path,
) -> None:
    run = Shop()
    paid_again(run, asked_s=3.1)
    store = run.store(tmp_path, NO_BOOKS)
    assert [rule.rule for rule in money(store, NO_BOOKS).rules if rule.findings] == []
    again = store.story("p1r2")
    assert {movement.reference for movement in again.movements} == {"p1-2"}
    assert [hop.caller for hop in again.hops] == ["customer", "shop"]
    assert [hop.caller for hop in store.story("p1").hops] == ["customer", "shop"]
    store.close()


def test_what_was_begun_before_the_customer_paid_again_is_the_declined_payments(
    tmp_path: Path,
) -> None:
    run = Shop()
    paid_again(run, asked_s=2.5)
    assert broken(run, tmp_path, NO_BOOKS)["no_charge_after_a_decline"] == ["p1"]


@pytest.mark.parametrize("by", ["trace", "other text"])
def test_a_question_about_the_next_payment_names_no_charge(tmp_path: Path, by: str) -> None:
    run = Shop()
    paid_again(run, asked_s=3.1)
    run.asked("p1r2", 3.5, operation="query", by=by, attempt=3)
    assert broken(run, tmp_path, NO_BOOKS) == {}


@pytest.mark.parametrize("by", ["trace", "reference", "key", "other text"])
def test_a_late_charge_of_a_declined_payment_is_its_own_where_each_payment_is_named(
    tmp_path: Path, by: str
) -> None:
    run = Shop()
    run.pay("p1", 1.0, result="declined", order="p1")
    run.asked("p1", 1.1, key="k1", result="declined")
    run.pay("p1r2", 3.0, order="p1")
    run.asked("p1r2", 3.1, key="k2", by=by)
    run.holds("p1r2", 3.1)
    run.moves("p1r2", MovementKind.VOIDED, 4.0)
    run.asked("p1", 5.0, key="k3", attempt=2)  # a background job
    run.holds("p1", 5.0, attempt=2)
    assert broken(run, tmp_path, NO_BOOKS) == {"no_charge_after_a_decline": ["p1"]}


def test_a_traced_service_that_names_only_the_order_means_the_next_payment(tmp_path: Path) -> None:
    run = Shop()
    run.pay("p1", 1.0, result="declined", order="p1")
    run.asked("p1", 1.1, key="k1", result="declined", by="trace")
    run.pay("p1r2", 3.0, order="p1")
    run.asked("p1r2", 3.1, key="k2", by="trace", stated="p1", result="timeout")
    run.asked("p1", 5.0, key="k3", attempt=2)  # a background job, without a trace
    run.holds("p1", 5.0, attempt=2)
    assert "no_charge_after_a_decline" not in broken(run, tmp_path, NO_BOOKS)


def test_a_late_charge_that_names_another_payment_than_the_first_is_never_the_next_ones(
    tmp_path: Path,
) -> None:
    run = Shop()
    for payment, at_s in (("p1", 1.0), ("p1r2", 3.0)):
        run.pay(payment, at_s, result="declined", order="p1")
        run.asked(payment, at_s + 0.1, key=f"k-{payment}", result="declined")
    run.pay("p1r3", 5.0, order="p1")
    run.asked("p1r2", 6.0, key="k3", attempt=2)
    run.holds("p1r2", 6.0, attempt=2)
    assert broken(run, tmp_path, NO_BOOKS)["no_charge_after_a_decline"] == ["p1r2"]


def test_an_attempt_of_a_payments_own_trace_stays_with_it_whatever_asks_about_it_later(
    tmp_path: Path,
) -> None:
    run = Shop()
    run.pay("p1", 1.0, result="declined", order="p1")
    run.asked("p1", 1.1, key="k1", by="trace")
    run.holds("p1", 1.1)
    run.pay("p1r2", 3.0, order="p1")
    run.asked("p1", 4.0, operation="query", by="object")
    assert broken(run, tmp_path, NO_BOOKS)["no_charge_after_a_decline"] == ["p1"]


def test_what_is_begun_for_the_next_payment_is_no_attempt_that_it_has_already(
    tmp_path: Path,
) -> None:
    run = Shop()
    paid_again(run, asked_s=3.3)
    for attempt in (1, 2):
        run.asked("p1r2", 3.0 + attempt / 10, to=B, key=f"b{attempt}", attempt=attempt)
    run.asked("p1", 3.5, key="k4", attempt=3)
    store = run.store(tmp_path, NO_BOOKS)
    again = store.story("p1r2")
    asked = [(hop.callee, hop.attempt) for hop in again.hops if hop.caller == "shop"]
    assert sorted(asked) == [(A, 3), (A, 4), (B, 1), (B, 2)]
    assert {(each.reference, each.attempt) for each in again.movements} == {("p1-2", 3)}
    store.close()
