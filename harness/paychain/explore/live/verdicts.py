"""Judges orders of a running chain, each by itself, from what was recorded about it.

records ─ own hops ─ stories ─ reconciled ─ rules of payments and orders ─> a verdict per order
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paychain.analysis.attribution.observe import add_own_hops
from paychain.analysis.money.orders import Orders, orders_of_several
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile, stand_in_order
from paychain.analysis.store.store import RunStore, Story
from paychain.explore.live.records import OrderRecords
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.payments.journal import Decision, DecisionKind, MovementKind, PaymentRecord, Record
from paychain.payments.rules import Finding

_NO_FAULTS = Experiment.model_validate(
    {"experiment": "batch", "load": {"arrivals": "1/s", "before": "1s", "after": "1s"}}
)


@dataclass(kw_only=True)
class Verdict:
    """What became of one order.

    `broken`: findings by rule. `met`: places of the steps of its script that met a request.
    `failed`: a payment of it failed technically.
    """

    broken: dict[str, Finding] = field(default_factory=dict)
    met: set[int] = field(default_factory=set)
    failed: bool = False
    stories: list[Story] = field(default_factory=list)


class Judge:
    """Judges the orders of one chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._parties = Parties.of(chain)

    def verdicts(
        self,
        records: Sequence[Record],
        kept: OrderRecords,
        orders: Collection[str],
        undecided: Collection[str],
    ) -> dict[str, Verdict]:
        """The verdict on each order. `undecided`: those that still are in progress."""
        found = {order: Verdict() for order in orders}
        with tempfile.TemporaryDirectory() as folder:
            store = RunStore.create(Path(folder, "run.db"))
            try:
                store.ingest(records)
                add_own_hops(store, self._chain, _NO_FAULTS)
                self._judge(store, kept, found, undecided)
            finally:
                store.close()
        _note_met(records, kept, found)
        return found

    def _judge(
        self,
        store: RunStore,
        kept: OrderRecords,
        found: dict[str, Verdict],
        undecided: Collection[str],
    ) -> None:
        standing_in = stand_in_order(
            store.movements(MovementKind.STOOD_IN), store.rows(PaymentRecord), self._parties
        )
        orders = Orders(orders_of_several(store))
        for story in store.stories():
            name = kept.order(story.payment)
            verdict = found.get(name)
            if verdict is None:
                continue  # of another order, on a connection that both used
            verdict.stories.append(story)
            if story.customer is not None and story.customer.technical:
                verdict.failed = True
            payment = reconcile(story, self._parties, standing_in)
            for _, breaches in orders.judge(payment, is_final=name not in undecided):
                for rule, finding in breaches.items():
                    verdict.broken.setdefault(rule, finding)


def _note_met(records: Iterable[Record], kept: OrderRecords, found: dict[str, Verdict]) -> None:
    for record in records:
        if isinstance(record, Decision) and record.kind is DecisionKind.FAULT_HIT:
            _, slash, step = record.detail.rpartition("/")
            verdict = found.get(kept.order(record.payment))
            if slash and verdict is not None:
                verdict.met.add(int(step) - 1)
