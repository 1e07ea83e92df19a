"""The verdict beside an oracle: generated chains and faults, judged by the rules and by the world.

`python -m bench oracle --pairs 10000 --jobs 2` runs numbered pairs in virtual time and continues
where it stopped; `--real 30` runs some with real processes; `--pair 1234 --shrink` shows one;
`--mutants` prints which rule finds which wrong behaviour.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tests.oracle.agreed import AGREED
from tests.oracle.behaviour import BEHAVIOUR
from tests.oracle.compare import Difference, all_seen, differences, findings
from tests.oracle.further import FURTHER
from tests.oracle.mutants import IN_BOOKS
from tests.oracle.pairs import Outcome, numbered, playing_many, run_numbered, run_pair
from tests.oracle.shrink import shows, shrunk
from tests.oracle.trial import judged
from tests.oracle.verdict import wrongs

CHUNK = 40  # pairs: at most this many are repeated after an interruption
DONE = Path("oracle.jsonl")


class Chunk(msgspec.Struct, kw_only=True):
    """Some pairs that were run, one after the other."""

    first: int
    pairs: int
    payments: int = 0
    not_at_rest: int = 0
    took_s: float = 0.0
    wrong: dict[str, int] = {}  # payments, by what is wrong in the world
    named: dict[str, int] = {}  # payments, by rule
    differences: list[tuple[int, str, str, str]] = []  # pair, kind, payment, detail


def play_chunk(first: int, pairs: int = CHUNK) -> Chunk:
    """Run pairs from a number on."""
    chunk, begun = Chunk(first=first, pairs=pairs), time.process_time()
    wrong: Counter[str] = Counter()
    named: Counter[str] = Counter()
    with playing_many() as cycles:
        for number in range(first, first + pairs):
            _play(number, chunk, wrong, named)
            cycles.collect()
    chunk.wrong, chunk.named = dict(wrong), dict(named)
    chunk.took_s = time.process_time() - begun
    return chunk


def _play(number: int, chunk: Chunk, wrong: Counter[str], named: Counter[str]) -> None:
    """Run a pair and count what is seen of it."""
    try:
        outcome = run_numbered(number)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"[:300]
        chunk.differences.append((number, f"run fails: {type(error).__name__}", "", text))
        return
    chunk.payments += outcome.played.offered or 0
    chunk.not_at_rest += bool(outcome.played.problems)
    world, found, different = all_seen(outcome)
    wrong.update({what: len(payments) for what, payments in world.items()})
    named.update({rule: len(payments) for rule, payments in found.items()})
    chunk.differences += [(number, seen.what, seen.payment, seen.detail) for seen in different]


def campaign(pairs: int, jobs: int, first: int, file: Path) -> list[Chunk]:
    """Run that many pairs; those already in `file` are not run again."""
    done = [msgspec.json.decode(line, type=Chunk) for line in _lines(file)]
    known = {chunk.first for chunk in done}
    wanted = range(first, first + pairs, CHUNK)
    done = [chunk for chunk in done if chunk.first in wanted]
    left = [number for number in wanted if number not in known]
    with multiprocessing.Pool(jobs) as pool, file.open("ab") as out:
        for chunk in pool.imap_unordered(play_chunk, left):
            out.write(msgspec.json.encode(chunk) + b"\n")
            out.flush()
            done.append(chunk)
    return done


def _lines(file: Path) -> Iterator[bytes]:
    if file.exists():
        yield from file.read_bytes().splitlines()


def summary(chunks: Sequence[Chunk]) -> Iterator[str]:
    """What a campaign found, in lines."""
    pairs, took = sum(chunk.pairs for chunk in chunks), sum(chunk.took_s for chunk in chunks)
    at_rest = pairs - sum(chunk.not_at_rest for chunk in chunks)
    payments = sum(chunk.payments for chunk in chunks)
    yield f"{pairs:,} pairs, {payments:,} payments; {at_rest:,} pairs came to rest, were compared"
    yield f"{pairs / max(took, 1e-9):.1f} pairs a second of processor time"
    for title, field in (("wrong in the world", "wrong"), ("named by a rule", "named")):
        total: Counter[str] = Counter()
        for chunk in chunks:
            total.update(getattr(chunk, field))
        yield f"payments {title}:"
        yield from (f"  {count:8,} {name}" for name, count in total.most_common() if count)
    kinds: dict[str, list[tuple[int, str, str, str]]] = {}
    for chunk in chunks:
        for seen in chunk.differences:
            kinds.setdefault(seen[1], []).append(seen)
    yield f"{sum(map(len, kinds.values())):,} differences"
    for kind, some in sorted(kinds.items()):
        in_pairs = sorted({number for number, *_ in some})
        yield f"  {len(some):6,} in {len(in_pairs):,} pairs: {kind}"
        yield from (
            f"           pair {pair}: {name}, {detail}" for pair, _, name, detail in some[:3]
        )


def show(number: int, *, shrink: bool) -> None:
    """Print a pair and how its verdict differs from the world's."""
    pair = numbered(number)
    seen: list[Difference] = differences(run_numbered(number))
    for kind in sorted({each.what for each in seen}) if shrink else []:
        small = shrunk(pair, shows(kind, differences))
        print(f"{small.text()}")
        _print(run_pair(small))
    if not shrink:
        print(pair.text())
        _print(run_pair(pair))


def _print(outcome: Outcome) -> None:
    for seen in differences(outcome):
        print(f"# {seen}")
    for wrong, payments in wrongs(outcome.world).items():
        if payments:
            print(f"# in the world, {wrong}: {payments}")
    for rule, payments in findings(outcome).items():
        print(f"# by the rule {rule}: {payments}")


def mutants() -> None:
    """The table of the mutants: which rule finds which."""
    found = 0
    every = [*IN_BOOKS, *BEHAVIOUR, *AGREED, *FURTHER]
    for mutant in every:
        seen = judged(mutant)
        found += seen.is_found
        verdict = "found" if seen.is_found else "cannot be seen" if mutant.because else "NOT FOUND"
        print(f"{mutant.name:42} {verdict:15} {mutant.rule or '-':44} {seen}")
    print(f"{found} of {len(every)} found by their rule")


def main(words: Sequence[str] = ()) -> int:
    """Run what was asked for; a short campaign without a word."""
    parser = argparse.ArgumentParser(prog="python -m bench oracle", description=__doc__)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--file", type=Path, default=DONE, help="results so far")
    parser.add_argument("--pair", type=int, help="show one pair")
    parser.add_argument("--shrink", action="store_true", help="with --pair: as small as possible")
    parser.add_argument("--real", type=int, metavar="N", help="run that many with real processes")
    parser.add_argument("--mutants", action="store_true")
    asked = parser.parse_args(list(words))
    if asked.mutants:
        mutants()
    elif asked.pair is not None:
        show(asked.pair, shrink=asked.shrink)
    elif asked.real is not None:
        from bench._oracle_real import play_real  # it starts processes, and needs more imports

        return play_real(asked.first, asked.real)
    else:
        chunks = campaign(asked.pairs, asked.jobs, asked.first, asked.file)
        print("\n".join(summary(chunks)))
        return int(any(chunk.differences for chunk in chunks))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
