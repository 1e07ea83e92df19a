"""The search on real shops with one planted mistake each: it is found, minimal and reproduced.

`python -m bench live` does the same with every mistake and many seeds.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from paychain.environment.real import RealChain
from paychain.environment.running_chain import RunningChain
from paychain.explore.live.result import LiveSpec
from paychain.explore.live.search import LiveSearch
from paychain.model.loading import load_chain
from tests.support.mistaken_chains import mistaken_chain

# A mistake, a rule that it breaks, and what has to be among the steps of the smallest script.
CASES = [
    ("refunds_again", "repeats_without_effect", ("link", "stripe", "refund")),
    ("reversed_once", "no_double_charge", ("link", "stripe", "void")),
]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("mistake", "rule", "place"), CASES)
def test_a_planted_mistake_is_found(
    mistake: str, rule: str, place: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "chain.yaml"
    path.write_text(mistaken_chain(mistake))
    loaded = load_chain(str(path))
    folders = (tmp_path / str(number) for number in count())

    def opened() -> RunningChain:
        folder = next(folders)
        folder.mkdir()
        return RealChain(loaded, folder, seed=1)

    spec = LiveSpec(budget_s=400.0, max_scripts=600, rules=(rule,))
    result = LiveSearch(loaded.model, spec, opened).run()
    found = result.found[rule]
    assert place in {step.place for step in found.steps}
    assert found.is_minimal
    assert found.reproduced == 3
