"""Sound payments over ledgers: no rule about money may find anything, in 100,000 of them a chain.

Every shipped chain with a ledger that is not wrong on purpose, in virtual time, while its ledger
halts and replaces blocks, answers of its nodes are lost, and its links are away or slow by turns.
That each rule finds its own mistake is shown by the chains that are wrong on purpose, and in
tests/integration/test_payouts.py.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from paychain.model.chain import Chain
from paychain.model.files import available
from paychain.model.loading import Loaded, load_chain, load_experiment
from paychain.report.result import Result
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec

PAYMENTS, OF_A_RUN = 100_000, 5_000
RATE, CYCLE_S = 40, 40
WRONG = re.compile("deliberately wrong|fails on purpose", re.IGNORECASE)  # in a file, of its chain
# In each cycle, one after the other: what happens, to which role, from which second.
TROUBLES = (
    ("halt", "ledger", 0, "for: 4s", "halt: {}"),
    ("reorg", "ledger", 8, "for: 1s", "reorg: {depth: 50, returns: 70%}"),
    ("lost", "node", 12, "for: 5s", "lost_answer: {share: 50%}"),
    ("away", "node", 20, "for: 3s", "down: {}"),
    ("slow", "wallet", 26, "for: 2s", "slow_answer: {delay: 6s}"),
    ("dead", "exchange", 32, "for: 1s", "crash: {}"),
    ("again", "ledger", 35, "for: 1s", "reorg: {depth: 5, returns: 90%}"),
)


def sound_chains() -> Iterator[Loaded[Chain]]:
    """Every shipped chain with a ledger that should be sound."""
    for name in sorted(available("chain")):
        loaded = load_chain(name)
        if loaded.model.network and not WRONG.search(loaded.text):
            yield loaded


def experiment(chain: Chain, payments: int, rate: int) -> str:
    """An experiment with so many payments, and its troubles in every cycle."""
    roles = {link.role for link in chain.links.values()}
    load_s = payments // rate
    cycles = max(1, (load_s - 10) // CYCLE_S)
    again = f", every: {CYCLE_S}s, times: {cycles}" if cycles > 1 else ""
    faults = "".join(
        f"  - {{id: {name}, at: {at_s}s, {lasts}{again}, "
        f"target: {{role: {role}}}, {fault}, may_miss: true}}\n"
        for name, role, at_s, lasts, fault in TROUBLES
        if role in roles
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


def main(options: Sequence[str] = ()) -> None:
    """Print, for each chain, how many payments were judged and what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench sound_money")
    parser.add_argument("--payments", type=int, default=PAYMENTS, help="of each chain")
    parser.add_argument("--chain", default="", help="only chains with this in their name")
    chosen = parser.parse_args(options)
    for chain in sound_chains():
        if chosen.chain not in chain.model.chain:
            continue
        begun = time.process_time()
        done, approved, undecided, seed = 0, 0, 0, 0
        found: Counter[str] = Counter()
        judged: Counter[str] = Counter()
        while done < chosen.payments:
            seed += 1
            of_this = min(OF_A_RUN, chosen.payments - done)
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
                result = run_sound(chain, of_this, seed, Path(scratch))
            done += result.load.recorded
            undecided += result.money.undecided
            approved += next(each.approved for each in result.phases if each.name == "all")
            for rule in result.money.rules:
                found[rule.rule] += rule.findings
                of_rule = result.load.recorded - rule.undecided
                judged[rule.rule] += of_rule if rule.is_judged else 0
            assert result.load.recorded, result.reasons
            broken = {rule: count for rule, count in found.items() if count}
            print(
                f"  {chain.model.chain}: {done:,} payments with {seed} seeds, {approved:,} "
                f"approved, {undecided} undecided; {len(judged)} rules, each judged for "
                f"{min(judged.values(), default=0):,} or more; broken: {broken or 'none'}; "
                f"{time.process_time() - begun:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
