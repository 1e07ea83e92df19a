"""A million payments of five hops each, stored, reconciled, judged and reported: seconds, memory.

The records come from spools as a run's processes write them. Storing goes on while a run lasts;
what follows the drain is the rest. `--payments 10000000 --copies 50` records a fiftieth of ten
million payments, and lets SQLite copy each of them: see `_copies`. `--alone` judges the run in one
process as well, and fails unless the result is the same.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sqlite3
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import msgspec

from bench._copies import Copies
from paychain.advice.advise import with_remedies
from paychain.analysis import parts
from paychain.analysis.analyse import Analysis, analyse
from paychain.analysis.store.facts import RunFacts
from paychain.analysis.store.spool import SpoolReader
from paychain.analysis.store.store import RunStore
from paychain.model.experiment import Times
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.chance import draw
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    FaultSwitch,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from paychain.payments.journal_frames import encode
from paychain.payments.outcome import HopResult, Outcome
from paychain.report.outputs import publish
from paychain.runs.result import result_of
from paychain.runs.spec import RunSpec

PAYMENTS = 1_000_000
RATE = 1_000  # payments per second of the run that is made up
FAULT_S = (0.4, 0.6)  # the part of the run during which processor-a is down
BATCH = 2_000  # payments
CHAIN = """\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    calls:
      screen: {to: fraud, timeout: 1s}
      authorise: {to: processor-a, timeout: 1s, fallback: [{to: processor-b}]}
  fraud: {role: fraud}
  processor-a: {role: processor, calls: {authorise: {to: scheme, timeout: 1s}}}
  processor-b: {role: processor, calls: {authorise: {to: scheme, timeout: 1s}}}
  scheme: {role: scheme, calls: {authorise: {to: issuer, timeout: 1s}}}
  issuer: {role: issuer}
