"""Payments as Locust sends them.

With PAYCHAIN_LOAD_PLAN set (a run of paychain) one user walks the seeded schedule and starts a
greenlet per arrival, so that a slow chain cannot slow the arrivals down; or, in a closed model, a
greenlet per user of the plan. Without it, under plain
`locust -f` against `paychain up`, every user pays again and again.
"""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path

import gevent
import msgspec
from gevent.event import Event
from gevent.pool import Group
from locust import User, constant_throughput, events, task
from locust.env import Environment
from locust.exception import CatchResponseError, StopTest

from harness.load.arrivals import Arrival, Purchases, arrivals
from harness.load.client import CustomerPool
from harness.load.customer import (
    TARGET,
    asks_again_ns,
    customer_span,
    headers_of,
    hop_of,
    payment_of,
    request_of,
    try_s,
)
from harness.load.distributed import take_part
from harness.load.plan import LoadPlan, Offered
from harness.load.processes import PLAN_VARIABLE, WORKER_VARIABLE
from harness.load.recorder import Recorder
from harness.load.users import turns
from harness.model.chain import ENTRY_OPERATION
from harness.parent import Parent
from harness.payments.cards import TEST_CARDS
from harness.payments.errors import UserError
from harness.payments.journal import Standstill
from harness.pulse import EVERY_S, Pulse
from harness.services.channel import Reply, classify, failure_of
from harness.services.message import PaymentRequest, encode
from harness.services.plan import write_whole
from harness.wire.http import WireError

CONNECTIONS = 2_000  # of one load process
PATIENCE_S = 60.0  # of a customer without a plan
PARENT_POLL_S = 0.25
STOP_POLL_S = 0.05
LATEST_S = 0.5  # after its time, for what is behind its schedule
POLL_S = 0.01
TELL_S = 0.5
FOREVER_S = 1e6


class PayingUser(User):
    """A Locust user with the customers' client in place of Locust's."""

    abstract = True
    max_connections = 1

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        try:
            self.pool = CustomerPool(self.host or "", max_connections=self.max_connections)
        except UserError as error:
            raise StopTest(str(error)) from error

    def pay(self, request: PaymentRequest, span: str, patience_s: float) -> Reply:
        """Send one payment and read the outcome from the body; Locust's statistics get it too."""
        wall_s, began_s = time.time(), time.perf_counter()
        length = 0
        try:
            response = self.pool.post(
                TARGET, encode(request), headers=headers_of(request, span), timeout_s=patience_s
            )
            length = len(response.body)
            reply = classify(response)
        except WireError as error:
            reply = Reply(failure_of(error))
        failure = None if reply.result.worked else CatchResponseError(_named(reply))
        self.environment.events.request.fire(
            request_type="POST", name=ENTRY_OPERATION, response=None, response_length=length,
            response_time=(time.perf_counter() - began_s) * 1e3, start_time=wall_s,
            exception=failure, context={}, url=TARGET,
        )  # fmt: skip
        return reply


def _named(reply: Reply) -> str:
    return f"{reply.result} {reply.code}".strip()


