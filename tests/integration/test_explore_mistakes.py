"""Real shops with one planted mistake each: what shows it is minimised and reproduced.

`python -m bench live` searches for every mistake, with as many seeds as wanted.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from paychain.environment.real import RealChain
from paychain.environment.running_chain import RunningChain
from paychain.explore.live.result import LiveSpec
from paychain.explore.live.search import LiveSearch
from paychain.explore.live.steps import Place, step_choices
from paychain.model.loading import load_chain
from tests.support.mistaken_chains import mistaken_chain

AUTHORISE, REFUND, VOID = (
    ("link", "stripe", operation) for operation in ("authorise", "refund", "void")
)
# A mistake, a rule that it breaks, and steps that show it. A customer who presses twice beside them
# is not needed for it.
CASES = [
    ("refunds_again", "repeats_without_effect", [(REFUND, "lost_answer")]),
    ("reversed_once", "no_double_charge", [(AUTHORISE, "lost_answer"), (VOID, "http_error")]),
]
PRESSES = (("customer", "presses_twice"), "presses_twice same")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("mistake", "rule", "needed"), CASES)
def test_a_planted_mistake_is_shown_minimised_and_reproduced(
    mistake: str, rule: str, needed: list[tuple[Place, str]], tmp_path: Path
) -> None:
    path = tmp_path / "chain.yaml"
    path.write_text(mistaken_chain(mistake))
    loaded = load_chain(str(path))
    choices = step_choices(loaded.model)
    known = tuple(
        next(step for step in choices if (step.place, step.name, step.number) == (place, name, 1))
        for place, name in [*needed, PRESSES]
    )
    folders = (tmp_path / str(number) for number in count())

    def opened() -> RunningChain:
        folder = next(folders)
        folder.mkdir()
        return RealChain(loaded, folder, seed=1)

    spec = LiveSpec(budget_s=400.0, max_scripts=8, batch=8, rules=(rule,))
    result = LiveSearch(loaded.model, spec, opened, known=[known]).run()
    found = result.found[rule]
    assert {step.place for step in found.steps} == {place for place, _ in needed}
    assert found.is_minimal
    assert found.reproduced
