"""Every planted mistake with many seeds, and many scripts on the sound services, in runs that last.

For each mistake of the naive examples, and each planted in the sound shop in Python
(`tests/support/mistaken_shop.py`): a search per seed that ends once something is found, minimised
and reproduced. For each sound service: the parts of one search, so that no script comes twice
before all single failures and pairs of them are tried. One line of JSON per search goes to a log;
what is in it is not done again, so that this can be stopped at any time and started again. A
search mostly waits: two or three beside each other (`--part`) on two cores leave each its time.

    python -m bench live_seeds --log live.jsonl --seeds 20 --for 60
    for i in 1 2 3; do python -m bench live_seeds --log live.jsonl --seeds 20 --part $i/3 & done
    python -m bench live_seeds --log live.jsonl --sound --scripts 20000
    python -m bench live_seeds --log live.jsonl --table
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from bench.live import searched
from paychain.explore.live.result import REPRODUCTIONS, LiveResult, LiveSpec
from paychain.model.loading import load_chain
from paychain.payments.errors import UserError
from paychain.processes.part import Part
from tests.support.fetched import CACHE
from tests.support.mistaken_chains import IN_OUTAGES, MISTAKES, SOUND, mistaken_chain
from tests.support.paths import ROOT

EXAMPLES = ("shop-python", "shop-node", "gateway-go")
# What a naive example does wrong: the rules that show it, and whose doing is scripted. Two of them
# break the same rule: each is looked for with the steps of its own kind. What makes a capture by
# return page and webhook certain is a capture that is not done when the webhook comes: at the link,
# or the webhook that comes during it.
# A customer who presses twice breaks the same rule by another mistake, and only in a race.
NAIVE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "fails over blindly": (("no_double_charge",), ("link",)),
    "takes an order twice": (("no_double_charge",), ("customer",)),
    "loses orders with webhooks": (
        ("no_order_lost_with_its_webhook", "no_orphaned_authorisation"),
        ("webhook",),
    ),
    "captures twice": (("repeats_without_effect",), ("link", "webhook")),
}
HAS_NO_RETURN_PAGE = {("gateway-go", "captures twice")}
PARTS = 20  # of the scripts on a sound service: after each of them the log has one line more
PART_S = 3_600.0
OUTAGE_TIMES = 4  # so many times as long, where outages are searched: one after the other


@dataclass(frozen=True, kw_only=True)
class Case:
    """A mistake, or a sound service. `chain`: a mistaken shop's name, or a file of an example.

    `rules`: any of them shows it. `subjects`: whose doing is scripted; () for everybody's.
    """

    name: str
    chain: str
    rules: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    outage_share: float = 0.0


def mistakes() -> Iterator[Case]:
    """Every planted mistake."""
    for example in EXAMPLES:
        for mistake, (rules, subjects) in NAIVE.items():
            if (example, mistake) not in HAS_NO_RETURN_PAGE:
                chain = f"{example}/chain-naive.yaml"
                yield Case(
                    name=f"{example}: {mistake}", chain=chain, rules=rules, subjects=subjects
                )
    for name, expected in MISTAKES.items():
        yield Case(name=name, chain=name, rules=tuple(sorted(expected)))
    for name, expected in IN_OUTAGES.items():
        yield Case(name=name, chain=name, rules=tuple(sorted(expected)), outage_share=0.5)


def sound() -> Iterator[Case]:
    """Every sound service."""
    for example in EXAMPLES:
        yield Case(name=f"{example}: sound", chain=f"{example}/chain-sound.yaml")
    for name in SOUND[1:]:  # the first one is the example
        yield Case(name=name, chain=name)


def search(case: Case, spec: LiveSpec, examples: Path) -> dict[str, Any]:
    """What one search came to. `examples`: a copy of the folder, which holds what they build.

    Raises KeyboardInterrupt when it was stopped before it was done.
    """
    with tempfile.TemporaryDirectory(prefix="paychain-") as scratch:
        path = examples / case.chain
        if not path.is_file():
            path = Path(scratch, "chain.yaml")
            path.write_text(mistaken_chain(case.chain))
        result, first_s = searched(
            load_chain(str(path)),
            spec,
            Path(scratch),
            is_first_enough=bool(case.rules),
            subjects=case.subjects,
        )
    is_enough = case.rules and any(found.reproduced for found in result.found.values())
    if result.was_interrupted and not is_enough:
        raise KeyboardInterrupt
    return (
        _counted(result)
        | {"found": [_found(rule, result) for rule in result.found]}
        | ({"found_s": round(first_s, 1)} if result.found else {})
    )


def _counted(result: LiveResult) -> dict[str, Any]:
    return {
        "scripts": result.scripts,
        "controls": result.controls,
        "requests": result.requests,
        "took_s": round(result.took_s, 1),
        "payment_ms": round(1000 * result.payment_s),
        "doubtful": result.doubtful,
        "coupled": result.coupled,
        "deaths": result.deaths,
        "spaced": result.spaced,
        "restarts": result.restarts,
    }


def _found(rule: str, result: LiveResult) -> dict[str, Any]:
    found = result.found[rule]
    return {
        "rule": rule,
        "words": found.words,
        "steps": len(found.steps),
        "minimal": found.is_minimal,
        "reproduced": found.reproduced,
        "alone": found.alone,
        "text": found.finding.text,
    }


def logged(log: Path) -> list[dict[str, Any]]:
    """What was done so far. A line that was cut off, by a full disk, say, is done again."""
    lines = []
    for text in log.read_text().splitlines() if log.exists() else ():
        with suppress(json.JSONDecodeError):
            lines.append(json.loads(text))
    return lines


def add(log: Path, line: dict[str, Any]) -> None:
    """Add a line in one piece: others that run beside this one add theirs to the same file."""
    with log.open("ab+", buffering=0) as file:
        is_cut = False
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            is_cut = file.read(1) != b"\n"
        file.write(b"\n" * is_cut + json.dumps(line).encode() + b"\n")


def table(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What the log says, a line per mistake and per sound service."""
    for name in dict.fromkeys(line["case"] for line in lines):
        of_case = [line for line in lines if line["case"] == name]
        scripts, took_s = (sum(line[key] for line in of_case) for key in ("scripts", "took_s"))
        rate = f"{60 * scripts / took_s:,.0f} scripts per minute" if took_s else ""
        if "of" in of_case[0]:
            yield f"{name}: {scripts:,} scripts, {_findings(of_case)}; {rate}"
            continue
        hits = [line for line in of_case if line["found"]]
        first = [line["found"][0] for line in hits]
        minimal = sum(each["minimal"] for each in first)
        reproduced = sum(each["reproduced"] == each.get("alone", REPRODUCTIONS) for each in first)
        longest_s = max((each["found_s"] for each in hits), default=0.0)
        yield (
            f"{name}: found {len(hits)} of {len(of_case)}, minimal {minimal}, reproduced each "
            f"time {reproduced}; broken after {_median(hits, 'found_s')} s, at most {longest_s} s, "
            f"reproduced after {_median(hits, 'took_s')} s; {rate}"
        )
        for words in dict.fromkeys(f"{each['rule']}: {each['words']}" for each in first):
            yield f"    {words}"


