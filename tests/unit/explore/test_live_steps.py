"""Which steps a search can script, and when one script is simpler than another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.explore.live.files import experiment_of, recall, remember, write_found
from paychain.explore.live.outages import outage_choices
from paychain.explore.live.result import FoundScript, LiveSpec, words_of
from paychain.explore.live.steps import (
    StepChoice,
    Steps,
    fits,
    script_of,
    searched_links,
    simpler,
    size,
    step_choices,
)
from paychain.faults.kind import RequestFaultKind
from paychain.faults.kinds import KINDS
from paychain.model.chain import Chain
from paychain.model.loading import load_chain, load_experiment
from paychain.model.script_checks import check_steps
from paychain.model.scripts import Script
from paychain.payments.errors import UserError
from paychain.payments.rules import Finding
from tests.support.chains import checked
from tests.support.laws import examples

CHAIN = load_chain("card-lifecycle").model
CHOICES = step_choices(CHAIN)
OWN = load_chain("examples/shop-python/chain-naive.yaml").model

scripts = st.lists(st.sampled_from(CHOICES), min_size=1, max_size=3).map(tuple).filter(fits)


def pick(place: tuple[str, ...], name: str, number: int = 1, ms: int = 0) -> StepChoice:
    (found,) = [
        step
        for step in CHOICES
        if (step.place, step.name, step.number, step.ms) == (place, name, number, ms)
    ]
    return found


LOST = pick(("link", "processor-a", "authorise"), "lost_answer")


@given(scripts)
@examples(150)
def test_every_script_that_a_search_draws_is_one_that_check_accepts(steps: Steps) -> None:
    assert list(check_steps(script_of(steps), 0, CHAIN)) == []


def test_every_step_is_written_as_the_schema_that_editors_get_has_it() -> None:
    schema = jsonschema.Draft202012Validator(Script.model_json_schema())
    for step in CHOICES:
        written = {"id": "found", "steps": [step.declared()]}
        assert [error.message for error in schema.iter_errors(written)] == [], written


@given(scripts)
@examples(60)
def test_every_simpler_variant_is_smaller_so_that_minimising_ends(steps: Steps) -> None:
    variants = simpler(steps, CHOICES)
    assert all(size(variant) < size(steps) for variant in variants)
    assert all(fits(variant) for variant in variants)
    # The sizes are of integers from 0 on: a strictly descending sequence of them ends.
    assert all(min(size(variant)) >= 0 for variant in variants)
    assert [size(variant) for variant in variants] == sorted(map(size, variants))


@given(scripts)
@examples(20)
def test_by_ever_simpler_variants_every_script_comes_down_to_nothing(steps: Steps) -> None:
    descents = 0
    while variants := simpler(steps, CHOICES):
        steps = variants[-1]  # the least progress that can be made
        descents += 1
        assert descents < 2_000
    assert steps == ()


def test_one_step_simpler_is_one_change() -> None:
    late = pick(("link", "processor-a", "authorise"), "late_answer", 2, 4_000)
    found = simpler((late,), CHOICES)
    assert () in found
    alone = [step for variant in found for step in variant]
    changed = {(step.name, step.number, step.ms) for step in alone}
    assert ("late_answer", 1, 4_000) in changed  # an earlier request
    assert ("late_answer", 2, 1_000) in changed  # a shorter time
    assert ("lost_answer", 2, 0) in changed  # a simpler kind
    assert ("late_answer", 1, 1_000) not in changed  # two changes
    assert all(step.place == late.place for step in alone)


def test_a_script_says_each_thing_once() -> None:
    other = pick(("link", "processor-a", "authorise"), "http_error")
    assert not fits((LOST, other))
    assert fits((LOST, pick(("link", "processor-a", "authorise"), "http_error", 2)))


def test_with_an_own_service_only_what_it_calls_is_scripted() -> None:
    assert searched_links(OWN) == ["stripe", "adyen"]
    places = {step.place[1] for step in step_choices(OWN) if step.place[0] != "customer"}
    assert places == {"stripe", "adyen"}
    assert {"issuer", "scheme"} <= set(searched_links(CHAIN))
    assert not {"edge"} & set(searched_links(CHAIN))


def test_a_question_is_not_declined_and_may_be_answered_wrongly() -> None:
    kinds = {step.name for step in step_choices(OWN) if step.place == ("link", "stripe", "query")}
    assert "decline" not in kinds
    assert {name for name in kinds if name.startswith("wrong_answer")}
    assert pick(("link", "processor-a", "authorise"), "decline")


def test_steps_about_first_requests_come_first() -> None:
    numbers = [step.number for step in CHOICES]
    assert numbers == sorted(numbers)
    kinds = {step.place[0] for step in CHOICES}
    assert kinds == {"link", "webhook", "customer"}


def test_a_new_key_is_only_tried_where_customers_name_their_order() -> None:
    """A chain of mocks cannot know that two payments with keys of their own are one order."""
    customers = {step.name for step in CHOICES if step.is_customers}
    of_own = {step.name for step in step_choices(OWN) if step.is_customers}
    assert {"presses_twice same", "retry same"} <= customers & of_own
    new = {"presses_twice new", "retry new"}
    assert not new & customers
    assert new <= of_own


def test_customers_leave_for_good_or_are_back_when_a_webhook_is_due() -> None:
    """Stripe's webhooks are due after 700 ms there; those of Adyen before anybody has left."""
    leave = [step for step in step_choices(OWN) if step.place == ("customer", "leaves")]
    assert [words_of((step,)) for step in leave] == [
        "the customer leaves after 500 ms and is back 2 s later",
        "the customer leaves after 50 ms",
        "the customer leaves after 50 ms and is back 650 ms later",
        "the customer leaves after 50 ms and is back 550 ms later",
        "the customer leaves after 50 ms and is back 750 ms later",
    ]


