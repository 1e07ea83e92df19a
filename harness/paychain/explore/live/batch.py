"""Batches of payments on a running chain, each payment with its own failure script.

    begin ─ customers pay ─ an order is at rest ─ judged by itself ─┐
    begin ─ …        (up to MAX_AT_ONCE orders at once)             ├─> its batch has ended
    look: time passes, records are read, what is at rest is judged ─┘

An order is at rest when its customer is done, no mock link works for it, nothing about it is
unknown, and nothing of it was recorded for a moment. An own service may still settle what looks
wrong then: such an order is judged again when the time that the chain declares for it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from paychain.engine.timeline import Action, switch_of
from paychain.environment.running_chain import RunningChain, pass_time
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.outages import AT_S, Outage, experiment_with
from paychain.explore.live.records import OrderRecords
from paychain.explore.live.steps import Steps, script_of
from paychain.explore.live.verdicts import Judge, Verdict
from paychain.load.traffic.arrivals import Arrival, Purchases, under_script
from paychain.load.traffic.planning import customers_plan
from paychain.model.chain import Chain
from paychain.model.scripts import Followed, Script, encode_script
from paychain.payments.errors import UserError
from paychain.payments.journal import PaymentRecord, Record

MAX_AT_ONCE = 320  # orders in flight: 256 with a script, and controls
AHEAD_S = 0.5  # a batch may begin so long before the payments of the last one have
# Without a record of it an order is at rest after so long: longer than the usual timeouts of 2 s,
# in which a service waits for an answer that is lost and nobody records anything.
QUIET_S = 2.5
JUDGED_EVERY_S = 0.75  # orders at rest, together: judging costs most of it whatever their number
FLUSHED_S = 0.5  # the same where all of its requests are known: records are flushed by then
MORE_TIME = 2  # times what is declared: what is not settled then never is
# Of the time that it has lasted: how long an end in virtual time is left alone between two looks.
VIRTUAL_LOOK_SHARE = 0.05


@dataclass(kw_only=True)
class _Order:
    """An order in flight. `over_ns`: when its customer was seen to be done."""

    steps: Steps
    payment: str
    batch: Batch
    begun_ns: int
    active_ns: int  # when something was recorded about it last
    over_ns: int | None = None
    looks_wrong: bool = False  # it broke a rule when it came to rest first


class Batches:
    """Runs batches on one running chain. Payments are numbered on from batch to batch.

    `rate`: payments per second. `on_judged` gets each order as soon as it is judged, `on_paid` the
    seconds that the customer of an order without a script waited, as soon as that is over, and the
    rate of its batch.
    `keeps_requests`: with what own services asked for it.
    """

    def __init__(
        self,
        chain: Chain,
        running: RunningChain,
        seed: int,
        rate: float,
        on_judged: Callable[[Judged, Batch], None] = lambda _order, _batch: None,
        *,
        on_paid: Callable[[float, float], None] = lambda _took_s, _rate: None,
        keeps_requests: bool = False,
    ) -> None:
        self.rate = rate
        self._on_judged, self._on_paid = on_judged, on_paid
        self._chain, self._running = chain, running
        self._has_own = bool(chain.own_services())
        self._judge = Judge(chain, keeps_requests=keeps_requests)
        plan = replace(customers_plan(chain, seed), id_prefix=running.id_prefix)
        self._purchases = Purchases(plan)
        self._number = 0
        self._judged_ns = 0  # when orders were judged last
        self._free_ns = 0  # when all payments of the batches so far have begun
        self._records = OrderRecords(running.id_prefix)
        self._orders: dict[str, _Order] = {}  # in flight, by their first payments
        self._ended: list[Batch] = []  # and not returned by `look` yet
        self._over: list[str] = []  # orders whose scripts the links still know

    @property
    def requests(self) -> int:
        """Requests over all hops, so far."""
        return self._records.requests

    @property
    def in_flight(self) -> int:
        """Orders that are not judged yet."""
        return len(self._orders)

    def longest_wait_s(self) -> float:
        """How long the customer of an order without a script has waited who waits longest now."""
        now_ns = self._running.now_ns()
        waiting = (
            order.begun_ns
            for order in self._orders.values()
            if _is_control(order) and order.over_ns is None
        )
        return max(0.0, (now_ns - min(waiting, default=now_ns)) / 1e9)

    def has_room(self, number: int) -> bool:
        """Whether a batch of that many orders may begin now."""
        is_free = self._free_ns <= self._running.now_ns() + AHEAD_S * 1e9
        return is_free and len(self._orders) + number <= MAX_AT_ONCE

    def begin(self, scripts: Sequence[Steps], controls: int = 0) -> Batch:
        """Let a payment follow each script, controls spread among them, all at the batch's rate.

        The batch fills as its orders are judged.
        """
        mixed = _with_controls(scripts, controls)
        batch = Batch(number=len(mixed), rate=self.rate)
        now_ns = self._running.now_ns()
        wait_s = max(0.0, (self._free_ns - now_ns) / 1e9)
        self._pay(
            batch,
            [(steps, wait_s + place / self.rate) for place, steps in enumerate(mixed)],
        )
        self._free_ns = now_ns + int((wait_s + len(mixed) / self.rate) * 1e9)
        return batch

    def look(self) -> list[Batch]:
        """Let a moment pass; the batches that have ended since the last look."""
        self._pass_moment()
        ended, self._ended = self._ended, []
        return ended

    def run_alone(self, steps: Steps, times: int) -> Batch:
        """Let fresh payments follow one script, each once the customer of the last one is done."""
        batch = Batch(number=times, rate=self.rate)
        for _ in range(times):
            (payment,) = self._pay(batch, [(steps, 0.0)])
            while payment in self._orders and self._orders[payment].over_ns is None:
                self._pass_moment()
        return self._wait_for(batch)

    def run_through(self, outage: Outage, scripts: Sequence[Steps]) -> Batch:
        """Let orders follow scripts, () for none, while an outage comes and goes.

        Nothing else is in flight meanwhile: all that is would meet it.
        """
        while self._orders:
            self._pass_moment()
        batch = Batch(number=len(scripts), rate=self.rate, outage=outage)
        self._pay(batch, [(steps, place / self.rate) for place, steps in enumerate(scripts)])
        pass_time(self._running, AT_S)
        self._switch(outage, "apply")
        pass_time(self._running, outage.lasts_ms / 1000)
        self._switch(outage, "heal")
        return self._wait_for(batch)

    def _switch(self, outage: Outage, action: Action) -> None:
        switch = switch_of(self._chain, outage.fault, action)
        done = self._running.switch(switch, self._running.now_ns())
        if done.error:
            raise UserError(done.problem)

    def abandon(self) -> tuple[list[Batch], list[Steps]]:
        """The batches as far as they were judged, and the scripts of the orders that were not."""
        left = list(self._orders.values())
        batches = {id(order.batch): order.batch for order in left if order.batch.orders}
        self._orders.clear()
        ended, self._ended = self._ended, []
        return [*ended, *batches.values()], [order.steps for order in left if order.steps]

    def _wait_for(self, batch: Batch) -> Batch:
        while not batch.is_whole:
            self._pass_moment()
        self._ended = [ended for ended in self._ended if ended is not batch]
        return batch

    # -- paying -----------------------------------------------------------------------------------
    def _pay(self, batch: Batch, wanted: Sequence[tuple[Steps, float]]) -> list[str]:
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
            self._orders[payment] = _Order(
                steps=steps, payment=payment, batch=batch, begun_ns=begun_ns, active_ns=begun_ns
            )
            self._records.expect(payment)
        over, self._over = self._over, []
        self._running.follow_scripts(
            Followed(
                scripts=[encode_script(script) for _, script in followed],
                assigned={payment: script.id for payment, script in followed},
                over=over,
            )
        )
        self._running.begin_paying(sorted(coming, key=lambda arrival: arrival.at_s))
        return payments

    # -- judging ----------------------------------------------------------------------------------
    def _pass_moment(self) -> None:
        """Let a moment pass, read what was recorded, and judge the orders that are at rest."""
        pass_time(self._running, self._moment_s())
        progress = self._running.in_progress()
        now_ns = self._running.now_ns()
        for records in self._running.collect():
            for name in self._records.add(records):
                self._orders[name].active_ns = now_ns
            self._note_paid(records)
        paying = set(map(self._records.order, progress.paying))
        for order in self._orders.values():
            if order.over_ns is None and order.payment not in paying:
                order.over_ns = now_ns
        every_s = 0.0 if self._running.is_virtual else JUDGED_EVERY_S
        if now_ns < self._judged_ns + every_s * 1e9:
            return
        pending = set(map(self._records.order, progress.pending))
        unknown = set(map(self._records.order, progress.unknown))
        due = [
            order
            for order in self._orders.values()
            if self._is_due(order, order.payment in pending, order.payment in unknown)
        ]
        if due:
            self._judge_orders(due, pending)
            self._judged_ns = self._running.now_ns()
            first = min((order.begun_ns for order in self._orders.values()), default=now_ns)
            self._records.forget_before(first)

    def _note_paid(self, records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record, PaymentRecord):
                order = self._orders.get(self._records.order(record.payment))
                if order is not None and _is_control(order):
                    self._on_paid((record.ended_ns - record.started_ns) / 1e9, order.batch.rate)

    def _moment_s(self) -> float:
        every_s = self._running.look_every_s
        if not self._running.is_virtual or not self._orders:
            return every_s
        # Webhooks are repeated for days there, and each look costs the same.
        newest_ns = max(order.begun_ns for order in self._orders.values())
        waited_s = (self._running.now_ns() - newest_ns) / 1e9
        return max(every_s, VIRTUAL_LOOK_SHARE * waited_s)

    def _is_due(self, order: _Order, is_pending: bool, is_unknown: bool) -> bool:
        """Whether an order is to be judged now."""
        if order.over_ns is None:
            return False
        waited_s = self._waited_s(order)
        settles_s = self._running.settles_within_s
        if waited_s >= MORE_TIME * settles_s:
            return True
        quiet_s = (self._running.now_ns() - order.active_ns) / 1e9
        if is_pending or quiet_s < self._quiet_s:
            return False
        return waited_s >= settles_s or not (is_unknown or order.looks_wrong)

    @property
    def _quiet_s(self) -> float:
        if self._running.is_virtual:
            return 0.0  # every record is there at once
        return QUIET_S if self._has_own else FLUSHED_S

    def _waited_s(self, order: _Order) -> float:
        """Seconds since its customer was done."""
        assert order.over_ns is not None, "its customer is done"
        return (self._running.now_ns() - order.over_ns) / 1e9

    def _judge_orders(self, due: Sequence[_Order], pending: set[str]) -> None:
        names = {order.payment: order for order in due}
        undecided = names.keys() & pending
        payments = {payment for name in names for payment in self._records.payments(name)}
        records = self._records.of(names) + self._running.read_books(payments)
        verdicts = self._judge.verdicts(
            records,
            self._records,
            names,
            undecided=undecided,
            # While there is an outage, only its batch is in flight.
            experiment=experiment_with(due[0].batch.outage),
        )
        over: set[str] = set()
        for name, order in names.items():
            verdict = verdicts[name]
            has_time = self._waited_s(order) < self._running.settles_within_s
            if verdict.broken and has_time and self._has_own and not order.looks_wrong:
                order.looks_wrong = True
                continue
            over |= self._records.payments(name)
            self._end(order, verdict, is_undecided=name in undecided)
        self._running.forget_payments(over)

    def _end(self, order: _Order, verdict: Verdict, *, is_undecided: bool) -> None:
        """An order is judged: its batch may have ended with it."""
        batch, name = order.batch, order.payment
        judged = Judged(
            steps=order.steps,
            payment=name,
            broken=verdict.broken,
            met=frozenset(verdict.met),
            asked=verdict.asked,
            failed=verdict.failed,
            took_s=verdict.took_s,
            requests=verdict.requests,
        )
        batch.orders.append(judged)
        self._on_judged(judged, batch)
        batch.undecided += is_undecided
        if verdict.broken:
            batch.stories[name] = tuple(verdict.stories)
        del self._orders[name]
        self._records.forget(name)
        if order.steps:
            self._over.append(name)
        if batch.is_whole:
            self._ended.append(batch)


def _is_control(order: _Order) -> bool:
    """Nothing happens to it that does not happen to others."""
    return not order.steps and order.batch.outage is None


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
