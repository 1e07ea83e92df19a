"""Sound payments over ledgers and between banks: no rule about money may find anything.

In 100,000 of them a chain. Every shipped chain with a ledger or a clearing that is not wrong on
purpose, in virtual time, while its ledger halts, replaces blocks, reverts transfers and lets no
block become final, its nodes lose answers and transfers, confirmations and credits come late, and
its links are away or slow by turns.
That each rule finds its own mistake is shown by the chains that are wrong on purpose, and in
tests/integration/test_payouts.py. With a log an interrupted bench goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from paychain.model.chain import Chain
from paychain.model.files import available
from paychain.model.loading import Loaded, load_chain, load_experiment
from paychain.report.result import Result
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec

PAYMENTS, OF_A_RUN = 100_000, 5_000
RATE, CYCLE_S = 40, 40
WRONG = re.compile(
    "deliberately wrong|fails on purpose|with one mistake", re.IGNORECASE
)  # in a file, of its chain
# In each cycle, one after the other: what happens, to which role, from which second.
TROUBLES = (
    ("halt", "ledger", 0, "for: 4s", "halt: {}"),
    ("unconfirmed", "clearing", 1, "for: 3s", "lost_answer: {}"),
    ("late", "bank", 6, "for: 3s", "slow_answer: {delay: 8s}"),
    ("reorg", "ledger", 8, "for: 1s", "reorg: {depth: 50, returns: 70%}"),
    ("lost", "node", 12, "for: 5s", "lost_answer: {share: 50%}"),
    ("reverted", "ledger", 17, "for: 2s", "reverts: {share: 30%}"),
    ("away", "node", 20, "for: 3s", "down: {}"),
    ("dropped", "node", 24, "for: 2s", "drops: {share: 50%}"),
    ("slow", "wallet", 26, "for: 2s", "slow_answer: {delay: 6s}"),
    ("open", "ledger", 29, "for: 2s", "no_finality: {}"),
    ("dead", "exchange", 32, "for: 1s", "crash: {}"),
    ("unheard", "bank", 18, "for: 2s", "lost_answer: {share: 50%}"),
    ("closed", "clearing", 22, "for: 3s", "down: {}"),
    ("died", "bank", 27, "for: 1s", "crash: {}"),
    ("cleared", "clearing", 31, "for: 1s", "crash: {}"),
    ("again", "ledger", 35, "for: 1s", "reorg: {depth: 5, returns: 90%}"),
)


def sound_chains() -> Iterator[Loaded[Chain]]:
    """Every shipped chain with a ledger or a clearing that should be sound."""
    for name in sorted(available("chain")):
        loaded = load_chain(name)
        if (loaded.model.network or loaded.model.rail) and not WRONG.search(loaded.text):
            yield loaded


def experiment(chain: Chain, payments: int, rate: int) -> str:
    """An experiment with so many payments, and its troubles in every cycle."""
    roles = {link.role for link in chain.links.values()}
    load_s = payments // rate
    cycles = max(1, (load_s - 10) // CYCLE_S)
    again = f", every: {CYCLE_S}s, times: {cycles}" if cycles > 1 else ""
    # Such a ledger makes no blocks that are not final, and replaces none.
    ledger = chain.links.get(chain.network)
    is_final_at_once = ledger is not None and ledger.final.finality.comes_with_block
    faults = "".join(
        f"  - {{id: {name}, at: {at_s}s, {lasts}{again}, "
        f"target: {{role: {role}}}, {fault}, may_miss: true}}\n"
        for name, role, at_s, lasts, fault in TROUBLES
        if role in roles and not (is_final_at_once and fault.startswith(("no_finality", "reorg")))
    )
    after_s = load_s - 5 - (cycles - 1) * CYCLE_S - 36
    return (
        "experiment: sound-money\ntolerances: {}\n"
        f"load: {{arrivals: {rate}/s, warm_up: 0s, before: 5s, after: {max(after_s, 5)}s, "
        "amounts: {median: 20.00, least: 1.00, most: 160.00}}\n"
        f"faults:\n{faults}"
    )


def run_sound(
    chain: Loaded[Chain], payments: int, seed: int, folder: Path, *, rate: int = RATE
) -> Result:
    """One virtual run of a sound chain."""
    file = folder / f"sound-{chain.model.chain}.yaml"
    file.write_text(experiment(chain.model, payments, rate), "utf-8")
    declared = load_experiment(str(file), chain.model)
    spec = RunSpec(chain=chain, experiment=declared, out=folder, seed=seed, virtual=True)
    finished = run(spec, chain_of(spec))
    if finished.was_interrupted:
        raise KeyboardInterrupt
    return finished.result


def judged(chain: Loaded[Chain], payments: int, seed: int) -> dict[str, Any]:
    """One run and what became of it, as a line of the log."""
    begun = time.process_time()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        result = run_sound(chain, payments, seed, Path(scratch))
    recorded = result.load.recorded
    assert recorded, result.reasons
    rules = [rule for rule in result.money.rules if rule.is_judged]
    return {
        "chain": chain.model.chain,
        "seed": seed,
        "asked": payments,
        "payments": recorded,
        "approved": next(each.approved for each in result.phases if each.name == "all"),
        "undecided": result.money.undecided,
        "judged": {rule.rule: recorded - rule.undecided for rule in rules},
        "broken": {rule.rule: rule.findings for rule in result.money.rules if rule.findings},
        "cpu_s": round(time.process_time() - begun, 1),
    }


def in_words(chain: str, rows: Sequence[dict[str, Any]]) -> str:
    """All runs of a chain together."""
    judged_by: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for row in rows:
        judged_by.update(row["judged"])
        broken.update(row["broken"])
    payments, approved, undecided, cpu_s = (
        sum(row[name] for row in rows) for name in ("payments", "approved", "undecided", "cpu_s")
    )
    return (
        f"  {chain}: {payments:,} payments with {len(rows)} seeds, {approved:,} approved, "
        f"{undecided} undecided; {len(judged_by)} rules, each judged for "
        f"{min(judged_by.values(), default=0):,} or more; broken: {dict(broken) or 'none'}; "
        f"{cpu_s:.0f} s"
    )


def _missing(rows: Sequence[dict[str, Any]], chosen: argparse.Namespace) -> bool:
    had: int = sum(row["payments"] for row in rows)
    return had < int(chosen.payments)


def main(options: Sequence[str] = ()) -> None:
    """Print, for each chain, how many payments were judged and what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench sound_money")
    parser.add_argument("--payments", type=int, default=PAYMENTS, help="of each chain")
    parser.add_argument("--of-a-run", type=int, default=OF_A_RUN, help="payments of each run")
    parser.add_argument("--chain", default="", help="only chains with this in their name")
    parser.add_argument("--log", type=Path, help="JSON lines, a run each: what is there is kept")
    chosen = parser.parse_args(options)
    done = chosen.log.read_text("utf-8").splitlines() if chosen.log and chosen.log.exists() else ()
    known = {(row["chain"], row["seed"], row["asked"]): row for row in map(json.loads, done)}
    rows: dict[str, list[dict[str, Any]]] = {}
    chains = [each for each in sound_chains() if chosen.chain in each.model.chain]
    # One run of each chain after the other: a bench that is ended early has seen them all. A run
    # may have a few payments less than it was asked for.
    for seed in count(1):
        chains = [each for each in chains if _missing(rows.get(each.model.chain, ()), chosen)]
        if not chains:
            break
        for chain in chains:
            name = chain.model.chain
            of_chain = rows.setdefault(name, [])
            row = known.get((name, seed, chosen.of_a_run))
            if row is None:
                row = judged(chain, chosen.of_a_run, seed)
                if chosen.log is not None:
                    with chosen.log.open("a", encoding="utf-8") as lines:
                        lines.write(json.dumps(row) + "\n")
            of_chain.append(row)
            print(in_words(name, of_chain), flush=True)


if __name__ == "__main__":
    main()
