"""A million payments of five hops each, stored, reconciled, judged and reported: seconds, memory.

The records come from spools as a run's processes write them. Storing goes on while a run lasts;
what follows the drain is the rest. PAYCHAIN_BENCH_PAYMENTS makes it shorter.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from harness.analysis.analyse import analyse
from harness.analysis.store import RunStore, SpoolReader
from harness.model.loading import load_chain, load_experiment
from harness.order import Order
from harness.payments.chance import draw
from harness.payments.journal import (
    Decision,
    DecisionKind,
    FaultSwitch,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
    encode,
)
from harness.payments.outcome import HopResult, Outcome
from harness.report.outputs import publish
from harness.report.result import EngineFacts
from harness.verdict import result_of

PAYMENTS = int(os.environ.get("PAYCHAIN_BENCH_PAYMENTS", "1000000"))
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


def records_of(number: int, whole_s: float) -> tuple[list[Record], list[Record]]:
    """One payment as the load process and as the links record it."""
    start = int(number / RATE * 1e9)
    name = f"p{number:07d}"
    took = int(20e6 + 30e6 * draw(1, "took", number))
    is_down = FAULT_S[0] * whole_s <= number / RATE < FAULT_S[1] * whole_s
    is_lost = is_down and number % 100 == 0
    result = HopResult.TIMEOUT if is_lost else HopResult.APPROVED
    outcome = Outcome.UNKNOWN if is_lost else Outcome.APPROVED
    card = "424242…4242"
    customer = PaymentRecord(
        name, start, start + 1_000, start + took, outcome, is_lost, "" if is_lost else "00",
        "error" if is_lost else "approved", 4_000, "EUR", "visa", card, "shop",
        "" if is_lost else "issuer", HopResult.TIMEOUT if is_lost else None, start < 1e9,
        0 if is_lost else 4_000,
    )  # fmt: skip
    spans = [f"{number:012x}{place:04x}" for place in range(6)]
    processor = "processor-b" if is_down else "processor-a"
    path = [("customer", "pay", "gateway"), ("gateway", "authorise", processor),
            (processor, "authorise", "scheme"), ("scheme", "authorise", "issuer")]  # fmt: skip

    def hop(
        place: int, call: tuple[str, str, str], result: HopResult, *, parent: str, attempt: int = 1
    ) -> HopRecord:
        return HopRecord(
            name, attempt, spans[place], parent, *call, int(place == 1 and is_down), 1,
            start + place * 100_000, start + took - place * 100_000, result,
            "00" if result is HopResult.APPROVED else "",
        )  # fmt: skip

    attempt = 2 if is_down else 1
    links: list[Record] = [
        hop(5, ("gateway", "screen", "fraud"), HopResult.APPROVED, parent=spans[0])
    ]
    if is_down:
        links.append(
            HopRecord(name, 1, f"{number:012x}ffff", spans[0], "gateway", "authorise",
                      "processor-a", 0, 1, start, start + 100, HopResult.REFUSED, "")
        )  # fmt: skip
        links.append(
            Decision("gateway", DecisionKind.FAILOVER, start + 100, name, 2, "authorise",
                     "processor-b", "refused")
        )  # fmt: skip
    for place in (3, 2, 1):
        how = HopResult.REFUSED if is_lost and place == 1 else result
        if not is_lost or place == 1:
            links.append(hop(place, path[place], how, parent=spans[place - 1], attempt=attempt))
    if not is_lost:
        for link in ("issuer", "scheme", processor, "gateway"):
            links.append(
                Movement(link, name, attempt, MovementKind.AUTHORISED, 4_000, "EUR",
                         f"{name}.{attempt}", start + took - 1, "issuer")
            )  # fmt: skip
    return [hop(0, path[0], result, parent=""), customer], links


class Moment(NamedTuple):
    """By the clock and by the processor: on a busy machine the two differ."""

    wall_s: float
    cpu_s: float

    def __sub__(self, other: Moment) -> Moment:
        return Moment(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)

    def __str__(self) -> str:
        return f"{self.wall_s:.1f} s ({self.cpu_s:.1f} s of CPU)"


def moment() -> Moment:
    return Moment(time.perf_counter(), time.process_time())


def write_spools(folder: str, payments: int) -> None:
    """The spools of a run: one of the load process, one of the links."""
    whole_s = payments / RATE
    with (
        (Path(folder) / "load.spool").open("wb") as load,
        (Path(folder) / "links.spool").open("wb") as links,
    ):
        for first in range(0, payments, BATCH):
            made = [records_of(n, whole_s) for n in range(first, min(first + BATCH, payments))]
            load.write(encode([record for one, _ in made for record in one]))
            links.write(encode([record for _, one in made for record in one]))


def switches(whole_s: float) -> Iterator[FaultSwitch]:
    for action, share in zip(("applied", "healed"), FAULT_S, strict=True):
        at_ns = int(share * whole_s * 1e9)
        yield FaultSwitch("down-1", action, at_ns, at_ns, "hop", ["gateway.authorise"], "")


def order_in(folder: Path, whole_s: float) -> Order:
    chain, experiment = folder / "shop.yaml", folder / "million.yaml"
    chain.write_text(CHAIN)
    spans = (FAULT_S[0] * whole_s - 1, (FAULT_S[1] - FAULT_S[0]) * whole_s,
             (1 - FAULT_S[1]) * whole_s)  # fmt: skip
    text = EXPERIMENT.replace("RATE", str(RATE))
    for word, seconds in zip(("BEFORE", "FOR", "AFTER"), spans, strict=True):
        text = text.replace(word, f"{seconds:g}")
    experiment.write_text(text)
    loaded = load_chain(str(chain))
    return Order(loaded, load_experiment(str(experiment), loaded.model), folder, 1, None, "bench")


def main() -> None:
    whole_s = PAYMENTS / RATE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = multiprocessing.get_context("spawn").Process(
            target=write_spools, args=(name, PAYMENTS)
        )
        writer.start()  # a process of its own: its memory is not the store's
        writer.join()
        order = order_in(folder, whole_s)
        run = folder / "run"
        run.mkdir()
        store = RunStore.create(run / "run.db")
        store.set_meta("timeline", {
            "load_start_s": 0.0, "before_start_s": 1.0, "faults_start_s": FAULT_S[0] * whole_s,
            "load_end_s": whole_s,
        })  # fmt: skip
        store.set_meta("planned", PAYMENTS)
        store.ingest(list(switches(whole_s)))
        spools = [SpoolReader(folder / "load.spool"), SpoolReader(folder / "links.spool")]
        begun, rows = moment(), 0
        while batches := [records for spool in spools if (records := spool.read())]:
            for records in batches:
                store.ingest(records)
                rows += len(records)
        stored = moment()
        took = stored - begun
        print(f"stored while the load lasts: {rows:,} records in {took}, "
              f"{took.cpu_s / rows * 1e6:.1f} µs of CPU each", flush=True)  # fmt: skip
        analysis = analyse(store, order.chain.model, order.experiment.model, problems=[])
        judged = moment()
        whole_mb = (run / "run.db").stat().st_size / 1e6
        store.thin(order.seed)
        store.close()
        thinned = moment()
        result = result_of(order, run, datetime.now(UTC), analysis, EngineFacts("none", ""))
        publish(result, run)
        done = moment()
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
            1e6 if sys.platform == "darwin" else 1e3
        )
        kept = sqlite3.connect(run / "run.db").execute("SELECT COUNT(*) FROM hop").fetchone()[0]
        print(f"verdict {result.verdict}, {result.load.recorded:,} payments, "
              f"{sum(one.payments for one in result.breaks):,} broke, "
              f"{sum(rule.findings for rule in result.money.rules)} money findings")  # fmt: skip
        print(f"after the drain {done - stored}: reconciled and judged {judged - stored}, "
              f"thinned out {thinned - judged}, reported {done - thinned}")  # fmt: skip
        thin_mb = (run / "run.db").stat().st_size / 1e6
        print(f"run.db {whole_mb:,.0f} MB, thinned out to {kept:,} hops and {thin_mb:,.0f} MB; "
              f"peak memory {peak_mb:,.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
