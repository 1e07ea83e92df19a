"""How often `paychain compare` cries wolf, and how often it finds what is there: 40 pairs of
virtual runs with different seeds, alike (A/A), and with a point of success lost and 10 % slower."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from harness import virtual
from harness.comparing import compare_runs
from harness.model.loading import load_chain, load_experiment
from harness.order import Order
from harness.progress import Silent

PAIRS = 40
EXPERIMENT = """\
experiment: long
load: {arrivals: 50/s, warm_up: 2s, before: 120s, after: 120s}
"""
CHAIN = """\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    answers_in: {median: MEDIANms, p99: P99ms}
    calls: {authorise: {to: issuer, timeout: 3s}}
  issuer: {role: issuer, answers_in: {median: MEDIANms, p99: P99ms}DECLINES}
"""
KINDS = {  # median, p99, declines: log-normal times scale as a whole
    "alike": (30, 120, ""),
    "worse": (33, 132, ', declines: {share: 1%, code: "91"}'),
}


def run(folder: Path, kind: str, seed: int) -> Path:
    median, p99, declines = KINDS[kind]
    place = folder / f"{kind}-{seed}"
    place.mkdir(parents=True)
    text = CHAIN.replace("MEDIAN", str(median)).replace("P99", str(p99))
    (place / "shop.yaml").write_text(text.replace("DECLINES", declines))
    (place / "long.yaml").write_text(EXPERIMENT)
    chain = load_chain(str(place / "shop.yaml"))
    experiment = load_experiment(str(place / "long.yaml"), chain.model)
    return virtual.run(Order(chain, experiment, place, seed, None, ""), Silent()).folder


def pair(folder: Path, number: int) -> dict[str, list[str]]:
    """What one pair of each kind was found to be."""
    baseline = run(folder, "alike", 2 * number + 1)
    found = {}
    for kind in KINDS:
        other = run(folder, kind, 2 * number + 2)
        compared = compare_runs(baseline, other, across_chains=True)
        found[kind] = [one.measure for one in compared.measures if one.finding == "regression"]
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, ProcessPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(pair, [Path(scratch)] * PAIRS, range(PAIRS)))
    alarms = sum(bool(one["alike"]) for one in found)
    lost = sum("technical success" in one["worse"] for one in found)
    slower = sum("p99" in one["worse"] for one in found)
    print(f"alike: {alarms} false alarms in {PAIRS} pairs")
    print(f"a point of success lost: found in {lost} of {PAIRS}")
    print(f"p99 10 % slower: found in {slower} of {PAIRS}")


if __name__ == "__main__":
    main()
