"""Customers who follow a failure script, as the schedule of a load plans them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from paychain.load.traffic.arrivals import Purchases, after_decline, arrivals
from paychain.load.traffic.customer import CustomerPayment
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.planning import load_plan
from paychain.load.traffic.schedule import count
from paychain.load.traffic.scripted import plan_under
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.payments.cards import SCHEMES, TEST_CARDS
from tests.support.chains import checked, corner_shop

CHAIN: Chain = checked(corner_shop())
AGAIN = {"customer": {"pays_again": {"after": "1s", "card": "another"}}}


def plan_of(payments: dict[str, str], *steps: dict[str, Any], seed: int = 1) -> LoadPlan:
    """10 payments a second for 4 s, with one script."""
    declared = {
        "experiment": "scripted",
        "load": {"arrivals": "10/s", "warm_up": "0s", "before": "2s", "after": "2s"},
        "scripts": [{"id": "s", "payments": payments, "steps": [*steps]}],
    }
    return load_plan(CHAIN, Experiment.model_validate(declared), seed)


def test_who_lingers_or_tampers_does_so_in_the_first_try_and_is_waited_for() -> None:
    steps = {"customer": {"lingers": {"for": "6s"}}}, {"customer": {"tampers": {"amount": "10%"}}}
    plan = plan_of({"every": "1"}, *steps)
    assert plan.longest_s == 6.0 + CHAIN.deadline
    under = plan_under(plan, plan.scripts[0])
    assert (under.lingers_s, under.named_share) == (6.0, 0.1)
    arrival = next(iter(arrivals(under)))
    attempt = CustomerPayment(plan, arrival, 0, 0).start_try(0)
    assert (attempt.lingers_s, attempt.named_share) == (6.0, 0.1)


def test_who_presses_twice_is_planned_twice_and_in_order() -> None:
    press = {"customer": {"presses_twice": {"after": "250ms", "key": "new"}}}
    plan = plan_of({"every": "10"}, press)
    planned = list(arrivals(plan))
    # 40 payments; the 10th, 20th and 30th twice. The 40th begins at 3.9 s: its second press would
    # come after the end of the load.
    assert len(planned) == count(plan) == 43
    assert [one.at_s for one in planned] == sorted(one.at_s for one in planned)
    again = [one for one in planned if one.payment.endswith("b")]
    assert [(one.payment, round(one.at_s, 3)) for one in again] == [
        ("p0000009b", 1.15),
        ("p0000019b", 2.15),
        ("p0000029b", 3.15),
    ]
    assert all(one.key == "" and one.order == one.payment[:-1] for one in again)


def test_the_second_press_may_have_the_key_of_the_first() -> None:
    press = {"customer": {"presses_twice": {}}}
    planned = list(arrivals(plan_of({"every": "10"}, press)))
    assert {one.key for one in planned if one.payment.endswith("b")} == {
        "p0000009",
        "p0000019",
        "p0000029",
    }


def test_how_many_payments_there_are_is_open_where_a_script_may_add_some() -> None:
    retry = {"customer": {"retry": {"after": "2s", "key": "new"}}}
    assert count(plan_of({"every": "10"}, retry)) is None
    press = {"customer": {"presses_twice": {}}}
    assert count(plan_of({"amount": "25.00"}, press)) is None
    again = plan_of({"every": "10"}, {"customer": {"pays_again": {"after": "30s"}}})
    assert count(again) is None
    assert again.longest_s == 2 * CHAIN.deadline + 30
    assert count(plan_of({"every": "10"}, {"customer": {"leaves": {"after": "1s"}}})) == 40


def test_only_who_follows_the_script_retries_and_leaves_as_it_says() -> None:
    plan = plan_of(
        {"every": "4"},
        {"customer": {"retry": {"after": "3s", "key": "new"}}},
        {"customer": {"leaves": {"after": "4s", "returns_after": "5s"}}},
    )
    assert plan.has_orders
    assert plan.longest_s == CHAIN.deadline + 9
    scripted = [one for one in arrivals(plan) if one.script]
    assert [one.number for one in scripted] == list(range(3, 40, 4))
    under = plan_under(plan, scripted[0].script)
    assert (under.retry_after_s, under.retry_same_key) == (3.0, False)
    assert (under.leaves_share, under.leaves_after_s, under.returns_after_s) == (1.0, 4.0, 5.0)
    assert plan_under(plan, "") is plan


@pytest.mark.parametrize("scheme", SCHEMES)
def test_another_card_of_a_recorded_payment_is_of_its_scheme_where_the_plan_has_none_of_it(
    scheme: str,
) -> None:
    plan = msgspec.structs.replace(
        plan_of({"every": "10"}, AGAIN), recorded_schemes=(scheme,), schemes=(("visa", 1.0),)
    )
    first = Purchases(plan).arrival(0, 0.0)
    again = after_decline(msgspec.structs.replace(plan, changes_card=True), first)
    assert (first.instrument.scheme, again.instrument.scheme) == (scheme, scheme)
    has_others = sum(card.scheme == scheme for card in TEST_CARDS) > 1
    assert (again.instrument != first.instrument) is has_others


def test_no_message_shows_a_whole_number() -> None:
    arrival = Purchases(plan_of({"every": "10"}, AGAIN)).arrival(0, 0.0)
    card = arrival.instrument
    assert (card.number in repr(arrival), card.masked in repr(arrival)) == (False, True)
    assert card.number not in "".join(map(str, card.__rich_repr__()))


def test_a_plan_without_scripts_is_as_before() -> None:
    declared = {"experiment": "plain", "load": {"arrivals": "10/s", "before": "2s", "after": "2s"}}
    plan = load_plan(CHAIN, Experiment.model_validate(declared), 1)
    assert plan.scripts == ()
    assert not plan.has_orders
    assert plan.longest_s == plan.deadline_s
    assert {one.script for one in arrivals(plan)} == {""}
