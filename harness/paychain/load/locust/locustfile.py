"""Payments as Locust sends them.

With PAYCHAIN_LOAD_PLAN set (a run of paychain) one user walks the seeded schedule and starts a
greenlet per arrival, so that a slow chain cannot slow the arrivals down; or, in a closed model, a
greenlet per user of the plan. Without it, under plain
`locust -f` against `paychain up`, every user pays again and again.
"""

from __future__ import annotations

import os
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import gevent
import msgspec
from gevent.event import Event
from gevent.pool import Group
from locust import User, constant_throughput, events, task
from locust.env import Environment
from locust.exception import CatchResponseError, StopTest

from paychain.load.adapters import Exchanges
from paychain.load.distributed.part import take_part
from paychain.load.locust.client import CustomerPool
from paychain.load.locust.processes import PLAN_VARIABLE, WORKER_VARIABLE
from paychain.load.locust.recorder import Recorder
from paychain.load.traffic.arrivals import Arrival, Purchases, arrivals
from paychain.load.traffic.customer import CustomerPayment, NextPayment
from paychain.load.traffic.exchange import Got, Send, Try
from paychain.load.traffic.pacing import Pace, PlannedSchedule, Start
from paychain.load.traffic.plan import EntryPlan, LoadPlan, OfferedLoad
from paychain.load.traffic.users import turns
from paychain.model.operations import ENTRY_OPERATION
from paychain.payments.cards import TEST_CARDS
from paychain.payments.errors import UserError, sentence_of
from paychain.payments.journal import Stall
from paychain.processes.children import FATAL
from paychain.processes.collector import collect_seldom
from paychain.processes.files import write_atomically
from paychain.processes.parent import Parent
from paychain.processes.stalls import EVERY_S, StallDetector
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.wire.http import WireError

CONNECTIONS = 2_000  # of one load process
PATIENCE_S = 60.0  # of a customer without a plan
PARENT_POLL_S = 0.25
STOP_POLL_S = 0.05
LATEST_S = 0.5  # after its time, for what is behind its schedule
POLL_S = 0.01
REPORT_S = 0.5
FOREVER_S = 1e6


@events.init_command_line_parser.add_listener
def without_files(parser: Any) -> None:
    """Let no configuration file of Locust's change the load of a run, such as ~/.locust.conf."""
    if PLAN_VARIABLE in os.environ:
        parser._default_config_files = ()


class PayingUser(User):
    """A Locust user with the customers' client instead of Locust's."""

    abstract = True
    max_connections = 1
    entries: tuple[EntryPlan, ...] = ()  # links that take payments; empty: Locust's --host

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.entries = self.entries or (EntryPlan(link="", url=self.host or ""),)
        self.exchanges = Exchanges()
        try:
            self.pools = {
                entry.link: CustomerPool(entry.url, max_connections=self.max_connections)
                for entry in self.entries
            }
            self.pages: dict[str, CustomerPool] = {}  # of providers, by host and port
            self.exchanges.load(self.entries)
        except UserError as error:
            self.refuse(error)

    def refuse(self, error: UserError) -> None:
        """End before any payment, because customers cannot pay."""
        raise StopTest(str(error)) from error

    def pay(self, attempt: Try) -> Reply:
        """One try to pay, to its reply; Locust's statistics get it too."""
        wall_s, began_s = time.time(), time.perf_counter()
        length = 0
        entry = self.pools[attempt.entry.link]
        exchange = self.exchanges.of(attempt)
        step = exchange.start(time.monotonic_ns())
        while isinstance(step, Send):
            if (wait_s := (step.at_ns - time.monotonic_ns()) / 1e9) > 0:
                gevent.sleep(wait_s)
            http, pool = step.http, self._page(step.to) if step.to else entry
            got: Got
            try:
                got = pool.request(
                    http.method,
                    http.target,
                    http.body,
                    headers=http.headers,
                    timeout_s=step.timeout_s,
                )
                length += len(got.body)
            except WireError as error:
                got = error
            step = exchange.receive(got, time.monotonic_ns())
        failure = None if step.result.worked else CatchResponseError(_named(step))
        self.environment.events.request.fire(
            request_type="POST",
            name=ENTRY_OPERATION,
            response=None,
            response_length=length,
            response_time=(time.perf_counter() - began_s) * 1e3,
            start_time=wall_s,
            exception=failure,
            context={},
            url=f"/{ENTRY_OPERATION}",
        )
        return step

    def _page(self, authority: str) -> CustomerPool:
        """Connections to a provider's pages."""
        if authority not in self.pages:
            url = f"http://{authority}"
            self.pages[authority] = CustomerPool(url, max_connections=self.max_connections)
        return self.pages[authority]