def test_no_script_lets_a_customer_pay_again_who_has_left() -> None:
    retry = next(step for step in step_choices(OWN) if step.place == ("customer", "retry"))
    leave = next(step for step in step_choices(OWN) if step.place == ("customer", "leaves"))
    assert fits((retry,))
    assert fits((leave,))
    assert not fits((leave, retry))


def test_customers_come_back_only_where_there_is_something_to_look_at() -> None:
    text = Path("examples/shop-python/chain-naive.yaml").read_text()
    lines = [
        line for line in text.splitlines() if "pending:" not in line and "returns:" not in line
    ]
    chain = checked("\n".join(lines))
    leave = [step for step in step_choices(chain) if step.place == ("customer", "leaves")]
    assert [words_of((step,)) for step in leave] == ["the customer leaves after 50 ms"]
    back = {"customer": {"leaves": {"after": "1s", "returns_after": "1s"}}}
    (problem,) = check_steps(Script.model_validate({"steps": [back]}), 0, chain)
    assert problem.what == "no place to look is declared for returning customers of shop"
    assert problem.path == ("scripts", 0, "steps", 0, "customer", "leaves", "returns_after")


def test_customers_linger_and_tamper_only_where_a_later_request_shows_it() -> None:
    text = Path("examples/shop-python/chain-naive.yaml").read_text()
    named = text.replace(
        '"/orders/{order}/return"}   #', '"/orders/{order}/return?sum={amount}"} #'
    )
    assert named != text

    def does(chain: Chain) -> list[str]:
        kinds = ("lingers", "tampers")
        return [words_of((step,)) for step in step_choices(chain) if step.place[1] in kinds]

    lingers = "the customer takes 6 s to go on after the first answer"
    tampers = "the customer names 50 % of the amount in each request after the first"
    assert does(OWN) == [lingers]
    assert does(checked(named)) == [lingers, tampers]
    assert does(CHAIN) == []
    assert does(load_chain("examples/gateway-go/chain-naive.yaml").model) == []
    for what, chain, problem in (
        ("tampers", OWN, "customers name the amount once, or not in their first request"),
        ("tampers", CHAIN, "no customer of this chain sends a second request"),
        ("lingers", CHAIN, "no customer of this chain sends a second request"),
    ):
        given = {"lingers": {"for": "2s"}, "tampers": {}}[what]
        step = {"customer": {what: given}}
        (found,) = check_steps(Script.model_validate({"steps": [step]}), 0, chain)
        assert found.what == problem


