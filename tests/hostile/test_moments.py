"""Some of the random moments of `python -m bench moments`."""

from __future__ import annotations

import pytest

from bench.moments import Moment, play
from tests.support.processes import needs_proc
from tests.support.tiers import only

SEED = 1
# The conductor is killed amid the load, and asked to end while what is left settles; the mocks
# behind an own service are killed. A killed conductor is in test_hostile_places.py, and killed
# mocks are in test_interruptions.py.
NUMBERS = (13, 27, 28)


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("number", only({27}, NUMBERS))
def test_a_process_that_is_ended_at_a_random_moment_makes_no_verdict_wrong(number: int) -> None:
    assert play(Moment.drawn(SEED, number)).wrongs == []
