"""Which scripts a search tries next, and what it learns from those that it has tried."""

from __future__ import annotations

from random import Random

from paychain.explore.live.candidates import Candidates
from paychain.explore.live.steps import Steps, step_choices
from paychain.model.loading import load_chain

CHOICES = step_choices(load_chain("examples/shop-python/chain-naive.yaml").model)
AUTHORISE, CAPTURE, REFUND = (
    ("link", "stripe", operation) for operation in ("authorise", "capture", "refund")
)
USUAL = {AUTHORISE: 1, CAPTURE: 1}
LOST = next(step for step in CHOICES if (step.place, step.name) == (CAPTURE, "lost_answer"))


def candidates(*known: Steps) -> Candidates:
    return Candidates(CHOICES, known, Random(1))


def test_what_was_found_before_comes_first_then_the_simplest_steps() -> None:
    known = (LOST, LOST)
    first, second, third = candidates(known).next(3)
    assert first == known
    assert (second, third) == ((CHOICES[0],), (CHOICES[1],))


def test_single_steps_are_tried_where_requests_come_by_themselves() -> None:
    made = candidates()
    made.learn((), USUAL)
    singles = [steps for steps in made.next(600) if len(steps) == 1]
    assert {step.place for (step,) in singles if not step.is_customers} == set(USUAL)
    assert {step.number for (step,) in singles} == {1}
    assert any(step.is_customers for (step,) in singles)


def test_a_script_that_leads_to_another_request_is_extended_there() -> None:
    """Only an answer to a capture that is lost makes this service refund."""
    made = candidates()
    made.learn((), USUAL)
    made.learn((LOST,), {**USUAL, REFUND: 1})
    drawn = [steps for steps in made.next(1_500) if len(steps) == 2]
    at_refund = [steps for steps in drawn if LOST in steps and REFUND in {s.place for s in steps}]
    # Some hundred steps are at first requests: by chance one script in 60,000 would be such.
    assert len(at_refund) > 10


def test_no_script_is_drawn_twice_and_what_was_interrupted_is_tried_again() -> None:
    made = candidates((LOST,))
    drawn = made.next(1_500)
    assert len(set(drawn)) == len(drawn)
    made.put_back(drawn[:2])
    assert made.next(3)[:2] == drawn[:2]
