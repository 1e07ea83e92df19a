"""Real runs beside virtual runs of the same chain and experiment: does virtual time tell the truth?

`python -m bench fidelity` runs representative pairs, with `--all` every pair, and writes what
agreed and what did not to docs/fidelity.md. Ctrl-C writes what was compared until then. With
`--runs DIR` runs are kept there, and those that are there are not run again, but for

- `--virtual-anew`: every virtual run,
- `--again-differing`: the real runs that differ from the virtual one, alone on the machine,
- `--again-slower`: those with a median outside the limits, too.

A folder of a pair holds `real`, `again` (real runs made alone later; the last one counts),
`virtual`, and where they differ other virtual runs: `order-1` to `order-8` with other orders of
events, and when those do not show all that the real run does, `seed-2` to `seed-9`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from bench._beside import Compared, Pair, compared
from bench._fidelity_document import document
from paychain.faults.target import EVERY_LINK
from paychain.model.files import available
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.errors import UserError
from paychain.report.result import FILE_NAME, Result, read
from paychain.runs.matrix import is_standard_fault, standard_faults

DOCUMENT = Path("docs/fidelity.md")
SEED = 1
AT_ONCE = 3  # real runs mostly wait
MAX_S = 240  # of one run
OTHERS = range(1, 9)  # virtual runs with other orders of events, and as many with other seeds
AFFECTED = "processor-a"  # every chain has it: where a standard fault is injected

PAIRS = [
    *(
        ("card-ecommerce", name)
        for name in (
            "steady",
            "processor-lost-answers",
            "processor-down",
            "aws-us-east-1-2025-10-20",
            "cloudflare-2025-11-18",
            "captures-lost",
            "errors-after-work",
            "issuer-away",
            "late-answers",
        )
    ),
    ("card-gives-up", "processor-lost-answers"),
    ("card-gives-up", "late-answers"),
    ("card-lifecycle", "captures-lost"),
    ("card-lifecycle", "issuer-away"),
    ("card-stand-in", "issuer-away"),
    ("card-stand-in", "stale-stand-in-limits"),
    ("card-eager-retries", "scheme-recovers"),
    ("card-retries-anew", "errors-after-work"),
    ("card-naive-webhooks", "steady"),
    ("card-void-breaker", "processor-lost-answers"),
    ("card-blocked-standby", "visa-europe-2018-06-01"),
    ("card-one-pool", "discover-2023-02-06"),
    ("card-pool-per-scheme", "discover-2023-02-06"),
    ("card-single-provider", "processor-down"),
]
# Why a pair differs, where it is known; shown only when it did differ.
EXPLAINED = {
    Pair("card-one-pool", "discover-2023-02-06"): (
        "hung requests hold all eight places of the pool and give them back together after "
        "2.5 s, in waves; who gets a place, and at which point of a wave the fault ends, turns on "
        "milliseconds"
    ),
}

# Why medians of an experiment differ, where it is known.
MEDIANS_EXPLAINED = {
    "processor-lost-answers": (
        "half of the payments lose their answer, so the median lies in the gap between those that "
        "go well and those that wait 2.5 s: of card-ecommerce's 160 payments in the fault, those "
        "next to it took about 175 and 215 ms in the real run as in the virtual one"
    ),
    "gray": (
        "most payments fail at once here, so 10 % is less than the 2 to 3 ms by which a real "
        "process is slower"
    ),
    "cloudflare-2025-11-18": (
        "the phase is the warm-up of two seconds: 80 payments, the first that these processes carry"
    ),
    "http-500": "as with gray: payments fail at once, and a real process is 2.2 ms slower",
}


def pairs(*, everything: bool) -> list[Pair]:
    """The representative pairs and each standard fault once, or all there are."""
    faults = [fault.model.experiment for fault in standard_faults()]
    if not everything:
        return [Pair(*pair) for pair in PAIRS] + [Pair("card-ecommerce", fault) for fault in faults]
    found = []
    for chain in sorted(available("chain")):
        model = load_chain(chain).model
        for name in sorted(available("experiment")):
            if name not in faults:
                try:
                    load_experiment(name, model)
                except UserError:
                    continue  # its target is not in this chain
            found.append(Pair(chain, name))
    return found


@dataclass
class Bench:
    """Runs pairs and compares them, some at once; what was done so far is in `done`."""

    runs: Path
    at_once: int
    done: dict[Pair, Compared] = field(default_factory=dict)
    failed: dict[Pair, str] = field(default_factory=dict)

    def each(self, wanted: Sequence[Pair], do: Callable[[Pair], Compared]) -> None:
        """Do it with every pair, and tell how it went. Ctrl-C ends it early."""
        pool = ThreadPoolExecutor(self.at_once)
        running = {pool.submit(do, pair): pair for pair in wanted}
        try:
            for number, future in enumerate(as_completed(running), start=1):
                pair = running[future]
                try:
                    self.done[pair] = future.result()
                except subprocess.TimeoutExpired as error:  # its text has paths of this machine
                    self.failed[pair] = outcome = f"cut off after {error.timeout:g} s"
                except UserError as error:
                    self.failed[pair] = outcome = str(error)
                else:
                    found = self.done[pair].differences
                    outcome = "; ".join(each.text for each in found) or "agrees"
                print(f"  {number}/{len(wanted)} {pair}: {outcome}", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)

    def compare(self, pair: Pair) -> Compared:
        """Compare what there is, and run what there is not. Raises UserError without a result."""
        folder = self.runs / f"{pair.chain}.{pair.experiment}"
        folder.mkdir(parents=True, exist_ok=True)
        if not _results(folder / "real"):
            self._run(pair, folder / "real")
        if not _results(folder / "virtual"):
            self._run(pair, folder / "virtual", "--virtual")
        reals = [*_results(folder / "real"), *_results(folder / "again")]
        (virtual,) = _results(folder / "virtual")[-1:]
        found = compared(pair, reals, virtual, [])
        if found.differences:
            orders = [self._other(folder, pair, "order", number) for number in OTHERS]
            found = compared(pair, reals, virtual, orders)
            if not found.is_chance:
                seeds = [self._other(folder, pair, "seed", number + SEED) for number in OTHERS]
                found = compared(pair, reals, virtual, [*orders, *seeds])
        return found

    def _other(self, folder: Path, pair: Pair, what: str, number: int) -> Result:
        """A virtual run with another order of events, or with another seed."""
        out = folder / f"{what}-{number}"
        if not _folders(out):
            option = {"order": "--interleaving", "seed": "--seed"}[what]
            self._run(pair, out, "--virtual", option, str(number))
        return _results(out)[-1]

    def again(self, pair: Pair) -> Compared:
        """One more real run."""
        self._run(pair, self.runs / f"{pair.chain}.{pair.experiment}" / "again")
        return self.compare(pair)

    def forget_virtual(self, wanted: Sequence[Pair]) -> None:
        """Let every virtual run be made anew."""
        for pair in wanted:
            folder = self.runs / f"{pair.chain}.{pair.experiment}"
            for old in (folder / "virtual", *folder.glob("order-*"), *folder.glob("seed-*")):
                shutil.rmtree(old, ignore_errors=True)

    def _run(self, pair: Pair, out: Path, *options: str) -> None:
        experiment = pair.experiment
        loaded = load_experiment(experiment)
        if is_standard_fault(loaded.model):
            path = out.parent / f"{experiment}.yaml"
            path.write_text(loaded.text.replace(f'"{EVERY_LINK}"', AFFECTED), "utf-8")
            experiment = str(path)
        before = len(_folders(out))
        command = [
            sys.executable,
            "-m",
            "paychain.cli",
            "run",
            pair.chain,
            experiment,
            "--seed",
            str(SEED),
            "--out",
            str(out),
            "--quiet",
            "--exit-zero",
            *options,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=MAX_S, check=False)
        if len(_folders(out)) == before:
            raise UserError(f"no result: {done.stderr.strip() or done.stdout.strip()}")


def _folders(out: Path) -> list[Path]:
    """The runs in a folder, the oldest first: their names begin with the time."""
    return sorted(path.parent for path in out.glob(f"*/{FILE_NAME}"))


def _results(out: Path) -> list[Result]:
    return [read(folder) for folder in _folders(out)]


def main(options: Sequence[str] = ()) -> None:
    """Compare, print as it goes on, and write the document."""
    parser = argparse.ArgumentParser(prog="python -m bench fidelity")
    parser.add_argument("--all", action="store_true", help="every chain with every experiment")
    parser.add_argument("--chain", action="append", help="with --all: only this one; repeatable")
    parser.add_argument("--out", type=Path, default=DOCUMENT)
    parser.add_argument("--runs", type=Path, help="keep runs here, and use those that are here")
    parser.add_argument("--virtual-anew", action="store_true", help="virtual runs are made anew")
    parser.add_argument(
        "--again-differing",
        action="store_true",
        help="pairs that differ are really run again, one at a time",
    )
    parser.add_argument(
        "--again-slower", action="store_true", help="so are those with a median outside the limits"
    )
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="runs at the same time")
    parser.add_argument(
        "--first-runs", metavar="TEXT", help="how the real runs in DIR were made, for the document"
    )
    chosen = parser.parse_args(options)
    wanted = [
        pair
        for pair in pairs(everything=chosen.all)
        if not chosen.chain or pair.chain in chosen.chain
    ]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        bench = Bench(chosen.runs or Path(scratch), chosen.at_once)
        if chosen.virtual_anew:
            bench.forget_virtual(wanted)
        try:
            bench.each(wanted, bench.compare)
            bench.at_once = 1
            again = [
                pair
                for pair, each in bench.done.items()
                if (chosen.again_differing and each.differences)
                or (chosen.again_slower and each.slower)
            ]
            bench.each(again, bench.again)
        except KeyboardInterrupt:
            print("  interrupted: written as far as it came")
    first = chosen.first_runs or f"{chosen.at_once} at a time"
    conditions = (
        f"Each pair was run with real processes ({first}, on {os.cpu_count()} cores) and in "
        f"virtual time, seed {SEED}. Standard faults are injected into {AFFECTED}."
    )
    others = len(pairs(everything=True)) - len(wanted)
    chosen.out.write_text(
        document(
            wanted, bench.done, bench.failed, conditions, EXPLAINED, others, MEDIANS_EXPLAINED
        ),
        "utf-8",
    )
    print(f"  written to {chosen.out}")
