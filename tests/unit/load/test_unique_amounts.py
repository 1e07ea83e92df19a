"""With an own service in the chain, an amount alone shows whose request it is."""

from __future__ import annotations

import msgspec
import pytest

from paychain.environment.own_requests import OwnRequests
from paychain.load.traffic.arrivals import Purchases, arrivals
from paychain.load.traffic.plan import AmountPlan
from paychain.load.traffic.planning import load_plan
from paychain.load.traffic.unique_amounts import DrawnAmount, UniqueAmounts
from paychain.model.experiment import Experiment
from paychain.payments.attribution import UNIQUE_AMOUNTS
from tests.support.chains import checked, shop
from tests.support.own_chains import own_shop

LOAD = {"arrivals": "50/s", "before": "60s", "after": "60s"}
EXPERIMENT = Experiment.model_validate({"experiment": "x", "load": LOAD, "tolerances": {}})
PLAN = load_plan(checked(own_shop()), EXPERIMENT, 3)


def test_no_two_payments_in_a_row_share_an_amount() -> None:
    purchases = Purchases(PLAN)
    amounts = [purchases.arrival(number, 0.0).amount_minor for number in range(2 * UNIQUE_AMOUNTS)]
    for start in range(0, len(amounts) - UNIQUE_AMOUNTS, 500):
        window = amounts[start : start + UNIQUE_AMOUNTS]
        assert len(set(window)) == UNIQUE_AMOUNTS
    assert min(amounts) >= PLAN.amounts.least
    assert max(amounts) <= PLAN.amounts.most


def test_they_stay_close_to_what_was_drawn() -> None:
    plain = Purchases(msgspec.structs.replace(PLAN, unique_amounts=False))
    moved = Purchases(PLAN)
    numbers = range(UNIQUE_AMOUNTS)
    apart = [
        abs(plain.arrival(n, 0.0).amount_minor - moved.arrival(n, 0.0).amount_minor)
        for n in numbers
    ]
    assert sorted(apart)[UNIQUE_AMOUNTS // 2] <= 10  # minor units, the median


def test_an_amount_does_not_depend_on_which_worker_asks_or_when() -> None:
    forward, backward = Purchases(PLAN), Purchases(PLAN)
    numbers = [700, 3, 1_500, 0]
    in_order = {number: forward.arrival(number, 0.0) for number in sorted(numbers)}
    assert {number: backward.arrival(number, 0.0) for number in numbers} == in_order


def test_a_range_without_room_keeps_what_was_drawn() -> None:
    unique = UniqueAmounts(lambda _: DrawnAmount(500, 500, 501))
    assert [unique.amount_of(number) for number in range(4)] == [500, 501, 500, 500]


def test_a_chain_of_mocks_keeps_its_amounts() -> None:
    assert not load_plan(checked(shop()), EXPERIMENT, 3).unique_amounts


@pytest.mark.parametrize("users", [0, 5])
def test_every_payment_of_a_load_is_expected_once_and_in_time(users: int) -> None:
    plan = msgspec.structs.replace(
        PLAN, users=users, amounts=AmountPlan(median=4_000, least=100, most=90_000)
    )
    requests = OwnRequests(checked(own_shop()))
    requests.begin(plan, 1_000_000_000)
    first = requests.expect(0)
    rest = [payment for second in range(130) for payment in requests.expect(second * 10**9)]
    found = [payment.payment for payment in (*first, *rest)]
    assert len(set(found)) == len(found)
    if users:
        assert len(first) == UNIQUE_AMOUNTS
    else:
        assert found == [arrival.payment for arrival in arrivals(plan)]
        assert len(first) == pytest.approx(9 * 50, abs=2)  # those of the next ten seconds
