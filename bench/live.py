"""The search on running shops: scripts per minute, and whether it finds planted mistakes.

Each shop is the sound example in Python with one mistake (`tests/support/mistaken_shop.py`). Per
shop and seed: what was found, with which script, after how long, whether nothing simpler breaks the
rule, and how many of three payments reproduced it alone. On shops without a mistake, nothing is.

    python -m bench live --shop refunds_again --seeds 3 --for 60
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from paychain.environment.real import RealChain
from paychain.environment.running_chain import RunningChain
from paychain.explore.live.result import LiveResult, LiveSpec, words_of
from paychain.explore.live.search import LiveSearch
from paychain.model.chain import Chain
from paychain.model.loading import Loaded, load_chain
from tests.support.mistaken_chains import MISTAKES, SOUND, mistaken_chain


def searched(loaded: Loaded[Chain], spec: LiveSpec, scratch: Path) -> tuple[LiveResult, float]:
    """What a search of a chain finds, and after how many seconds the first rule was broken."""
    chains = 0
    first_s = float("nan")
    began_s = time.monotonic()

    def opened() -> RunningChain:
        nonlocal chains
        chains += 1
        folder = scratch / f"{spec.seed}-{chains}"
        folder.mkdir()
        return RealChain(loaded, folder, seed=spec.seed)

    def note(result: LiveResult) -> None:
        nonlocal first_s
        if result.found and first_s != first_s:
            first_s = time.monotonic() - began_s

    result = LiveSearch(loaded.model, spec, opened, on_progress=note).run()
    return result, first_s


def report(name: str, seed: int, result: LiveResult, first_s: float) -> None:
    """Print what a search has found."""
    print(
        f"  {name}, seed {seed}: {result.scripts:,} scripts in {result.took_s:.0f} s "
        f"({result.rate:,.0f} per minute), {result.requests:,} requests; a payment without a "
        f"script takes {1000 * result.payment_s:.0f} ms; spaced {result.spaced}, restarted "
        f"{result.restarts}",
        flush=True,
    )
    for rule, found in result.found.items():
        is_expected = rule in MISTAKES.get(name, ())
        print(
            f"    {'+' if is_expected else '!'} {rule} (first broken after {first_s:.0f} s, script "
            f"{found.at_script}): {words_of(found.steps)}; minimal: {found.is_minimal}; "
            f"reproduced {found.reproduced} of 3",
            flush=True,
        )
        print(f"      {found.finding.text}")
    for rule, script in result.doubtful.items():
        print(f"    ? not reproduced: {rule}: {script}")
    for rule, number in result.coupled.items():
        print(f"    ? {number} payments without a script broke {rule}")


def main(words: Sequence[str] = ()) -> None:
    """Search every shop with every seed."""
    asked = argparse.ArgumentParser(prog="python -m bench live")
    asked.add_argument("--shop", action="append", help="a mistake, none, refunds, or a chain file")
    asked.add_argument("--seeds", type=int, default=1, help="from 1 on")
    asked.add_argument("--for", dest="for_s", type=float, default=60.0, help="seconds each")
    asked.add_argument("--scripts", type=int, help="most scripts of each search")
    options = asked.parse_args(list(words))
    # The examples' chains start their shops by name, from this environment.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for name in options.shop or [*MISTAKES, *SOUND]:
        for seed in range(1, options.seeds + 1):
            with tempfile.TemporaryDirectory(prefix="paychain-") as scratch:
                path = Path(name)
                if not path.is_file():
                    path = Path(scratch, "chain.yaml")
                    path.write_text(mistaken_chain(name))
                spec = LiveSpec(
                    seed=seed,
                    budget_s=options.for_s,
                    max_scripts=options.scripts,
                    rules=tuple(sorted(MISTAKES.get(name, ()))),
                )
                report(name, seed, *searched(load_chain(str(path)), spec, Path(scratch)))
