"""Which scripts a search tries next, and what it learns from those that it has tried."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest

from paychain.explore.live.candidates import MIN_CONTROLS, Candidates
from paychain.explore.live.steps import DECLINED, Place, Steps, step_choices
from paychain.model.loading import load_chain
from paychain.processes.part import WHOLE, Part
from tests.support.mistaken_chains import MISTAKES
from tests.support.scripted_shop import Shop

CHOICES = step_choices(load_chain("examples/shop-python/chain-naive.yaml").model)
AUTHORISE: Place = ("link", "stripe", "authorise")
CAPTURE: Place = ("link", "stripe", "capture")
REFUND: Place = ("link", "stripe", "refund")
USUAL: Mapping[Place, int] = {AUTHORISE: 1, CAPTURE: 1}
LOST = next(step for step in CHOICES if (step.place, step.name) == (CAPTURE, "lost_answer"))


def candidates(
    *known: Steps,
    usual: Mapping[Place, int] | None = USUAL,
    seed: int = 1,
    part: Part = WHOLE,
) -> Candidates:
    """Those of a search that has seen what payments ask for, unless it is None."""
    made = Candidates(CHOICES, known, Random(seed), part)
    for _ in range(MIN_CONTROLS if usual is not None else 0):
        made.learn((), usual or {})
    return made


def test_what_was_found_before_is_tried_until_it_is_known_what_payments_ask_for() -> None:
    known = (LOST, LOST)
    assert candidates(known, usual=None).next(64) == [known]
    first, *others = candidates(known).next(64)
    assert first == known
    assert len(others) == 63


def test_single_steps_are_tried_where_requests_come_by_themselves() -> None:
    singles = [steps for steps in candidates().next(600) if len(steps) == 1]
    assert not singles[0][0].is_customers
    wanted = [
        each
        for each in CHOICES
        if (each.is_customers and not each.follows_decline) or USUAL.get(each.place) == each.number
    ]
    assert len(singles) == len(wanted)
    assert {step for (step,) in singles} == set(wanted)


def test_a_failure_that_lasts_over_repeats_is_tried_early_and_is_followed_by_others() -> None:
    """A service that repeats what is not answered goes on only after its last try."""
    made = candidates()
    lost = [step for step in CHOICES if (step.place, step.name) == (AUTHORISE, "lost_answer")]
    first, second, _ = sorted(lost, key=lambda step: step.number)
    void: Place = ("link", "stripe", "void")
    made.learn((LOST,), {**USUAL, REFUND: 1})
    made.learn((first,), {AUTHORISE: 2})
    made.learn((first, second), {AUTHORISE: 2, void: 1})
    # Every other one is a single step.
    further = [steps for steps in made.next(16) if len(steps) == 3]
    assert further
    assert all(steps[:2] == (first, second) and steps[2].place == void for steps in further)


def test_what_leads_to_a_decline_leads_to_a_customer_who_pays_again() -> None:
    made = candidates()
    decline = next(step for step in CHOICES if (step.place, step.name) == (AUTHORISE, "decline"))
    assert not any(step.follows_decline for steps in made.next(40) for step in steps)
    made.learn((decline,), {AUTHORISE: 1, DECLINED: 1})
    again = [steps for steps in made.next(40) if any(step.follows_decline for step in steps)]
    assert [sorted(step.place for step in steps) for steps in again] == [[DECLINED, AUTHORISE]] * 2


@pytest.mark.parametrize("of", [2, 4])
def test_parts_share_the_single_steps_and_the_pairs_whatever_their_seeds(of: int) -> None:
    whole = candidates()
    parts = [candidates(seed=number, part=Part(number, of)) for number in range(1, of + 1)]
    # The lists themselves: what is drawn by chance beside them may be anything.
    for lists in (Candidates._singles, Candidates._pairs):
        shares = [set(lists(part)) for part in parts]
        assert all(shares)
        assert set.union(*shares) == set(lists(whole))
        assert sum(map(len, shares)) == len(set.union(*shares))


def test_what_one_busy_moment_made_a_payment_ask_for_is_not_usual() -> None:
    made = candidates()
    made.learn((), {**USUAL, REFUND: 1})
    assert not [steps for steps in made.next(40) if len(steps) == 1 and steps[0].place == REFUND]


def test_a_script_that_leads_to_another_request_is_extended_there() -> None:
    """Only an answer to a capture that is lost makes this service refund."""
    made = candidates()
    made.next(4)
    made.learn((LOST,), {**USUAL, REFUND: 1})
    at_refund = [
        steps for steps in made.next(100) if LOST in steps and REFUND in {s.place for s in steps}
    ]
    kinds = {step.name for steps in at_refund for step in steps if step.place == REFUND}
    assert kinds == {step.name for step in CHOICES if (step.place, step.number) == (REFUND, 1)}


def test_no_script_is_drawn_twice_and_what_was_interrupted_is_tried_again() -> None:
    made = candidates((LOST,))
    drawn = made.next(1_500)
    assert len(set(drawn)) == len(drawn)
    made.put_back(drawn[:2])
    assert made.next(3)[:2] == drawn[:2]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_met_by_one_of_the_first_scripts_whatever_the_seed(mistake: str) -> None:
    """Whatever takes one failure, or another one at what that leads to, is not left to chance."""
    for seed in (1, 2):
        made = candidates(usual=Shop((), mistake).asked, seed=seed)
        met = 0
        begun: list[Steps] = []
        while not met and len(begun) < 192:
            following = made.next(32)
            met += sum(Shop(steps, mistake).broken for steps in following)
            # What they lead to is known when the next ones have begun.
            for steps in begun[-32:]:
                made.learn(steps, Shop(steps, mistake).asked)
            begun += following
        assert met, f"seed {seed}"
