"""Locust with a rate that is changed by hand: on its own page, on the board or in a terminal.

Each Locust user is one payment per second, but users only count: one greenlet starts every payment
at its moment, evenly spaced, whether or not those before it are answered (open model).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import gevent
import msgspec
import requests
from locust import User, events, task

from paychain.board.control import LoadCommand, Steering
from paychain.board.plan import PLAN_VARIABLE, SECRET_VARIABLE, TOKEN_VARIABLE, BoardPlan
from paychain.board.session_ids import SessionIds
from paychain.load.locust import locustfile as load
from paychain.load.locust.recorder import Recorder
from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.pacing import Pace, Start
from paychain.load.traffic.steered import SteeredSchedule
from paychain.processes.parent import Parent
from paychain.processes.sessions import direct_session
from paychain.processes.tokens import bearer

PACE_S = 0.02  # a change of the rate takes effect within this
REPORT_EVERY_S = 0.1
REPORT_TIMEOUT_S = 5.0
IDLE_S = 3600.0


class PaymentsPerSecond(User):
    """Each user is one payment per second."""

    @task
    def idle(self) -> None:
        """Do nothing: only the number of users matters."""
        gevent.sleep(IDLE_S)


class BoardLoad:
    """Starts the payments at the rate of the moment, and reports to the session."""

    def __init__(self, environment: Any, plan: BoardPlan, secret: str) -> None:
        self._environment = environment
        self._payer = load.Scheduled(environment)  # never one of the runner's users
        self._recorder = Recorder(self._payer.plan.spool)
        self._run = 1
        self._schedule = SteeredSchedule()
        self._start_ns: int | None = None
        self._pace: Pace | None = None  # once the load has begun
        self._waiting = 0
        self._holds = False
        self._last_command = 0  # number of the last command that was executed
        self._url = f"{plan.control}/steer"
        self._session = direct_session()
        self._session.headers["authorization"] = bearer(secret)

    def ready(self) -> None:
        """Signal to the session that payments can start."""
        self._payer.plan.ready.touch()

    def pay(self) -> None:
        """Start every payment at its moment, at the rate of the moment."""
        while True:
            self._follow_rate()
            step = self._pace.decide(self._now_ns()) if self._pace is not None else None
            if isinstance(step, Start):
                self._start(step)
            elif step is None:
                gevent.sleep(PACE_S)
            else:
                wait_s = (step.until_ns - self._now_ns()) / 1e9
                gevent.sleep(min(max(0.0, wait_s), PACE_S))

    def _follow_rate(self) -> None:
        """Take over the number of users as the rate; the first payment starts the run."""
        rate = 0 if self._holds else self._environment.runner.user_count
        if rate == self._schedule.rate:
            return
        now_ns = self._now_ns()
        if self._start_ns is None:
            self._start_ns = now_ns
            self._pace = Pace(self, self._start_ns)
        self._schedule.change((now_ns - self._start_ns) / 1e9, rate)

    def next_s(self) -> float | None:
        """When the next payment arrives at this rate."""
        return self._schedule.next_s()

    def take(self) -> Arrival:
        """The next payment, with an id of this recorded run."""
        at_s = self._schedule.next_s()
        assert at_s is not None
        arrival = self._payer.purchases.arrival(self._schedule.take(), at_s)
        ids = SessionIds(self._payer.plan.id_prefix)
        return msgspec.structs.replace(arrival, payment=ids.in_run(self._run, arrival.payment))

    def steer(self) -> None:
        """Report to the session, and follow its commands."""
        parent = Parent()
        while True:
            if parent.is_gone:
                os._exit(1)  # the session was killed
            try:
                report = Steering(
                    run=self._run,
                    start_ns=self._start_ns,
                    changes=self._schedule.changes,
                    started=self._schedule.taken,
                    waiting=self._waiting,
                )
                response = self._session.post(
                    self._url, data=msgspec.json.encode(report), timeout=REPORT_TIMEOUT_S
                )
                response.raise_for_status()
                self._follow(msgspec.json.decode(response.content, type=LoadCommand))
            except requests.RequestException:
                pass  # the session is ending; if it was killed, the parent is gone
            gevent.sleep(REPORT_EVERY_S)

    def _follow(self, command: LoadCommand) -> None:
        self._holds = command.holds
        if command.run != self._run:
            self._run, self._schedule = command.run, SteeredSchedule()
            self._start_ns = self._pace = None
        if command.number > self._last_command:
            self._last_command = command.number
            runner = self._environment.runner
            if command.rate:
                gevent.spawn(runner.start, command.rate, float(command.rate))
            else:
                gevent.spawn(runner.stop)

    def _start(self, step: Start) -> None:
        self._waiting += 1
        paying = gevent.spawn(self._payer.pay_for, step.arrival, step.intended_ns, self._recorder)
        paying.link(self._ended)

    def _ended(self, _: Any) -> None:
        self._waiting -= 1

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._payer.plan.epoch_ns


@events.init.add_listener
def _begin(environment: Any, web_ui: Any = None, **_: Any) -> None:
    plan = msgspec.json.decode(Path(os.environ[PLAN_VARIABLE]).read_bytes(), type=BoardPlan)
    secret = os.environ[SECRET_VARIABLE]
    payments = BoardLoad(environment, plan, secret)
    if web_ui is not None:
        from paychain.board.web import install

        install(web_ui, plan, secret, os.environ.get(TOKEN_VARIABLE, ""))
    gevent.spawn(payments.pay)
    gevent.spawn(payments.steer)
    payments.ready()
