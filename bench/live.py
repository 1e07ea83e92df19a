"""The search on running shops: scripts per minute, and whether it finds planted mistakes.

Each shop is the sound example in Python with one mistake (`tests/support/mistaken_shop.py`). Per
shop and seed: what was found, with which script, after how long, whether nothing simpler breaks the
rule, and how many of three payments reproduced it alone. On shops without a mistake, nothing is.

    python -m bench live --shop refunds_again --seeds 20 --for 60 --first
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
from paychain.explore.live.result import LiveResult, LiveSpec
from paychain.explore.live.search import LiveSearch
from paychain.explore.live.steps import step_choices
from paychain.model.chain import Chain
from paychain.model.loading import Loaded, load_chain
from tests.support.mistaken_chains import IN_OUTAGES, MISTAKES, SOUND, mistaken_chain

EXPECTED = MISTAKES | IN_OUTAGES


def searched(
    loaded: Loaded[Chain],
    spec: LiveSpec,
    scratch: Path,
    *,
    is_first_enough: bool = False,
    subjects: Sequence[str] = (),
) -> tuple[LiveResult, float]:
    """What a search of a chain finds, and after how many seconds the first rule was broken.

    `is_first_enough`: it ends once something is found and reproduced. `subjects`: whose doing is
    scripted, of link, webhook and customer; () for all.
    """
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
        if is_first_enough and any(found.reproduced for found in result.found.values()):
            raise KeyboardInterrupt  # what a user does who has seen enough

    choices = [
        step for step in step_choices(loaded.model) if not subjects or step.place[0] in subjects
    ]
    result = LiveSearch(loaded.model, spec, opened, on_progress=note, choices=choices).run()
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
        is_expected = rule in EXPECTED.get(name, ())
        print(
            f"    {'+' if is_expected else '!'} {rule} (first broken after {first_s:.0f} s, script "
            f"{found.at_script}): {found.words}; minimal: {found.is_minimal}; "
            f"reproduced {found.reproduced} of {found.alone}",
            flush=True,
        )
        print(f"      {found.finding.text}")
    for rule, script in result.doubtful.items():
        print(f"    ? not reproduced: {rule}: {script}")
    for rule, number in result.coupled.items():
        print(f"    ? {number} payments without a script broke {rule}")


def summarise(name: str, results: Sequence[LiveResult]) -> None:
    """Print on how many seeds something was found, and how good it is."""
    found = [list(result.found.values()) for result in results]
    print(
        f"  {name}: found on {sum(map(bool, found))} of {len(results)} seeds; all of it minimal on "
        f"{sum(bool(each) and all(one.is_minimal for one in each) for each in found)}, something "
        f"reproduced each time on {sum(any(one.is_certain for one in each) for each in found)}",
        flush=True,
    )


def main(words: Sequence[str] = ()) -> None:
    """Search every shop with every seed."""
    asked = argparse.ArgumentParser(prog="python -m bench live")
    asked.add_argument("--shop", action="append", help="a mistake, none, refunds, or a chain file")
    asked.add_argument("--seeds", type=int, default=1, help="from 1 on")
    asked.add_argument("--for", dest="for_s", type=float, default=60.0, help="seconds each")
    asked.add_argument("--scripts", type=int, help="most scripts of each search")
    asked.add_argument("--first", action="store_true", help="end with the first finding")
    asked.add_argument("--outages", type=float, default=0.0, help="share of the batches: 0.5")
    options = asked.parse_args(list(words))
    # The examples' chains start their shops by name, from this environment.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for name in options.shop or [*MISTAKES, *SOUND]:
        results: list[LiveResult] = []
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
                    rules=tuple(sorted(EXPECTED.get(name, ()))),
                    outage_share=options.outages,
                )
                loaded = load_chain(str(path))
                result, first_s = searched(
                    loaded, spec, Path(scratch), is_first_enough=options.first
                )
                report(name, seed, result, first_s)
                results.append(result)
        summarise(name, results)
