"""What a service should do when what a found script has happens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paychain.explore.live.outages import outage_choices
from paychain.explore.live.remedies import MAX_REMEDIES, service_remedies
from paychain.explore.live.result import FoundScript
from paychain.explore.live.steps import StepChoice, step_choices
from paychain.model.loading import load_chain
from paychain.payments.rules import Finding

CHAIN = load_chain("examples/shop-python/chain-naive.yaml").model
CHOICES = step_choices(CHAIN)


def step(place: tuple[str, ...], name: str) -> StepChoice:
    return next(each for each in CHOICES if (each.place, each.name) == (place, name))


LOST = step(("link", "stripe", "authorise"), "lost_answer")


def found(*steps: StepChoice) -> FoundScript:
    finding = Finding("p1", 1, "money is wrong", ())
    return FoundScript(
        rule="no_double_charge", steps=steps, finding=finding, at_script=1, stories=()
    )


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (LOST, "ask stripe what became of it, or cancel it until stripe confirms"),
        (step(("link", "stripe", "capture"), "http_error 1"), "under the same idempotency key"),
        (step(("link", "adyen", "void"), "slow_answer"), "repeat a cancel"),
        (step(("link", "stripe", "authorise"), "wrong_answer"), "cancel what stripe reported as"),
        (step(("link", "stripe", "authorise"), "wrong_answer 2"), "check that an answer of stripe"),
        (step(("link", "stripe", "refund"), "rate_limit"), "repeat the refund later"),
        (step(("webhook", "stripe"), "dropped"), "depend on a webhook of stripe"),
        (step(("webhook", "stripe"), "during capture"), "one request at a time"),
        (
            step(("customer", "presses_twice"), "presses_twice same"),
            "a second request must not charge it",
        ),
    ],
)
def test_a_remedy_says_what_the_service_should_do(step: StepChoice, says: str) -> None:
    (remedy,) = service_remedies(found(step), "shop")
    assert remedy.startswith("shop: ")
    assert says in remedy


def test_every_step_and_every_outage_has_a_remedy() -> None:
    for each in CHOICES:
        (remedy,) = service_remedies(found(each), "shop")
        assert "{" not in remedy
    for outage in outage_choices(CHAIN):
        assert len(service_remedies(replace(found(), outage=outage), "shop")) == 1


def test_steps_of_one_kind_have_one_remedy_and_there_are_only_some() -> None:
    second = replace(LOST, number=2)
    assert len(service_remedies(found(LOST, second), "shop")) == 1
    assert service_remedies(found(), "shop") == []
    others = [each for each in CHOICES if each.place[0] == "webhook"]
    assert len(service_remedies(found(*others), "shop")) == MAX_REMEDIES