"""
EXPERIMENT = """\
experiment: million
load: {arrivals: RATE/s, warm_up: 1s, before: BEFOREs, after: AFTERs}
faults: [{id: down-1, at: 0s, for: FORs, target: {link: processor-a}, down: {}}]
tolerances: {technical_success: {during: ">= 95%"}, recovery: "<= 10s", double_charges: 0}
"""


def records_of(number: int, whole_s: float, copies: int = 1) -> tuple[list[Record], list[Record]]:
    """One payment as the load process and as the links record it.

    `copies`: payments that will be made of this one, so that the number of the next is as much
    higher.
    """
    start = int(number / RATE * 1e9)
    name = f"p{number:07d}"
    took = int(20e6 + 30e6 * draw(1, "took", number))
    is_down = FAULT_S[0] * whole_s <= number / RATE < FAULT_S[1] * whole_s
    is_lost = is_down and number // copies % 100 == 0
    result = HopResult.TIMEOUT if is_lost else HopResult.APPROVED
    outcome = Outcome.UNKNOWN if is_lost else Outcome.APPROVED
    card = "424242…4242"
    customer = PaymentRecord(
        payment=name,
        intended_ns=start,
        started_ns=start + 1_000,
        ended_ns=start + took,
        outcome=outcome,
        technical=is_lost,
        code="" if is_lost else "00",
        shown="error" if is_lost else "approved",
        amount_minor=4_000,
        currency="EUR",
        scheme="visa",
        instrument=card,
        merchant="shop",
        decided_by="" if is_lost else "issuer",
        error=HopResult.TIMEOUT if is_lost else None,
        warm_up=start < 1e9,
        approved_minor=0 if is_lost else 4_000,
    )
    spans = [f"{number:012x}{place:04x}" for place in range(6)]
    processor = "processor-b" if is_down else "processor-a"
    path = [
        ("customer", "pay", "gateway"),
        ("gateway", "authorise", processor),
        (processor, "authorise", "scheme"),
        ("scheme", "authorise", "issuer"),
    ]

    def hop(
        place: int, call: tuple[str, str, str], result: HopResult, *, parent: str, attempt: int = 1
    ) -> HopRecord:
        caller, operation, callee = call
        return HopRecord(
            payment=name,
            attempt=attempt,
            span=spans[place],
            parent=parent,
            caller=caller,
            operation=operation,
            callee=callee,
            route=int(place == 1 and is_down),
            try_number=1,
            started_ns=start + place * 100_000,
            ended_ns=start + took - place * 100_000,
            result=result,
            code="00" if result is HopResult.APPROVED else "",
        )

    attempt = 2 if is_down else 1
    links: list[Record] = [
        hop(5, ("gateway", "screen", "fraud"), HopResult.APPROVED, parent=spans[0])
    ]
    if is_down:
        links.append(
            HopRecord(
                payment=name,
                attempt=1,
                span=f"{number:012x}ffff",
                parent=spans[0],
                caller="gateway",
                operation="authorise",
                callee="processor-a",
                route=0,
                try_number=1,
                started_ns=start,
                ended_ns=start + 100,
                result=HopResult.REFUSED,
                code="",
            )
        )
        links.append(
            Decision(
                link="gateway",
                kind=DecisionKind.FAILOVER,
                at_ns=start + 100,
                payment=name,
                attempt=2,
                operation="authorise",
                target="processor-b",
                detail="refused",
            )
        )
    for place in (3, 2, 1):
        how = HopResult.REFUSED if is_lost and place == 1 else result
        if not is_lost or place == 1:
            links.append(hop(place, path[place], how, parent=spans[place - 1], attempt=attempt))
    if not is_lost:
        for link in ("issuer", "scheme", processor, "gateway"):
            links.append(
                Movement(
                    link=link,
                    payment=name,
                    attempt=attempt,
                    kind=MovementKind.AUTHORISED,
                    amount_minor=4_000,
                    currency="EUR",
                    reference=f"{name}.{attempt}",
                    at_ns=start + took - 1,
                    decided_by="issuer",
                    merchant="shop",
                    instrument=card,
                )
            )
    return [hop(0, path[0], result, parent=""), customer], links


class Moment(NamedTuple):
    """By the clock and by all processors: on a busy machine the two differ."""

    wall_s: float
    cpu_s: float

    def __sub__(self, other: Moment) -> Moment:
        return Moment(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)

    def __add__(self, other: Moment) -> Moment:  # type: ignore[override]  # a tuple's joins
        return Moment(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    def __str__(self) -> str:
        return f"{self.wall_s:.1f} s ({self.cpu_s:.1f} s of CPU)"


def moment() -> Moment:
    # Half of judging is done by processes that have ended by then.
    return Moment(time.perf_counter(), sum(os.times()[:4]))


def write_spools(folder: Path, payments: int, copies: int) -> None:
    """The spools of a run: one of the load process, one of the links."""
    whole_s, step = payments / RATE, BATCH * copies
    with (folder / "load.spool").open("wb") as load, (folder / "links.spool").open("wb") as links:
        for first in range(0, payments, step):
            numbers = range(first, min(first + step, payments), copies)
            made = [records_of(number, whole_s, copies) for number in numbers]
            load.write(encode([record for each, _ in made for record in each]))
            links.write(encode([record for _, each in made for record in each]))


def switches(whole_s: float) -> Iterator[FaultSwitch]:
    for action, share in zip(("applied", "healed"), FAULT_S, strict=True):
        at_ns = int(share * whole_s * 1e9)
        yield FaultSwitch(
            fault="down-1",
            action=action,
            planned_ns=at_ns,
            effective_ns=at_ns,
            place="hop",
            targets=["gateway.authorise.processor-a"],
            error="",
        )


def spec_in(folder: Path, whole_s: float) -> RunSpec:
    chain, experiment = folder / "shop.yaml", folder / "million.yaml"
    chain.write_text(CHAIN)
    spans = (
        FAULT_S[0] * whole_s - 1,
        (FAULT_S[1] - FAULT_S[0]) * whole_s,
        (1 - FAULT_S[1]) * whole_s,
    )
    text = EXPERIMENT.replace("RATE", str(RATE))
    for word, seconds in zip(("BEFORE", "FOR", "AFTER"), spans, strict=True):
        text = text.replace(word, f"{seconds:g}")
    experiment.write_text(text)
    loaded = load_chain(str(chain))
    return RunSpec(
        chain=loaded,
        experiment=load_experiment(str(experiment), loaded.model),
        out=folder,
        command="bench",
    )


def facts_of(spec: RunSpec, payments: int) -> RunFacts:
    """What a run knows beside its records."""
    whole_s = payments / RATE
    began_at = datetime(2026, 1, 1, tzinfo=UTC)
    return RunFacts(
        times=Times(
            load_start_s=0.0,
            before_start_s=1.0,
            faults_start_s=FAULT_S[0] * whole_s,
            load_end_s=whole_s,
        ),
        seed=spec.seed,
        planned=payments,
        offered=payments,
        drained_s=whole_s + 1,
        started_at=began_at.isoformat(),
        ended_at=(began_at + timedelta(seconds=whole_s)).isoformat(),
    )


def stored(folder: Path, facts: RunFacts, copies: int) -> RunStore:
    """The store of the run, with all records of its spools."""
    run = folder / "run"
    run.mkdir()
    store = RunStore.create(run / "run.db")
    store.begin(facts.times)
    store.ingest(list(switches(facts.times.load_end_s)))
    spools = [SpoolReader(folder / "load.spool"), SpoolReader(folder / "links.spool")]
    copied, copier = 0, Copies(run / "run.db", copies)
    storing, copying, rows = Moment(0, 0), Moment(0, 0), 0
    while True:
        begun = moment()
        batches = [records for spool in spools if (records := spool.read())]
        if not batches:
            break
        for records in batches:
            store.ingest(records)
            rows += len(records)
        added = moment()
        copied += copier.add()
        storing, copying = storing + (added - begun), copying + (moment() - added)
    print(
        f"stored while the load lasts: {rows:,} records in {storing}, "
        f"{storing.cpu_s / rows * 1e6:.1f} µs of CPU each",
        flush=True,
    )
    if copied:
        store.settle()
        copier.count()
        print(f"{copied:,} copies of them added in {copying}", flush=True)
    return store


def judge(store: RunStore, spec: RunSpec, facts: RunFacts) -> Analysis:
    """As `runs.finish` does."""
    analysis = analyse(store, spec.chain.model, spec.experiment.model, facts)
    return with_remedies(analysis, spec.chain, spec.experiment.model, spec.inputs.review)


def check_alone(analysis: Analysis, store: RunStore, spec: RunSpec, facts: RunFacts) -> None:
    """Judge the run in one process, and compare."""
    begun = moment()
    with mock.patch.object(parts, "MIN_PAYMENTS", sys.maxsize):
        store.ingest(())  # or it would know what the processes found
        alone = judge(store, spec, facts)
    took = moment() - begun
    results = [
        msgspec.json.encode(result_of(spec.inputs, facts, each, "run"))
        for each in (analysis, alone)
    ]
    assert results[0] == results[1], "judged in one process, the result is another"
    print(f"judged in one process {took}: the same result of {len(results[0]):,} bytes", flush=True)


def peak_mb(whose: int) -> float:
    """The most memory that this process has had, or any of those that it waited for."""
    return resource.getrusage(whose).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main(options: Sequence[str] = ()) -> None:
    """Print what each step takes."""
    parser = ArgumentParser(prog="python -m bench store", description=__doc__)
    parser.add_argument("--payments", type=int, default=PAYMENTS)
    parser.add_argument("--copies", type=int, default=1, help="payments made of each recorded one")
    parser.add_argument("--alone", action="store_true", help="judge it in one process, too")
    parser.add_argument("--folder", type=Path, help="where to keep the run, not yet thinned out")
    asked = parser.parse_args(list(options))
    if asked.payments % asked.copies or RATE % asked.copies:
        parser.error(f"--copies must divide the payments and {RATE}, those of a second")
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        measure(Path(name), asked)


def measure(folder: Path, asked: Namespace) -> None:
    """Make the run, judge it and report it."""
    writer = multiprocessing.get_context("spawn").Process(
        target=write_spools, args=(folder, asked.payments, asked.copies)
    )
    writer.start()  # a process of its own: its memory is not the store's
    writer.join()
    spec = spec_in(folder, asked.payments / RATE)
    facts = facts_of(spec, asked.payments)
    store = stored(folder, facts, asked.copies)
    run = folder / "run"
    begun = moment()
    analysis = judge(store, spec, facts)
    judged = moment()
    whole_mb = (run / "run.db").stat().st_size / 1e6
    peaks = [peak_mb(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"reconciled and judged {judged - begun}; {peaks[0]:,.0f} MB", flush=True)
    if asked.alone:
        check_alone(analysis, store, spec, facts)
    before = moment()
    store.close_thinned(spec.seed)
    thinned = moment()
    result = result_of(spec.inputs, facts, analysis, run.name)
    publish(result, run)
    reported = moment()
    kept = sqlite3.connect(run / "run.db").execute("SELECT COUNT(*) FROM hop").fetchone()[0]
    print(
        f"verdict {result.verdict}, {result.load.recorded:,} payments, "
        f"{sum(place.payments for place in result.breaks):,} broke, "
        f"{sum(rule.findings for rule in result.money.rules)} money findings"
    )
    print(
        f"after the drain {(judged - begun) + (reported - before)}: "
        f"thinned out {thinned - before}, reported {reported - thinned}"
    )
    thin_mb = (run / "run.db").stat().st_size / 1e6
    print(
        f"run.db {whole_mb:,.0f} MB, thinned out to {kept:,} hops and {thin_mb:,.0f} MB; "
        f"peak memory {peak_mb(resource.RUSAGE_SELF):,.0f} MB, of a process beside it "
        f"{peaks[1]:,.0f} MB"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
