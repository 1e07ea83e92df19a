"""Judges orders of a running chain, each by itself, from what was recorded about it.

records ─ own hops ─ stories ─ reconciled ─ rules of payments and orders ─> a verdict per order
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from paychain.analysis.attribution.observe import add_own_hops
from paychain.analysis.attribution.observed import ObservedRequest, by_payment
from paychain.analysis.money.orders import Orders, orders_of_several
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile, stand_in_order
from paychain.analysis.store.store import IN_MEMORY, RecordedPayment, RunStore
from paychain.explore.live.records import OrderRecords
from paychain.explore.live.steps import DECLINED, Place
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.payments.exchanges import ReceivedRequest
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    HopRecord,
    MovementKind,
    PaymentRecord,
    Record,
)
from paychain.payments.outcome import HopResult, Outcome
from paychain.payments.rules import Finding, Stage


@dataclass(kw_only=True)
class OrderVerdict:
    """The verdict on one order.

    `broken`: findings by rule. `met`: places of the steps of its script that met a request.
    `asked`: how often each thing that a step can be at was asked for, or told by a webhook.
    `failed`: a payment of it failed technically. `took_s`: how long its customer waited last.
    `declined_at`: links that decline a share of all payments, and have declined it.
    `requests`: those of own services, payment by payment, where they are to be kept.
    """

    broken: dict[str, Finding] = field(default_factory=dict)
    met: set[int] = field(default_factory=set)
    asked: Counter[Place] = field(default_factory=Counter)
    failed: bool = False
    took_s: float = 0.0
    stories: list[RecordedPayment] = field(default_factory=list)
    requests: list[list[ObservedRequest]] = field(default_factory=list)
    declined_at: set[str] = field(default_factory=set)


class Judge:
    """Judges the orders of one chain."""

    def __init__(self, chain: Chain, *, keeps_requests: bool = False) -> None:
        self._chain = chain
        self._keeps_requests = keeps_requests and bool(chain.own_services())
        self._parties = Parties.of(chain)
        self._decline_codes = {
            name: link.declines.code for name, link in chain.links.items() if link.declines
        }

    def verdicts(
        self,
        records: Sequence[Record],
        kept: OrderRecords,
        orders: Collection[str],
        *,
        undecided: Collection[str],
        experiment: Experiment,
    ) -> dict[str, OrderVerdict]:
        """The verdict on each order. `undecided`: those that still are in progress."""
        found = {order: OrderVerdict() for order in orders}
        store = RunStore.create(IN_MEMORY)
        try:
            store.ingest(records)
            add_own_hops(store, self._chain, experiment)
            self._judge(store, kept, found, undecided)
            if self._keeps_requests:
                for payment, requests in by_payment(store):
                    if kept.order(payment) in found:
                        found[kept.order(payment)].requests.append(requests)
        finally:
            store.close()
        for record in records:
            verdict = found.get(kept.order(getattr(record, "payment", "")))
            if verdict is not None:
                _note(record, verdict)
                self._note_decline(record, verdict)
        return found

    def _note_decline(self, record: Record, verdict: OrderVerdict) -> None:
        """Note a decline that is one of a link's declared share."""
        if not isinstance(record, HopRecord | ReceivedRequest):
            return
        link = record.callee if isinstance(record, HopRecord) else record.link
        is_declined = record.result is HopResult.DECLINED
        if is_declined and record.code == self._decline_codes.get(link):
            verdict.declined_at.add(link)

    def _judge(
        self,
        store: RunStore,
        kept: OrderRecords,
        found: dict[str, OrderVerdict],
        undecided: Collection[str],
    ) -> None:
        standing_in = stand_in_order(
            store.movements(MovementKind.STOOD_IN), store.rows(PaymentRecord), self._parties
        )
        stories = list(store.stories())
        strangers = [story.payment for story in stories if story.customer is None]
        orders = Orders(orders_of_several(store, strangers))
        for story in stories:
            name = kept.order(story.payment)
            verdict = found.get(name)
            if verdict is None:
                continue  # of another order, on a connection that both used
            verdict.stories.append(story)
            if story.customer is not None:
                verdict.failed |= story.customer.technical
                verdict.took_s = (story.customer.ended_ns - story.customer.started_ns) / 1e9
            payment = reconcile(story, self._parties, standing_in)
            stage = Stage.OPEN if name in undecided else Stage.FINAL
            for _, breaches in orders.judge(payment, stage=stage):
                for rule, finding in breaches.items():
                    verdict.broken.setdefault(rule, finding)


def _note(record: Record, verdict: OrderVerdict) -> None:
    """Note which steps met a request, and what was requested."""
    match record:
        case PaymentRecord(outcome=Outcome.DECLINED):
            verdict.asked[DECLINED] += 1
        case Decision(kind=DecisionKind.FAULT_HIT):
            _, slash, step = record.detail.rpartition("/")
            if slash:
                verdict.met.add(int(step) - 1)
        case HopRecord(operation="notify"):
            verdict.asked["webhook", record.caller] += 1
        case HopRecord():
            verdict.asked["link", record.callee, record.operation] += 1
        case ReceivedRequest():
            verdict.asked["link", record.link, record.operation] += 1
        case _:
            pass
