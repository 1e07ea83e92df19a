"""How long a live search waits, whatever the machine does."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.explore.live.result import LiveSpec
from tests.support.live_waits import SETTLES_S, START_S, waited

BROKEN_S = 2 * SETTLES_S  # eight payments, the first scripts, and what the service may settle
TURN_S = 2.5  # a batch takes 2 s, and what is minimised waits until the last one has begun to pay
ALONE_S = START_S + 3 * 2.5 + SETTLES_S + 1  # three payments of two seconds, one after the other


@pytest.mark.slow
def test_a_mistake_is_minimal_when_it_is_known_and_reproduced_in_one_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    search = waited(tmp_path, LiveSpec(rules=("no_double_charge",)))
    found = search.result.found["no_double_charge"]
    assert found.words == "the first authorise at first: works, its answer is lost"
    assert (found.is_minimal, found.reproduced) == (True, 3)
    assert search.found_s < BROKEN_S
    assert search.result.took_s < search.found_s + TURN_S + ALONE_S