def test_every_kind_of_one_request_is_drawn() -> None:
    """Those that say more than one thing at once come last: what is simpler explains more."""
    at_authorise = [
        step
        for step in step_choices(OWN)
        if step.place == ("link", "stripe", "authorise") and step.number == 1
    ]
    kinds = list(dict.fromkeys(step.name.split()[0] for step in at_authorise))
    able = {name for name, kind in KINDS.items() if issubclass(kind, RequestFaultKind)}
    assert able - set(kinds) == {"gray"}  # of one request it is an http_error
    assert kinds[-4:] == ["duplicate_request", "rate_limit", "wrong_answer", "stale_answer"]
    says = [words_of((step,)) for step in at_authorise if step.name.startswith("wrong_answer")]
    assert [text.partition("says ")[2].partition(",")[0] for text in says] == [
        "declined",
        "approved",
        "another_amount",
        "another_payment",
    ]


def found(steps: Steps) -> FoundScript:
    return FoundScript(
        rule="no_double_charge",
        steps=steps,
        finding=Finding("p0000001", 100, "2.00 EUR held", ()),
        at_script=3,
        stories=(),
    )


def test_what_was_found_is_an_experiment_that_can_be_run(tmp_path: Path) -> None:
    steps = (LOST, pick(("customer", "retry"), "retry same"))
    path = write_found(found(steps), CHAIN, tmp_path)
    loaded = load_experiment(str(path), CHAIN, needs_tolerances=True).model
    (script,) = loaded.scripts
    assert script.steps == script_of(steps).steps
    assert words_of(steps) in path.read_text()
    assert "scripts" not in experiment_of(found(()), CHAIN)


def test_what_an_outage_broke_is_an_experiment_with_the_outage(tmp_path: Path) -> None:
    outage = outage_choices(OWN)[-1]
    with_outage = replace(found(()), outage=outage)
    path = write_found(with_outage, OWN, tmp_path)
    loaded = load_experiment(str(path), OWN, needs_tolerances=True).model
    (fault,) = loaded.faults
    assert (fault.kind, str(fault.target), fault.lasts) == ("crash", "link shop", 3.0)
    assert "shop is killed and stays down for 3s" in path.read_text()
    # What a script does beside an outage may do nothing alone.
    remember([replace(with_outage, steps=(LOST,))], [], CHAIN, tmp_path)
    assert recall(CHAIN, CHOICES, tmp_path) == []


def test_what_was_found_is_tried_first_next_time(tmp_path: Path) -> None:
    assert recall(CHAIN, CHOICES, tmp_path) == []
    steps = (LOST, pick(("webhook", "processor-a"), "twice"))
    remember([found(steps), found(())], [(LOST,)], CHAIN, tmp_path)
    assert recall(CHAIN, CHOICES, tmp_path) == [steps, (LOST,)]
    # A script whose steps the chain cannot have any more is no script.
    rest = [step for step in CHOICES if step.place[0] != "webhook"]
    assert recall(CHAIN, rest, tmp_path) == [(LOST,)]
    (tmp_path / ".scripts" / f"{CHAIN.chain}.json").write_text('{"edited": 1}')
    assert recall(CHAIN, CHOICES, tmp_path) == []


@pytest.mark.parametrize(
    "wrong", [{"rules": ("nothing",)}, {"budget_s": 0.0}, {"max_scripts": 0}, {"batch": 7}]
)
def test_a_search_that_cannot_find_anything_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError):
        LiveSpec(**wrong)  # type: ignore[arg-type]  # of mixed types