class Scheduled(PayingUser):
    """Walks the schedule of a run: exactly one of these per load process."""

    abstract = PLAN_VARIABLE not in os.environ
    max_connections = CONNECTIONS

    def __init__(self, environment: Environment) -> None:
        plan = Path(os.environ[PLAN_VARIABLE])
        while not plan.exists():  # a worker's comes from its master
            gevent.sleep(POLL_S)
        self.plan = msgspec.json.decode(plan.read_bytes(), type=LoadPlan)
        self.host = self.plan.url
        super().__init__(environment)
        self.purchases = Purchases(self.plan)
        self.started = 0

    @task
    def walk(self) -> None:
        """Once per process, and not ended when Locust counts its workers and users anew."""
        if self.plan.ready.exists():
            gevent.sleep(FOREVER_S)
        self.plan.ready.touch()
        gevent.spawn(self._walk).join()

    def _walk(self) -> None:
        """Let the load pass, wait for the last answers, say that it is over."""
        recorder = Recorder(self.plan.spool)
        start_ns = self._start_ns()
        paying, stop = Group(), Event()
        aside = [
            gevent.spawn(self._watch_for, stop),
            gevent.spawn(self._tell_often),
            gevent.spawn(self._keep_pulse, recorder),
        ]
        if self.plan.users:
            self._let_users_pay(start_ns, paying, stop, recorder)
        else:
            self._keep_schedule(start_ns, paying, stop, recorder)
        patient_ns = int((self.plan.lasts_s + self.plan.deadline_s + LATEST_S) * 1e9)
        paying.join(timeout=max(0.0, (start_ns + patient_ns - self._now_ns()) / 1e9))
        recorder.close()
        gevent.killall(aside)
        write_whole(self.plan.offered, Offered(self.started, is_over=True))
        if WORKER_VARIABLE not in os.environ:  # a worker still has its records to deliver
            self.environment.runner.quit()

    def _keep_schedule(self, start_ns: int, paying: Group, stop: Event, recorder: Recorder) -> None:
        """Start every arrival at its time, whatever became of the ones before.

        A load that is too late at its end is over: what is still due is missing, and told as such.
        """
        last_ns = start_ns + int((self.plan.lasts_s + LATEST_S) * 1e9)
        for arrival in arrivals(self.plan):
            intended_ns = start_ns + int(arrival.at_s * 1e9)
            wait_s = (intended_ns - self._now_ns()) / 1e9
            if wait_s > 0:
                stop.wait(wait_s)
            else:
                gevent.sleep(0)  # behind: the payments under way must not fall behind, too
            if stop.is_set() or self._now_ns() > last_ns:
                break
            paying.spawn(self.pay_for, arrival, intended_ns, recorder)
            self.started += 1
        # A load may end in silence; who goes before its end is taken for dead.
        end_ns = start_ns + int(self.plan.lasts_s * 1e9)
        stop.wait(max(0.0, (end_ns - self._now_ns()) / 1e9))

    def _let_users_pay(self, start_ns: int, paying: Group, stop: Event, recorder: Recorder) -> None:
        """Start every user of this share and wait for the end of the load."""
        for user in range(self.plan.share, self.plan.users, self.plan.shares):
            paying.spawn(self._use, user, start_ns, stop, recorder)
        end_ns = start_ns + int(self.plan.lasts_s * 1e9)
        stop.wait((end_ns - self._now_ns()) / 1e9)
        stop.set()

    def _use(self, user: int, start_ns: int, stop: Event, recorder: Recorder) -> None:
        stop.wait((start_ns - self._now_ns()) / 1e9)
        for number, pause_s in turns(self.plan, user):
            if stop.wait(pause_s):
                return
            now_ns = self._now_ns()
            self.started += 1
            self.pay_for(
                self.purchases.arrival(number, (now_ns - start_ns) / 1e9), now_ns, recorder
            )

    def _start_ns(self) -> int:
        while not self.plan.go.exists():
            gevent.sleep(POLL_S)
        return int(self.plan.go.read_text())

    def _tell_often(self) -> None:
        while True:
            write_whole(self.plan.offered, Offered(self.started, is_over=False))
            gevent.sleep(TELL_S)

    def _keep_pulse(self, recorder: Recorder) -> None:
        process = os.environ.get(WORKER_VARIABLE, "load process")

        def told(from_ns: int, until_ns: int) -> None:
            recorder.append(Standstill(process, from_ns, until_ns, pays=True))

        pulse = Pulse(self._now_ns, told)
        while True:
            gevent.sleep(EVERY_S)
            pulse.beat()

    def _watch_for(self, stop: Event) -> None:
        while not self.plan.stop.exists():
            gevent.sleep(STOP_POLL_S)
        stop.set()

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self.plan.epoch_ns

    def pay_for(self, arrival: Arrival, intended_ns: int, recorder: Recorder) -> None:
        """One payment from its intended start to its record."""
        plan, request = self.plan, request_of(self.plan, arrival)
        began_ns = asked_ns = self._now_ns() if not plan.users else intended_ns
        for number in count(1):
            reply = self.pay(
                request, customer_span(arrival, number), try_s(plan, intended_ns, asked_ns)
            )
            recorder.append(hop_of(plan, arrival, number, asked_ns, self._now_ns(), reply))
            again_ns = asks_again_ns(plan, intended_ns, asked_ns, reply)
            if again_ns is None:
                break
            gevent.sleep(max(0.0, (again_ns - self._now_ns()) / 1e9))
            asked_ns = self._now_ns()
        recorder.append(payment_of(plan, arrival, intended_ns, began_ns, self._now_ns(), reply))


class Customer(PayingUser):
    """Pays once a second under plain `locust -f`."""

    abstract = PLAN_VARIABLE in os.environ
    wait_time = constant_throughput(1)

    @task
    def buy(self) -> None:
        """One payment with a published test card."""
        number = next(_numbers)
        payment = f"adhoc-{os.getpid()}-{number}"
        card = TEST_CARDS[number % len(TEST_CARDS)]
        request = PaymentRequest(payment, 2_500, "EUR", card, "ad hoc", key=payment)
        self.pay(request, f"c{number:015x}", PATIENCE_S)


_numbers = count(1)


@events.init.add_listener
def _leave_with_the_conductor(**_: object) -> None:
    """A load process without its conductor would go on for nobody."""
    if PLAN_VARIABLE not in os.environ:
        return
    parent = Parent()

    def watch() -> None:
        while not parent.is_gone:
            gevent.sleep(PARENT_POLL_S)
        os._exit(1)

    gevent.spawn(watch)


take_part()
