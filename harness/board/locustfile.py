"""Locust with payments that are steered by hand: by its own page, by the board, by a terminal.

One of Locust's users stands for one payment a second. Users only stand; one greenlet starts every
payment at its moment, evenly spaced, whatever became of those before it (open model).
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

from harness.board.control import BEARER, Orders, Steering
from harness.board.plan import PLAN_VARIABLE, SECRET_VARIABLE, TOKEN_VARIABLE, BoardPlan
from harness.board.take import prefix_of
from harness.load import locustfile as load
from harness.load.recorder import Recorder
from harness.load.steered import Steered
from harness.parent import Parent

PACE_S = 0.02  # a change of the rate is noticed within this
STEER_S = 0.1
STEER_TIMEOUT_S = 5.0
STANDS_S = 3600.0


class PaymentsPerSecond(User):
    """One of these is one payment a second."""

    @task
    def stand(self) -> None:
        """Count, and do nothing: payments are started elsewhere."""
        gevent.sleep(STANDS_S)


class Load:
    """What starts the payments."""

    def __init__(self, environment: Any, plan: BoardPlan, secret: str) -> None:
        self._environment = environment
        self._payer = load.Scheduled(environment)  # never one of the runner's users
        self._recorder = Recorder(self._payer.plan.spool)
        self._take = 1
        self._schedule = Steered()
        self._start_ns: int | None = None
        self._waiting = 0
        self._holds = False
        self._done = 0  # number of the last order
        self._url = f"{plan.control}/steer"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["authorization"] = BEARER + secret

    def ready(self) -> None:
        """Let the session know."""
        self._payer.plan.ready.touch()

    def pace(self) -> None:
        """Start every payment at its moment, at the rate of the moment."""
        while True:
            now_ns = self._now_ns()
            rate = 0 if self._holds else self._environment.runner.user_count
            if rate != self._schedule.rate:
                if self._start_ns is None:
                    self._start_ns = now_ns
                self._schedule.change((now_ns - self._start_ns) / 1e9, rate)
            next_s = self._schedule.next_s()
            if next_s is None or self._start_ns is None:
                gevent.sleep(PACE_S)
                continue
            intended_ns = self._start_ns + int(next_s * 1e9)
            wait_s = (intended_ns - self._now_ns()) / 1e9
            if wait_s > PACE_S:
                gevent.sleep(PACE_S)
                continue
            gevent.sleep(max(0.0, wait_s))  # behind, too: payments under way must go on
            self._pay(self._schedule.take(), next_s, intended_ns)

    def steer(self) -> None:
        """Say how it goes, and do what is ordered."""
        parent = Parent()
        while True:
            if parent.is_gone:
                os._exit(1)  # it would go on for nobody
            try:
                said = Steering(
                    self._take, self._start_ns, self._schedule.changes, self._schedule.taken,
                    self._waiting,
                )  # fmt: skip
                answer = self._session.post(
                    self._url, data=msgspec.json.encode(said), timeout=STEER_TIMEOUT_S
                )
                answer.raise_for_status()
                self._follow(msgspec.json.decode(answer.content, type=Orders))
            except requests.RequestException:
                pass  # the session is ending; the parent is watched
            gevent.sleep(STEER_S)

    def _follow(self, orders: Orders) -> None:
        self._holds = orders.holds
        if orders.take != self._take:
            self._take, self._schedule, self._start_ns = orders.take, Steered(), None
        if orders.number > self._done:
            self._done = orders.number
            runner = self._environment.runner
            if orders.rate:
                gevent.spawn(runner.start, orders.rate, float(orders.rate))
            else:
                gevent.spawn(runner.stop)

    def _pay(self, number: int, at_s: float, intended_ns: int) -> None:
        one = self._payer.purchases.arrival(number, at_s)
        one = msgspec.structs.replace(one, payment=prefix_of(self._take) + one.payment)
        self._waiting += 1
        gevent.spawn(self._payer.pay_for, one, intended_ns, self._recorder).link(self._over)

    def _over(self, _: Any) -> None:
        self._waiting -= 1

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._payer.plan.epoch_ns


@events.init.add_listener
def _begin(environment: Any, web_ui: Any = None, **_: Any) -> None:
    plan = msgspec.json.decode(Path(os.environ[PLAN_VARIABLE]).read_bytes(), type=BoardPlan)
    secret = os.environ[SECRET_VARIABLE]
    begun = Load(environment, plan, secret)
    if web_ui is not None:
        from harness.board.web import install

        install(web_ui, plan, secret, os.environ.get(TOKEN_VARIABLE, ""))
    gevent.spawn(begun.pace)
    gevent.spawn(begun.steer)
    begun.ready()
