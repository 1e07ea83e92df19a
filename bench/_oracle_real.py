"""Numbered pairs with real processes: the world's lines come from the services' own files."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import msgspec

from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.journal import PaymentRecord
from paychain.payments.outcome import Outcome
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import Finished, RunSpec
from tests.oracle import real_services
from tests.oracle.compare import Difference, by_order, compared
from tests.oracle.pairs import numbered
from tests.oracle.real_services import FOLDER, Line
from tests.oracle.verdict import wrongs
from tests.oracle.world import Customer, World
from tests.support.chains import as_yaml


def play_real(first: int, pairs: int) -> int:
    """Run pairs from a number on and print how each verdict differs from its world."""
    kinds: Counter[str] = Counter()
    compared = 0
    for number in range(first, first + pairs):
        with tempfile.TemporaryDirectory(prefix="oracle-") as name:
            finished, seen = _real(number, Path(name))
            left_out = _left_out(finished)
            compared += not left_out
            paid = f"{finished.result.load.recorded} payments"
            end = left_out or f"{len(seen)} differences"
            print(f"pair {number}: {finished.result.verdict}, {paid}, {end}", flush=True)
            for each in seen if not left_out else []:
                kinds[each.what] += 1
                print(f"    {each}", flush=True)
    print(f"{pairs} real pairs, {compared} judged at rest and compared: {dict(kinds) or 'equal'}")
    return int(bool(kinds) or not compared)


def _left_out(finished: Finished) -> str:
    """Why a run's verdict is not compared with its world; "" when it is."""
    result = finished.result
    if any("in progress" in reason for reason in result.reasons):
        return "not at rest"
    if result.money.unjudged:
        return f"not judged: {result.money.unjudged}"
    return "" if result.load.recorded else f"no payments: {'; '.join(result.reasons)}"


def _real(number: int, folder: Path) -> tuple[Finished, list[Difference]]:
    pair = numbered(number)
    (folder / "chain.yaml").write_text(as_yaml(pair.chain), "utf-8")
    (folder / "experiment.yaml").write_text(as_yaml(pair.experiment), "utf-8")
    chain = load_chain(str(folder / "chain.yaml"))
    experiment = load_experiment(str(folder / "experiment.yaml"), chain.model)
    os.environ[FOLDER] = str(folder)
    spec = RunSpec(
        chain=chain,
        experiment=experiment,
        out=folder / "runs",
        seed=pair.seed,
        services=(sys.executable, str(Path(real_services.__file__))),
    )
    finished = run(spec, chain_of(spec))
    found = by_order(finished.result.money.rules)
    return finished, compared(wrongs(_world(chain.model, pair.seed, folder, finished)), found)


def _world(chain: Chain, seed: int, folder: Path, finished: Finished) -> World:
    """The accounts from the services' files, and the pages from the customers' own records."""
    world = World(chain=chain, seed=seed)
    lines = [
        msgspec.json.decode(line, type=Line)
        for file in sorted(folder.glob("world-*.jsonl"))
        for line in file.read_bytes().splitlines()
    ]
    for line in lines:
        if line.entry is None:
            world.sold(line.sold[0], line.payment, line.sold[1])
        else:
            world.deal(line.payment).lines.append(line.entry)
    for deal in world.deals.values():
        deal.lines.sort(key=lambda entry: entry.at_ns)
    store = RunStore.open(finished.folder / "run.db")
    for payment in store.rows(PaymentRecord):
        is_approved = payment.outcome is Outcome.APPROVED
        world.deal(payment.payment).customer = Customer(
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            merchant=payment.merchant,
            card=payment.instrument,
            saw_approved=is_approved,
            saw_minor=payment.approved_minor if is_approved else 0,
        )
    store.close()
    return world
