"""Some of the random moments of `python -m bench moments`."""

from __future__ import annotations

import pytest

from bench.moments import Moment, try_moment
from tests.support.processes import needs_proc

SEED = 1
# The fault engine is killed amid the load, the conductor is asked to end while what is left
# settles, and the load process of an own service's run is killed. CI sees a killed conductor in
# test_hostile_places.py, killed mocks and a conductor that is asked to end in
# test_interruptions.py.
NUMBERS = (13, 191, 360)


@pytest.mark.thorough
@needs_proc
@pytest.mark.parametrize("number", NUMBERS)
def test_a_process_that_is_ended_at_a_random_moment_makes_no_verdict_wrong(number: int) -> None:
    assert try_moment(Moment.drawn(SEED, number)).wrongs == []
