"""Batches of payments on a running chain, each payment with its own failure script.

    begin ─ customers pay ─ an order is at rest ─ judged by itself ─┐
    begin ─ …        (up to MAX_AT_ONCE orders at once)             ├─> its batch has ended
    look: time passes, records are read, what is at rest is judged ─┘

An order is at rest when its customer is done, no mock link works for it, no service waits for an
answer to a request of it, nothing about it is unknown, and nothing of it was recorded for a moment.
An own service may still settle what looks wrong then: such an order is judged again when the time
that the chain declares for it is over, unless it broke a rule that nothing can undo. It may also do
more about an order that was fine (a job that comes round): then it is judged again as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from paychain.environment.running_chain import InProgress, RunningChain, pass_time
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.orders import LiveOrder, Settling, with_controls
from paychain.explore.live.outages import experiment_with
from paychain.explore.live.records import OrderRecords
from paychain.explore.live.rest import Rest
from paychain.explore.live.steps import Steps, script_of
from paychain.explore.live.verdicts import Judge, OrderVerdict
from paychain.load.traffic.arrivals import Arrival, Purchases, under_script
from paychain.load.traffic.planning import customers_plan
from paychain.model.chain import Chain
from paychain.model.scripts import AssignedScripts, Script, encode_script
from paychain.payments.journal import PaymentRecord, Record
from paychain.payments.rules import AT_ANY_TIME
from paychain.processes.background import Coming

MAX_AT_ONCE = 480  # orders in flight: most of them only come to rest
AHEAD_S = 0.5  # a batch may begin so long before the payments of the last one have
JUDGED_EVERY_S = 0.75  # orders at rest, together: judging costs most of it whatever their number
# Of what is declared: who takes longer to settle when much fails is soon too late. Less than twice
# the usual timeout of 2 s says nothing: a script may be why.
SETTLING_SHARE, SETTLING_S = 0.25, 4.0


class Batches:
    """Runs batches on one running chain. Payments are numbered on from batch to batch.

    `rate`: payments per second. `on_judged` gets each order as soon as it is judged, `on_changed`
    one that turns out to break a rule later. `on_paid` gets the seconds that the customer of an
    order without a script waited, as soon as that is over, and the rate of its batch. `on_moment`
    is called whenever time has passed. `keeps_requests`: with what own services asked for it.
    """

    def __init__(
        self,
        chain: Chain,
        running: RunningChain,
        seed: int,
        rate: float,
        on_judged: Callable[[Judged, Batch], None] = lambda _order, _batch: None,
        *,
        on_changed: Callable[[Judged, Batch], None] = lambda _order, _batch: None,
        on_paid: Callable[[float, float], None] = lambda _took_s, _rate: None,
        on_moment: Callable[[], None] = lambda: None,
        keeps_requests: bool = False,
    ) -> None:
        self.rate = rate
        self._on_judged, self._on_changed, self._on_paid = on_judged, on_changed, on_paid
        self._on_moment = on_moment
        self._chain, self._running = chain, running
        self._judge = Judge(chain, keeps_requests=keeps_requests)
        plan = replace(customers_plan(chain, seed), id_prefix=running.id_prefix)
        self._purchases = Purchases(plan)
        self._number = 0
        self._judged_ns = 0  # when orders were judged last
        self._free_ns = 0  # when all payments of the batches so far have begun
        self._records = OrderRecords(running.id_prefix)
        self._orders: dict[str, LiveOrder] = {}  # in flight, by their first payments
        # That were judged, until nothing is to come any more.
        self._watched: dict[str, LiveOrder] = {}
        self._settling = Settling()
        self._rest = Rest(running, has_own=bool(chain.own_services()))
        self._ended: list[Batch] = []  # and not returned by `look` yet
        self._over: list[str] = []  # orders whose scripts the links still know
        self._books: Coming[list[Record]] | None = None  # that are read now
        self._reading: dict[str, int] = {}  # orders that they are read of: `noted` when it began

    @property
    def requests(self) -> int:
        """Requests over all hops, so far."""
        return self._records.requests

    @property
    def in_flight(self) -> int:
        """Orders that are not judged yet, or have to be judged again."""
        return len(self._orders) + sum(order.has_stirred for order in self._watched.values())

    @property
    def suspects(self) -> list[tuple[Steps, frozenset[str]]]:
        """Scripts of orders that break rules unless an own service still settles them."""
        batches = dict.fromkeys(order.batch for order in self._orders.values() if order.was_seen)
        return [each for batch in batches if not batch.outage for each in batch.suspects.values()]

    def wait_s(self) -> float:
        """How long two customers of orders without a script have waited, who are not done.

        One alone may have met something of its own; it must not keep all others waiting.
        """
        now_ns = self._running.now_ns()
        waiting = sorted(
            order.begun_ns
            for order in self._orders.values()
            if order.is_control and order.over_ns is None
        )
        return max(0.0, (now_ns - waiting[1]) / 1e9) if len(waiting) > 1 else 0.0

    @property
    def is_settling_late(self) -> bool:
        """Whether own services take too long to settle what is unknown: they are behind."""
        longest_s = max(SETTLING_S, SETTLING_SHARE * self._running.settles_within_s)
        return self._settling.lag_s(self._running.now_ns()) > longest_s

    def has_room(self, number: int) -> bool:
        """Whether a batch of that many orders may begin now."""
        is_free = self._free_ns <= self._running.now_ns() + AHEAD_S * 1e9
        return is_free and len(self._orders) + number <= MAX_AT_ONCE

    def begin(self, scripts: Sequence[Steps], controls: int = 0, rate: float = math.inf) -> Batch:
        """Let a payment follow each script, controls spread among them, at this rate at most.

        The batch fills as its orders are judged.
        """
        mixed = with_controls(scripts, controls)
        rate = min(rate, self.rate)
        batch = Batch(number=len(mixed), rate=rate)
        now_ns = self._running.now_ns()
        wait_s = max(0.0, (self._free_ns - now_ns) / 1e9)
        self.pay(
            batch,
            [(steps, wait_s + place / rate) for place, steps in enumerate(mixed)],
        )
        self._free_ns = now_ns + int((wait_s + len(mixed) / rate) * 1e9)
        return batch

    def look(self) -> list[Batch]:
        """Let a moment pass; the batches that have ended since the last look."""
        self.pass_moment()
        ended, self._ended = self._ended, []
        return ended

    def run_alone(self, steps: Steps, times: int, *, at_rest: bool = False) -> Batch:
        """Let `times` fresh payments follow one script, one customer after the other.

        `at_rest`: each once the order of the last one is at rest. A service that works off what is
        due one after the other would let them wait for each other.
        """
        batch = Batch(number=times, rate=self.rate)
        for _ in range(times):
            (payment,) = self.pay(batch, [(steps, 0.0)])
            while (order := self._orders.get(payment)) is not None and self._rest.is_busy_with(
                order, at_rest=at_rest
            ):
                self.pass_moment()
        return self.wait_for(batch)

    def forget_judged(self) -> None:
        """Nothing more is to come about orders that were judged, whatever happens now."""
        self._release(self._watched)

    def settle_from_now(self) -> None:
        """Own services have all the time there is to settle what orders have left so far."""
        now_ns = self._running.now_ns()
        for order in [*self._orders.values(), *self._watched.values()]:
            if order.over_ns is not None:
                order.over_ns = now_ns

    @property
    def are_customers_done(self) -> bool:
        """Whether nobody waits for an answer."""
        return all(order.over_ns is not None for order in self._orders.values())

    def abandon(self) -> tuple[list[Batch], list[Steps]]:
        """The batches as far as they were judged, and the scripts of the orders that were not."""
        left = list(self._orders.values())
        batches = {id(order.batch): order.batch for order in left if order.batch.orders}
        for order in self._watched.values():
            order.batch.is_cut |= order.has_stirred
        self._orders.clear()
        self._watched.clear()
        self._books = None
        ended, self._ended = self._ended, []
        return [*ended, *batches.values()], [order.steps for order in left if order.steps]

    def is_settled(self, batch: Batch) -> bool:
        """Every order of a batch was judged, and none of them has to be judged again."""
        return batch.is_whole and not self.has_stirred(batch)

    def has_stirred(self, batch: Batch) -> bool:
        """Whether some order of a batch was judged, and has to be judged again."""
        return any(order.has_stirred for order in self._watched.values() if order.batch is batch)

    def wait_for(self, batch: Batch) -> Batch:
        """The batch, once it is settled."""
        while not self.is_settled(batch):
            self.pass_moment()
        self._ended = [ended for ended in self._ended if ended is not batch]
        return batch

    def pay(self, batch: Batch, wanted: Sequence[tuple[Steps, float]]) -> list[str]:
        """Let customers pay, each script with its time from now; their first payments."""
        now_ns = self._running.now_ns()
        coming: list[Arrival] = []
        followed: list[tuple[str, Script]] = []
        payments = []
        for steps, at_s in wanted:
            script = script_of(steps, f"s{self._number}") if steps else None
            arrivals = under_script(self._purchases.arrival(self._number, at_s), script)
            self._number += 1
            payment = arrivals[0].payment
            payments.append(payment)
            coming += arrivals
            if script is not None:
                followed.append((payment, script))
            begun_ns = now_ns + int(at_s * 1e9)
            self._orders[payment] = LiveOrder(
                steps=steps, payment=payment, batch=batch, begun_ns=begun_ns, active_ns=begun_ns
            )
            self._records.expect(payment)
        over, self._over = self._over, []
        self._running.follow_scripts(
            AssignedScripts(
                scripts=[encode_script(script) for _, script in followed],
                assigned={payment: script.id for payment, script in followed},
                over=over,
            )
        )
        self._running.begin_paying(sorted(coming, key=lambda arrival: arrival.at_s))
        return payments

    def pass_moment(self) -> None:
        """Let a moment pass, read what was recorded, and judge the orders that are at rest."""
        pass_time(self._running, self._rest.moment_s(self._orders.values()))
        progress = self._running.in_progress()
        now_ns = self._running.now_ns()
        for records in self._running.collect():
            for name in self._records.add(records):
                self._note_active(name, now_ns)
            self._note_paid(records)
        paying = set(map(self._records.order, progress.paying))
        for order in self._orders.values():
            if order.over_ns is None and order.payment not in paying:
                order.over_ns = now_ns
        self._judge_due(progress, now_ns)
        self._on_moment()

    def _judge_due(self, progress: InProgress, now_ns: int) -> None:
        """Judge the orders that are at rest, once the books of own services are read.

        Payments begin meanwhile: to read them takes a service as long as it is busy.
        """
        every_s = 0.0 if self._running.is_virtual else JUDGED_EVERY_S
        is_time = now_ns >= self._judged_ns + every_s * 1e9
        if not (is_time if self._books is None else self._books.done()):
            return
        pending = set(map(self._records.order, progress.pending))
        unknown = set(map(self._records.order, progress.unknown)) | self._records.waiting
        self._settling.note(self._orders.values(), unknown, now_ns)
        due = self._due(pending, unknown)
        if self._books is None and due:
            self._reading = {order.payment: order.noted for order in due}
            payments = {each for name in self._reading for each in self._records.payments(name)}
            self._books = self._running.read_books(payments)
        if self._books is None or not self._books.done():
            return
        books, self._books = self._books.result(), None
        # Of those about which something was recorded meanwhile, the books may say too little.
        read = [each for each in due if self._rest.is_read(each, self._reading.get(each.payment))]
        # Orders that met an outage are watched while others come to rest that met none.
        for outage in dict.fromkeys(order.batch.outage for order in read):
            judged = [each for each in read if each.batch.outage == outage]
            self._judge_orders(judged, books, pending)
        self._judged_ns = self._running.now_ns()
        known = [*self._orders.values(), *self._watched.values()]
        self._records.forget_before(min((order.begun_ns for order in known), default=now_ns))

    def _due(self, pending: set[str], unknown: set[str]) -> list[LiveOrder]:
        """The orders that are to be judged now; nothing more is to come about others."""
        due = [
            order
            for order in self._orders.values()
            if self._rest.is_due(order, order.payment in pending, order.payment in unknown)
        ]
        over = [
            order
            for order in self._watched.values()
            if self._rest.is_over(order, order.payment in pending)
        ]
        due += [order for order in over if order.has_stirred]
        self._release([order.payment for order in over if not order.has_stirred])
        return due

    def _note_active(self, name: str, now_ns: int) -> None:
        """Something was recorded about an order."""
        order = self._orders.get(name) or self._watched[name]
        order.noted += 1
        if name in self._orders:
            order.active_ns = now_ns
        else:
            order.has_stirred = True

    def _note_paid(self, records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record, PaymentRecord):
                order = self._orders.get(self._records.order(record.payment))
                if order is not None and order.is_control:
                    self._on_paid((record.ended_ns - record.started_ns) / 1e9, order.batch.rate)

    def _judge_orders(
        self, due: Sequence[LiveOrder], books: Sequence[Record], pending: set[str]
    ) -> None:
        """Judge orders that met the same outage, or none. `books`: of these, and maybe others."""
        names = {order.payment: order for order in due}
        undecided = names.keys() & pending
        of_names = [each for each in books if self._records.order_of(each) in names]
        records = self._records.of(names) + of_names
        verdicts = self._judge.verdicts(
            records,
            self._records,
            names,
            undecided=undecided,
            experiment=experiment_with(due[0].batch.outage),
        )
        for name, order in names.items():
            verdict = verdicts[name]
            if self._rest.may_settle(order) and not order.looks_wrong:
                broken = frozenset(verdict.broken)
                if not broken & AT_ANY_TIME and (broken or order.is_unknown):
                    order.looks_wrong, order.was_seen = not order.is_unknown, True
                    if broken:
                        order.batch.suspects[name] = (order.steps, broken)
                    continue
                order.has_stirred = order.is_unknown or not broken <= AT_ANY_TIME
                verdict.broken = {rule: verdict.broken[rule] for rule in broken & AT_ANY_TIME}
            self._end(order, verdict, is_undecided=name in undecided)

    def _end(self, order: LiveOrder, verdict: OrderVerdict, *, is_undecided: bool) -> None:
        """An order is judged: its batch may have ended with it."""
        batch, name, before = order.batch, order.payment, order.judged
        judged = Judged(
            steps=order.steps,
            payment=name,
            broken=verdict.broken,
            met=frozenset(verdict.met),
            asked=verdict.asked,
            failed=verdict.failed,
            took_s=verdict.took_s,
            requests=verdict.requests,
            declined_at=frozenset(verdict.declined_at),
        )
        batch.suspects.pop(name, None)
        if verdict.broken:
            batch.stories[name] = tuple(verdict.stories)
        if before is None:
            order.judged = judged
            batch.orders.append(judged)
            batch.undecided += is_undecided
            self._watched[name] = self._orders.pop(name)
            self._on_judged(judged, batch)
            if batch.is_whole:
                self._ended.append(batch)
        else:
            batch.orders[batch.orders.index(before)] = judged
            if judged.broken.keys() - before.broken.keys():
                self._on_changed(judged, batch)
        if before is not None or not self._rest.may_settle(order):
            self._release([name])

    def _release(self, names: Iterable[str]) -> None:
        """Nothing more is to come about these orders, as far as anybody waits for it."""
        over: set[str] = set()
        for name in list(names):
            over |= self._records.payments(name)
            order = self._watched.pop(name)
            self._records.forget(name)
            if order.steps:
                self._over.append(name)
        if over:
            self._running.forget_payments(over)
