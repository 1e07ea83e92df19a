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
from locust import FastHttpUser, constant_throughput, events, task

from harness.load.arrivals import Arrival, arrivals
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
from harness.payments.outcome import HopResult
from harness.services.channel import Reply, classify
from harness.services.message import PaymentRequest, encode
from harness.wire.http import HttpResponse

PLAN_VARIABLE = "PAYCHAIN_LOAD_PLAN"
CONCURRENCY = 2_000  # connections of one load process
PARENT_POLL_S = 0.25
STOP_POLL_S = 0.05
_NO_CONNECTION = ("ConnectionRefusedError", "gaierror")


def pay(user: FastHttpUser, request: PaymentRequest, span: str) -> Reply:
    """Send one payment as the customer and read the outcome from the body."""
    with user.client.post(
        TARGET,
        data=encode(request),
        headers=headers_of(request, span),
        name=ENTRY_OPERATION,
        catch_response=True,
    ) as response:
        if response.status_code == 0:
            reply = Reply(_failure(response.error))
        else:
            reply = classify(HttpResponse(response.status_code, response.content or b""))
        if reply.result.worked:
            response.success()
        else:
            response.failure(f"{reply.result} {reply.code}".strip())
    return reply


def _failure(error: BaseException | None) -> HopResult:
    names = {type(error).__name__, type(getattr(error, "__cause__", None)).__name__}
    if names.intersection(_NO_CONNECTION):
        return HopResult.REFUSED
    if isinstance(error, TimeoutError) or any("timeout" in name.lower() for name in names):
        return HopResult.TIMEOUT
    return HopResult.RESET


class Scheduled(FastHttpUser):
    """Walks the schedule of a run: exactly one of these per load process."""

    abstract = PLAN_VARIABLE not in os.environ
    fixed_count = 1
    concurrency = CONCURRENCY
    max_retries = 0
    max_redirects = 0

    def __init__(self, environment: object) -> None:
        self.plan = msgspec.json.decode(Path(os.environ[PLAN_VARIABLE]).read_bytes(), type=LoadPlan)
        self.host = self.plan.url
        self.connection_timeout = self.network_timeout = self.plan.deadline_s
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
        reply = Reply(HopResult.TIMEOUT)
        with gevent.Timeout(patience_s(self.plan, intended_ns, started_ns), False):
            reply = pay(self, request_of(self.plan, arrival), customer_span(arrival))
        ended_ns = self._now_ns()
        for record in records_of(self.plan, arrival, intended_ns, started_ns, ended_ns, reply):
            self.recorder.append(record)


class Customer(FastHttpUser):
    """Pays once a second under plain `locust -f`."""

    abstract = PLAN_VARIABLE in os.environ
    wait_time = constant_throughput(1)
    max_retries = 0

    @task
    def buy(self) -> None:
        """One payment with a published test card."""
        number = next(_numbers)
        payment = f"adhoc-{os.getpid()}-{number}"
        card = TEST_CARDS[number % len(TEST_CARDS)]
        request = PaymentRequest(payment, 2_500, "EUR", card, "ad hoc", key=payment)
        pay(self, request, f"c{number:015x}")


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
