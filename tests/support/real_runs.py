"""Real runs in the process of the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paychain.runs.chains import chain_of
from paychain.runs.finish import Finished
from paychain.runs.run import run
from paychain.runs.spec import RunSpec
from tests.support.shared_runs import TRIES


def run_for_real(folder: Path, spec_in: Callable[[Path], RunSpec]) -> Finished:
    """A run that is made again, in a folder of its own, where the machine disturbed it."""
    for number in range(TRIES):
        own = folder / str(number)
        own.mkdir()
        spec = spec_in(own)
        finished = run(spec, chain_of(spec))
        if finished.result.verdict != "inconclusive":
            break
    return finished
