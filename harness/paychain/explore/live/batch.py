"""One batch: many payments at once on a running chain, each with its own failure script.

scripts, controls ─ pay ─ drain ─ records ─ own hops ─ each order judged by itself ─> Batch
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from paychain.analysis.attribution.observe import add_own_hops
from paychain.analysis.money.orders import Orders, orders_of_several
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile, stand_in_order
from paychain.analysis.store.store import RunStore, Story
from paychain.environment.running_chain import RunningChain
from paychain.explore.live.steps import Steps, script_of
from paychain.load.traffic.arrivals import Arrival, Purchases, under_script
from paychain.load.traffic.plan import customers_plan
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.scripts import Followed, Script, encode_script
from paychain.payments.exchanges import ReceivedRequest
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    HopRecord,
    MovementKind,
    PaymentRecord,
    Record,
)
from paychain.payments.rules import Finding

MORE_DRAINS = 1  # where the first one, as long as the chain declares, was too short
_NO_FAULTS = Experiment.model_validate(
    {"experiment": "batch", "load": {"arrivals": "1/s", "before": "1s", "after": "1s"}}
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One order of a batch. `steps`: its script, empty for a control.

    `broken`: what it breaks, by rule. `met`: places of the steps that met a request.
    """

    steps: Steps
    payment: str  # the first of the order
    broken: dict[str, Finding]
    met: frozenset[int]
    failed: bool  # a payment of it failed technically


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What became of the orders of one batch, and the records of those that broke a rule."""

    orders: list[Judged]
    requests: int
    undecided: int  # orders that were still in progress when the drain ended
    stories: dict[str, tuple[Story, ...]] = field(default_factory=dict)  # by order

    @property
    def controls(self) -> list[Judged]:
        """The orders without a script."""
        return [order for order in self.orders if not order.steps]

    def breaking(self, rule: str) -> list[Judged]:
        """Orders with a script that break a rule."""
        return [order for order in self.orders if order.steps and rule in order.broken]


class Batches:
    """Runs batches on one running chain. Payments are numbered on from batch to batch.

    `rate`: payments per second of a batch.
    """

    def __init__(self, chain: Chain, running: RunningChain, seed: int, rate: float) -> None:
        self.rate = rate
        self._chain, self._running = chain, running
        self._parties = Parties.of(chain)
        plan = replace(customers_plan(chain, seed), id_prefix=running.id_prefix)
        self._purchases = Purchases(plan)
        self._number = 0

    def run(self, scripts: Sequence[Steps], controls: int = 0) -> Batch:
        """Let a payment follow each script, controls spread among them, all at the batch's rate."""
        mixed = _with_controls(scripts, controls)
        placed = [
            (steps, self._arrivals(steps, place / self.rate)) for place, steps in enumerate(mixed)
        ]
        self._pay([placed])
        return self._judged(placed)

    def run_alone(self, steps: Steps, times: int) -> Batch:
        """Let fresh payments follow one script, each once the one before it has ended."""
        placed = [(steps, self._arrivals(steps, 0.0)) for _ in range(times)]
        self._pay([each] for each in placed)
        return self._judged(placed)

    def _arrivals(self, steps: Steps, at_s: float) -> list[Arrival]:
        number = self._number
        self._number += 1
        arrival = self._purchases.arrival(number, at_s)
        return under_script(arrival, _script(steps, number) if steps else None)

    def _pay(self, turns: Iterable[Sequence[tuple[Steps, list[Arrival]]]]) -> None:
        for placed in turns:
            followed = [(steps, arrivals) for steps, arrivals in placed if steps]
            scripts = [_script(steps, arrivals[0].number) for steps, arrivals in followed]
            self._running.follow_scripts(
                Followed(
                    scripts=list(map(encode_script, scripts)),
                    assigned={
                        arrivals[0].payment: script.id
                        for script, (_, arrivals) in zip(scripts, followed, strict=True)
                    },
                    forgets=len(placed) > 1,
                )
            )
            coming = [arrival for _, arrivals in placed for arrival in arrivals]
            self._running.pay(sorted(coming, key=lambda arrival: arrival.at_s))

    def _judged(self, placed: Sequence[tuple[Steps, list[Arrival]]]) -> Batch:
        pending = self._running.drain()
        for _ in range(MORE_DRAINS):
            # A service that settles late is judged by what it leaves in the end.
            if pending:
                pending = self._running.drain()
        records = [each for some in self._running.collect(all_flushed=True) for each in some]
        self._running.forget_payments()
        names = {arrivals[0].payment: steps for steps, arrivals in placed}
        with tempfile.TemporaryDirectory() as folder:
            store = RunStore.create(Path(folder, "run.db"))
            try:
                store.ingest(records)
                add_own_hops(store, self._chain, _NO_FAULTS)
                return self._of_store(store, records, names, pending)
            finally:
                store.close()

    def _of_store(
        self,
        store: RunStore,
        records: Sequence[Record],
        names: dict[str, Steps],
        pending: Sequence[str],
    ) -> Batch:
        broken: dict[str, dict[str, Finding]] = {}
        stories: dict[str, list[Story]] = {}
        failed: set[str] = set()
        undecided = {self._order(payment) for payment in pending} & names.keys()
        order = stand_in_order(
            store.movements(MovementKind.STOOD_IN), store.rows(PaymentRecord), self._parties
        )
        orders = Orders(orders_of_several(store))
        for story in store.stories():
            name = self._order(story.payment)
            if name not in names:
                continue  # what a batch before this one left behind
            stories.setdefault(name, []).append(story)
            if story.customer is not None and story.customer.technical:
                failed.add(name)
            is_final = name not in undecided
            for _, breaches in orders.judge(
                reconcile(story, self._parties, order), is_final=is_final
            ):
                for rule, finding in breaches.items():
                    broken.setdefault(name, {}).setdefault(rule, finding)
        met = self._met(records)
        judged = [
            Judged(
                steps=steps,
                payment=name,
                broken=broken.get(name, {}),
                met=frozenset(met.get(name, ())),
                failed=name in failed,
            )
            for name, steps in names.items()
        ]
        return Batch(
            orders=judged,
            requests=sum(isinstance(each, HopRecord | ReceivedRequest) for each in records),
            undecided=len(undecided),
            stories={name: tuple(stories.get(name, ())) for name in broken},
        )

    def _met(self, records: Iterable[Record]) -> dict[str, set[int]]:
        """The places of the steps that met a request, by the order's first payment."""
        found: dict[str, set[int]] = {}
        for record in records:
            if isinstance(record, Decision) and record.kind is DecisionKind.FAULT_HIT:
                _, slash, step = record.detail.rpartition("/")
                if slash:
                    found.setdefault(self._order(record.payment), set()).add(int(step) - 1)
        return found

    def _order(self, payment: str) -> str:
        """The first payment of the order that a payment is for."""
        return payment[: len(self._running.id_prefix) + 7]


def _script(steps: Steps, number: int) -> Script:
    return script_of(steps, f"s{number}")


def _with_controls(scripts: Sequence[Steps], controls: int) -> list[Steps]:
    """The scripts with empty ones spread evenly among them."""
    every = max(1, len(scripts) // controls) if controls else 0
    mixed: list[Steps] = []
    for place, steps in enumerate(scripts):
        if every and place % every == 0 and place // every < controls:
            mixed.append(())
        mixed.append(steps)
    mixed += [()] * (controls - mixed.count(()))
    return mixed
