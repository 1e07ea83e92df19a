"""What a live search waits for: seconds until a mistake is found, minimal and reproduced.

In virtual time, with the waits of a real chain (`tests/support/live_waits.py`): the same on every
machine, so that searches of two versions can be compared. What work costs is not counted.

    python -m bench live_waits --seeds 5
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from paychain.explore.live.result import LiveSpec
from tests.support.live_waits import waited


def main(words: Sequence[str] = ()) -> None:
    """Search the naive shop with each seed, and the sound one once."""
    asked = argparse.ArgumentParser(prog="python -m bench live_waits")
    asked.add_argument("--seeds", type=int, default=1, help="from 1 on")
    asked.add_argument("--scripts", type=int, default=300, help="on the sound shop")
    options = asked.parse_args(list(words))
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="paychain-") as made:
        os.chdir(made)
        for seed in range(1, options.seeds + 1):
            spec = LiveSpec(seed=seed, rules=("no_double_charge",))
            search = waited(Path(made), spec)
            found = search.result.found.get("no_double_charge")
            words_of_found = "nothing" if found is None else found.words
            again = "" if found is None else f"; reproduced {found.reproduced} of {found.alone}"
            print(
                f"  naive, seed {seed}: {words_of_found}; broken after {search.found_s:.1f} s, "
                f"minimal and reproduced after {search.result.took_s:.1f} s{again}",
                flush=True,
            )
        spec = LiveSpec(budget_s=600.0, max_scripts=options.scripts, rules=("no_double_charge",))
        result = waited(Path(made), spec, is_sound=True).result
        print(
            f"  sound: {result.scripts} scripts in {result.took_s:.1f} s, {result.rate:,.0f} per "
            f"minute, found {len(result.found)}"
        )
        os.chdir(before)
