"""How often `paychain compare` raises a false alarm, and how often it finds what is there.

Synthetic runs of one phase and one hop (six measures): equal ones (A/A), and worse ones (A/B).
`--pairs N` sets how many of each, `--only TEXT` selects by name.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from paychain.analysis.compare import compare_series
from tests.support.synthetic_runs import Conditions, draw

PAIRS = 200


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of comparison. `baselines`: how many runs the candidate is compared with.

    `seconds`: how long the candidate runs, if not as long as they.
    """

    name: str
    conditions: Conditions
    seconds: int = 0
    lost: float = 0.0
    slower: float = 1.0
    tail: float = 0.0
    baselines: int = 1


def cases() -> list[Case]:
    """Every case that docs/measures.md reports."""
    plain = Conditions()
    swings = {
        "independent": plain,
        "AR .9, 10 % swing": replace(plain, correlation=0.9, latency_swing=0.1, failure_swing=0.3),
        "AR .95, 20 % swing": replace(
            plain, correlation=0.95, latency_swing=0.2, failure_swing=0.5
        ),
        "AR .95, 5 % swing": replace(
            plain, correlation=0.95, latency_swing=0.05, failure_swing=0.5
        ),
    }
    found = [
        Case(name=f"equal, {name}, {seconds} s", conditions=replace(swing, seconds=seconds))
        for seconds in (16, 60, 240)
        for name, swing in swings.items()
    ]
    wide = replace(swings["AR .95, 20 % swing"], latency_swing=0.5)
    slow = replace(swings["AR .95, 20 % swing"], correlation=0.98)
    found += [
        Case(name="equal, AR .95, 50 % swing, 60 s", conditions=wide),
        Case(name="equal, AR .98, 20 % swing, 60 s", conditions=slow),
        Case(
            name="equal, AR .95, 20 % swing, 30 s",
            conditions=replace(swings["AR .95, 20 % swing"], seconds=30),
        ),
        Case(name="equal, 240 s beside 60 s", conditions=replace(plain, seconds=240), seconds=60),
    ]
    apart = replace(plain, apart=0.05)
    found += [
        Case(name=f"equal, runs 5 % apart, {number} baselines", conditions=apart, baselines=number)
        for number in (1, 3, 5)
    ]
    found.append(
        Case(
            name="equal, AR .9, runs 5 % apart, 3 baselines",
            conditions=replace(swings["AR .9, 10 % swing"], apart=0.05),
            baselines=3,
        )
    )
    changes: dict[str, dict[str, Any]] = {
        "-0.5 points": {"lost": 0.005},
        "-1 point": {"lost": 0.01},
        "-2 points": {"lost": 0.02},
        "+5 % latency": {"slower": 1.05},
        "+10 % latency": {"slower": 1.1},
        "+20 % latency": {"slower": 1.2},
        "+50 % latency": {"slower": 1.5},
        "p99 doubled": {"tail": 0.015},
        "p99 times 2.4": {"tail": 0.02},
    }
    found += [
        Case(name=f"{name}, {seconds} s", conditions=replace(plain, seconds=seconds), **change)
        for seconds in (60, 240)
        for name, change in changes.items()
    ]
    found += [
        Case(
            name=f"{name}, 240 s, {number} baselines",
            conditions=replace(plain, seconds=240),
            baselines=number,
            **changes[name],
        )
        for number, name in (
            *((5, name) for name in ("-1 point", "-2 points", "+10 % latency", "p99 doubled")),
            (3, "-0.5 points"),
        )
    ]
    found.append(
        Case(
            name="-2 points, 240 s beside 60 s",
            conditions=replace(plain, seconds=240),
            seconds=60,
            lost=0.02,
        )
    )
    found += [
        Case(
            name=f"100 % to 0 %, {seconds} s", conditions=replace(plain, seconds=seconds), lost=1.0
        )
        for seconds in (3, 12)
    ]
    return found


def judge(case: Case, number: int) -> set[str]:
    """The measures that one comparison of a case reports as worse."""
    chance = Random(f"{case.name} {number}")
    baselines = [draw(case.conditions, chance) for _ in range(case.baselines)]
    conditions = replace(case.conditions, seconds=case.seconds or case.conditions.seconds)
    candidate = draw(conditions, chance, lost=case.lost, slower=case.slower, tail=case.tail)
    return {
        measure.measure
        for measure in compare_series(baselines, candidate)
        if measure.finding == "regression"
    }


def main(words: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--only", default="")
    options = parser.parse_args(words)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for case in cases():
            if options.only not in case.name:
                continue
            found = list(pool.map(judge, [case] * options.pairs, range(options.pairs), chunksize=4))
            share = 100 / options.pairs
            line = f"{case.name:42s} any {share * sum(map(bool, found)):5.1f} %"
            for measure in ("technical success", "failed", "p50", "p99"):
                line += f"  {measure} {share * sum(measure in each for each in found):5.1f} %"
            print(line, flush=True)


if __name__ == "__main__":
    main()
