"""Payments as Locust sends them.

With PAYCHAIN_LOAD_PLAN set (a run of paychain) one user walks the seeded schedule and starts a
greenlet per arrival, so that a slow chain cannot slow the arrivals down. Without it, under plain
`locust -f` against `paychain up`, every user pays again and again.
"""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path

import gevent
import gevent.event
import gevent.pool
import msgspec
from locust import User, constant_throughput, events, task
from locust.env import Environment
from locust.exception import CatchResponseError, StopTest

from harness.load.arrivals import Arrival, arrivals
from harness.load.client import CustomerPool
from harness.load.customer import (
    TARGET,
    customer_span,
    headers_of,
    patience_s,
    records_of,
    request_of,
)
from harness.load.plan import LoadPlan
from harness.load.recorder import Recorder
from harness.model.chain import ENTRY_OPERATION
from harness.payments.cards import TEST_CARDS
from harness.payments.errors import UserError
from harness.services.channel import Reply, classify, failure_of
from harness.services.message import PaymentRequest, encode
from harness.wire.http import WireError

PLAN_VARIABLE = "PAYCHAIN_LOAD_PLAN"
CONNECTIONS = 2_000  # of one load process
PATIENCE_S = 60.0  # of a customer without a plan
PARENT_POLL_S = 0.25
STOP_POLL_S = 0.05


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
    fixed_count = 1
    max_connections = CONNECTIONS

    def __init__(self, environment: Environment) -> None:
        self.plan = msgspec.json.decode(Path(os.environ[PLAN_VARIABLE]).read_bytes(), type=LoadPlan)
        self.host = self.plan.url
        super().__init__(environment)
        self.recorder = Recorder(Path(self.plan.spool))

    @task
    def walk(self) -> None:
        """Start every arrival at its time, wait for the last answers, end the process."""
        start_ns = self._start_ns()
        payments = gevent.pool.Group()
        stop = gevent.event.Event()
        watching = gevent.spawn(self._watch_for, stop)
        offered = 0
        for arrival in arrivals(self.plan):
            intended_ns = start_ns + int(arrival.at_s * 1e9)
            wait_s = (self.plan.epoch_ns + intended_ns - time.monotonic_ns()) / 1e9
            if wait_s > 0:
                stop.wait(wait_s)
            if stop.is_set():
                break
            payments.spawn(self._pay, arrival, intended_ns)
            offered += 1
        watching.kill()
        Path(self.plan.offered).write_text(str(offered))
        payments.join(timeout=self.plan.deadline_s + 1)
        self.recorder.close()
        self.environment.runner.quit()

    def _start_ns(self) -> int:
        Path(self.plan.ready).touch()
        go = Path(self.plan.go)
        while not go.exists():
            gevent.sleep(0.01)
        return int(go.read_text())

    def _watch_for(self, stop: gevent.event.Event) -> None:
        while not Path(self.plan.stop).is_file():
            gevent.sleep(STOP_POLL_S)
        stop.set()

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self.plan.epoch_ns

    def _pay(self, arrival: Arrival, intended_ns: int) -> None:
        started_ns = self._now_ns()
        reply = self.pay(
            request_of(self.plan, arrival), customer_span(arrival),
            patience_s(self.plan, intended_ns, started_ns),
        )  # fmt: skip
        ended_ns = self._now_ns()
        for record in records_of(self.plan, arrival, intended_ns, started_ns, ended_ns, reply):
            self.recorder.append(record)


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
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            gevent.sleep(PARENT_POLL_S)
        os._exit(1)

    gevent.spawn(watch)