def _findings(lines: Sequence[dict[str, Any]]) -> str:
    found = [each for line in lines for each in line["found"]]
    words = [f"{each['rule']} by {each['words']} ({_again(each)})" for each in found]
    return f"found: {'; '.join(words)}" if words else "nothing found"


def _again(found: dict[str, Any]) -> str:
    return f"{found['reproduced']} of {found.get('alone', REPRODUCTIONS)}"


def _median(lines: Sequence[dict[str, Any]], key: str) -> float:
    return median(line[key] for line in lines) if lines else 0.0


def main(words: Sequence[str] = ()) -> None:
    """Do what is not in the log yet; print the table."""
    asked = argparse.ArgumentParser(prog="python -m bench live_seeds")
    asked.add_argument("--log", type=Path, default=Path("live-seeds.jsonl"))
    asked.add_argument("--case", action="append", help="those with this in their names")
    asked.add_argument("--seeds", type=int, default=20, help="from 1 on")
    asked.add_argument("--for", dest="for_s", type=float, default=60.0, help="seconds to find it")
    asked.add_argument("--sound", action="store_true", help="the sound services")
    asked.add_argument("--scripts", type=int, default=20_000, help="on each sound service")
    asked.add_argument("--part", default="1/1", help="beside others: every n-th search, as 1/3")
    asked.add_argument("--table", action="store_true", help="only what the log says")
    options = asked.parse_args(list(words))
    log: Path = options.log.absolute()
    lines = logged(log)
    if not options.table:
        # In the background of a script Ctrl-C is ignored, and a request to end comes by TERM.
        stops: list[int] = []

        def stop(number: int, _frame: object) -> None:
            stops.append(number)
            raise KeyboardInterrupt

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        # The examples' chains start their services by name, from this environment.
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        os.environ.setdefault("npm_config_cache", str(CACHE / "npm"))
        with tempfile.TemporaryDirectory(prefix="paychain-") as folder:
            examples = Path(folder, "examples")
            shutil.copytree(ROOT / "examples", examples)
            with suppress(KeyboardInterrupt):
                part = Part.read(options.part)
                for key, case, spec in islice(_wanted(options), part.number - 1, None, part.of):
                    if any(key.items() <= line.items() for line in lines):
                        continue
                    try:
                        line = key | search(case, spec, examples)
                    except UserError as error:  # the next time it is done again
                        print(f"{key}: {error}", file=sys.stderr, flush=True)
                        continue
                    lines.append(line)
                    add(log, line)
                    print(json.dumps(line), flush=True)
                    if stops:  # a search that has found enough keeps it when it is stopped
                        break
    print("\n".join(table(lines)))


def _wanted(options: argparse.Namespace) -> Iterator[tuple[dict[str, Any], Case, LiveSpec]]:
    """Every search that was asked for, with what names it in the log; the first seeds first."""
    cases = [
        case
        for case in (sound() if options.sound else mistakes())
        if not options.case or any(part in case.name for part in options.case)
    ]
    for number in range(1, (PARTS if options.sound else options.seeds) + 1):
        for case in cases:
            key: dict[str, Any] = {"case": case.name}
            if options.sound:
                part = Part(number, PARTS)
                spec = LiveSpec(budget_s=PART_S, max_scripts=options.scripts, part=part)
                yield key | {"part": number, "of": PARTS, "wanted": options.scripts}, case, spec
            else:
                spec = LiveSpec(
                    seed=number,
                    budget_s=options.for_s * (OUTAGE_TIMES if case.outage_share else 1),
                    rules=case.rules,
                    outage_share=case.outage_share,
                )
                yield key | {"seed": number}, case, spec