def _named(reply: Reply) -> str:
    return f"{reply.result} {reply.code}".strip()


class Scheduled(PayingUser):
    """Walks the schedule of a run: exactly one of these per load process."""

    abstract = PLAN_VARIABLE not in os.environ
    max_connections = CONNECTIONS
    has_begun: ClassVar[bool] = False  # in this process, whatever has become of its folder

    def __init__(self, environment: Environment) -> None:
        plan = Path(os.environ[PLAN_VARIABLE])
        while not plan.exists():  # a worker's comes from its master
            gevent.sleep(POLL_S)
        self.plan = msgspec.json.decode(plan.read_bytes(), type=LoadPlan)
        self.entries = self.plan.entries
        super().__init__(environment)
        self.purchases = Purchases(self.plan)
        self.started = 0

    def refuse(self, error: UserError) -> None:
        """End the process with the reason as its last line, which the run reports."""
        print(f"customers cannot pay: {error}", file=sys.stderr, flush=True)
        os._exit(1)

    @task
    def walk(self) -> None:
        """Once per process, and not ended when Locust counts its workers and users anew."""
        # Locust calls it again as soon as it ends, also by an error: then the run ends the process.
        if Scheduled.has_begun:
            gevent.sleep(FOREVER_S)
        Scheduled.has_begun = True
        collect_seldom()
        self.plan.ready.touch()
        gevent.spawn(self._walk).join()

    def _walk(self) -> None:
        """Let the load pass, wait for the last answers, report that it is over."""
        recorder = Recorder(self.plan.spool)
        # A load that is ended before its time ends its journal in order, too.
        self.environment.events.quitting.add_listener(lambda **_: recorder.close())
        start_ns = self._start_ns()
        paying, stop = Group(), Event()
        aside = [
            gevent.spawn(self._watch_for, stop),
            gevent.spawn(self._report_often),
            gevent.spawn(self._detect_stalls, recorder),
        ]
        if self.plan.users:
            self._let_users_pay(start_ns, paying, stop, recorder)
        else:
            self._keep_schedule(start_ns, paying, stop, recorder)
        patient_ns = int((self.plan.lasts_s + self.plan.longest_s + LATEST_S) * 1e9)
        paying.join(timeout=max(0.0, (start_ns + patient_ns - self._now_ns()) / 1e9))
        recorder.close()
        gevent.killall(aside)
        try:
            self._report_offered(is_over=True)
        except OSError as error:
            # The run shows this line, although Locust's table follows it.
            print(f"{FATAL}{sentence_of(error)}", file=sys.stderr, flush=True)
            self.environment.process_exit_code = 1
        if WORKER_VARIABLE not in os.environ:  # a worker still has its records to deliver
            self.environment.runner.quit()

    def _keep_schedule(self, start_ns: int, paying: Group, stop: Event, recorder: Recorder) -> None:
        """Start every arrival at its time, whatever became of the ones before."""
        last_ns = start_ns + int((self.plan.lasts_s + LATEST_S) * 1e9)
        pace = Pace(PlannedSchedule(arrivals(self.plan)), start_ns, give_up_ns=last_ns)
        while not stop.is_set() and (step := pace.decide(self._now_ns())) is not None:
            if isinstance(step, Start):
                customer = paying.spawn(self.pay_for, step.arrival, step.intended_ns, recorder)
                customer.link_exception(self._note_failure)
                self.started += 1
            elif (wait_s := (step.until_ns - self._now_ns()) / 1e9) > 0:
                stop.wait(wait_s)
            else:
                gevent.sleep(0)
        # A load may end with a silent stretch; a load process that ends earlier counts as dead.
        end_ns = start_ns + int(self.plan.lasts_s * 1e9)
        stop.wait(max(0.0, (end_ns - self._now_ns()) / 1e9))

    def _let_users_pay(self, start_ns: int, paying: Group, stop: Event, recorder: Recorder) -> None:
        """Start every user of this share and wait for the end of the load."""
        for user in range(self.plan.share, self.plan.users, self.plan.shares):
            customer = paying.spawn(self._use, user, start_ns, stop, recorder)
            customer.link_exception(self._note_failure)
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

    def _note_failure(self, customer: gevent.Greenlet) -> None:
        self.exchanges.doubts.note_failure(customer.exception)

    def _start_ns(self) -> int:
        while not self.plan.go.exists():
            gevent.sleep(POLL_S)
        return int(self.plan.go.read_text())

    def _report_often(self) -> None:
        while True:
            self._report_offered(is_over=False)
            gevent.sleep(REPORT_S)

    def _report_offered(self, *, is_over: bool) -> None:
        doubts = self.exchanges.doubts
        problems = doubts.problems() if is_over or doubts.are_certain else []
        write_atomically(self.plan.offered, OfferedLoad(self.started, is_over, problems))

    def _detect_stalls(self, recorder: Recorder) -> None:
        process = os.environ.get(WORKER_VARIABLE, "load process")

        def report(from_ns: int, until_ns: int) -> None:
            recorder.append(Stall(process, from_ns, until_ns, pays=True))

        detector = StallDetector(self._now_ns, report)
        while True:
            gevent.sleep(EVERY_S)
            detector.heartbeat()

    def _watch_for(self, stop: Event) -> None:
        while not self.plan.stop.exists():
            gevent.sleep(STOP_POLL_S)
        stop.set()

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self.plan.epoch_ns

    def pay_for(self, arrival: Arrival, intended_ns: int, recorder: Recorder) -> None:
        """One order, with all payments that the customer makes for it."""
        further: NextPayment | None = NextPayment(arrival, intended_ns, intended_ns)
        while further is not None:
            further = self._pay_once(further, recorder)
            self.started += further is not None

    def _pay_once(self, wanted: NextPayment, recorder: Recorder) -> NextPayment | None:
        """One payment from its intended start to its record; the next one of the same order."""
        wait_s = (wanted.intended_ns - self._now_ns()) / 1e9
        if wait_s > 0:
            gevent.sleep(wait_s)
        began_ns = wanted.intended_ns if self.plan.users else self._now_ns()
        payment = CustomerPayment(
            self.plan, wanted.arrival, wanted.intended_ns, began_ns, wanted.wanted_ns
        )
        while True:
            reply = self.pay(payment.start_try(self._now_ns()))
            recorder.append(payment.end_try(reply, self._now_ns()))
            if payment.retry_ns is None:
                break
            gevent.sleep(max(0.0, (payment.retry_ns - self._now_ns()) / 1e9))
        recorder.append(payment.record(self._now_ns()))
        return payment.another()


class PlainCustomer(PayingUser):
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
        self.pay(Try(request, f"c{number:015x}", PATIENCE_S, self.entries[0]))


_numbers = count(1)


@events.init.add_listener
def _leave_with_the_conductor(**_: object) -> None:
    """End a load process whose conductor has ended."""
    if PLAN_VARIABLE not in os.environ:
        return
    parent = Parent()

    def watch() -> None:
        while not parent.is_gone:
            gevent.sleep(PARENT_POLL_S)
        os._exit(1)

    gevent.spawn(watch)


take_part()
