"""The search for the smallest outage: how fast it runs schedules, and whether it finds bugs.

Speed is given per minute of processor time on one core, in alternating rounds over sound chains;
then per minute of the clock with one job and with as many as there are cores, in pairs.
Each planted bug is searched with so many seeds: how many found it, how many shrunk it to its known
minimum, how many schedules that took, and how much CPU time. With a log it goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.simulation import CHAIN, declared
from paychain.explore.jobs import search_with_jobs
from paychain.explore.schedules import in_words
from paychain.explore.search import search
from paychain.explore.spec import SearchSpec
from paychain.model.chain import Chain
from paychain.model.loading import load_chain

if TYPE_CHECKING:
    from tests.support.planted_outages import Planted

ROUNDS, SCHEDULES, PAYMENTS = 3, 150, 20
JOB_SCHEDULES = 1_000  # of each job: a process of its own needs a second to begin
CHAINS = ("card-stand-in", "card-ecommerce", "card-lifecycle")


def order_of(chain: Chain, seed: int, most: int) -> SearchSpec:
    """So many schedules of which none breaks what is looked for: nothing is shrunk."""
    return SearchSpec(
        chain,
        seed_of_search=seed,
        budget_s=float("inf"),
        max_schedules=most,
        payments=PAYMENTS,
        rules=("run_ends",),
    )


def speed() -> None:
    """Schedules a minute, payments a second, and virtual seconds in one second."""
    chains: dict[str, Chain] = {"five links": declared(Chain, CHAIN)}
    chains |= {name: load_chain(name).model for name in CHAINS}
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in chains}
    for number in range(ROUNDS):
        for name, chain in chains.items():
            order = order_of(chain, number, SCHEDULES)
            begun = time.process_time()
            searched = search(order, lambda _: None)
            took = time.process_time() - begun
            rates[name].append((searched.schedules / took, searched.virtual_s / took))
    for name, measured in rates.items():
        schedules, compression = (
            statistics.median(column) for column in zip(*measured, strict=True)
        )
        print(
            f"  {name}: {60 * schedules:,.0f} schedules/min of {PAYMENTS} payments, "
            f"{PAYMENTS * schedules:,.0f} payments/s, x {compression:.0f}"
        )


def cores(jobs: int) -> None:
    """How much faster several jobs are than one."""
    chain = declared(Chain, CHAIN)
    rates: dict[int, list[float]] = {1: [], jobs: []}
    for number in range(ROUNDS):
        for many, measured in rates.items():
            begun = time.perf_counter()
            order = order_of(chain, number, JOB_SCHEDULES * many)
            searched = search_with_jobs(order, many, lambda _: None)
            measured.append(60 * searched.schedules / (time.perf_counter() - begun))
    ratios = [several / each for each, several in zip(*rates.values(), strict=True)]
    print(
        f"  five links, by the clock: {statistics.median(rates[1]):,.0f} schedules/min with 1 job, "
        f"{statistics.median(rates[jobs]):,.0f} with {jobs}: "
        f"x {statistics.median(ratios):.2f}, median of the pairs"
    )


def planted(seeds: int, wanted: str, log: Path | None) -> None:
    """How surely each planted bug is found. What the log has already is not searched again."""
    from tests.support.planted_outages import PLANTED, PLANTED_IN_LARGE_CHAINS

    done = [] if log is None or not log.exists() else log.read_text("utf-8").splitlines()
    known = {(row["bug"], row["seed"]): row for row in map(json.loads, done)}
    for bug in (*PLANTED, *PLANTED_IN_LARGE_CHAINS):
        if not re.search(wanted, bug.name):
            continue
        rows = []
        for seed in range(1, seeds + 1):
            row = known.get((bug.name, seed))
            if row is None:
                row = _searched(bug, seed)
                if log is not None:
                    with log.open("a", encoding="utf-8") as lines:
                        lines.write(json.dumps(row) + "\n")
            rows.append(row)
        found = [row for row in rows if row["at_schedule"]]
        least = sum(row["faults"] <= bug.faults for row in found)
        needed = [row["at_schedule"] for row in found]
        median = f", after {statistics.median(needed):.0f} schedules" if needed else ""
        most = f" (at most {max(needed)})" if needed else ""
        took = [row["cpu_s"] for row in rows]
        print(
            f"  {bug.name}: found {len(found)} of {seeds}, {least} shrunk to "
            f"{bug.faults} fault{'s' * (bug.faults > 1)} or fewer{median}{most}, "
            f"{statistics.median(took):.0f} s of CPU time a seed",
            flush=True,
        )


def _searched(bug: Planted, seed: int) -> dict[str, Any]:
    """One search for one bug."""
    from tests.support.planted_outages import look_for

    begun = time.process_time()
    outage, searched = look_for(bug, seed=seed)
    return {
        "bug": bug.name,
        "seed": seed,
        "at_schedule": outage.at_schedule if outage is not None else 0,
        "faults": len(outage.schedule) if outage is not None else 0,
        "outage": in_words(outage.schedule) if outage is not None else "",
        "schedules": searched.schedules,
        "cpu_s": round(time.process_time() - begun, 1),
    }


def main(options: Sequence[str] = ()) -> None:
    """Print the speed, then the planted bugs."""
    parser = argparse.ArgumentParser(prog="python -m bench explore")
    parser.add_argument("--seeds", type=int, default=20, help="for each planted bug; 0: only speed")
    parser.add_argument("--bug", help="only planted bugs whose name has this pattern, and no speed")
    parser.add_argument("--log", type=Path, help="JSON lines, a search each: what is there is kept")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="1: no comparison")
    chosen = parser.parse_args(options)
    if chosen.bug is None:
        speed()
        if chosen.jobs > 1:
            cores(chosen.jobs)
    if chosen.seeds:
        planted(chosen.seeds, chosen.bug or "", chosen.log)


if __name__ == "__main__":
    main()
