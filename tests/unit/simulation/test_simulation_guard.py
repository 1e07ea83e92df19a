"""Guards: what a simulation's code may not use says so, and only there and only then."""

from __future__ import annotations

import _socket
import _thread
import asyncio
import datetime as dates
import logging
import multiprocessing
import os
import random
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any

import pytest

from paychain.simulation.forbidden import ForbiddenInSimulation
from paychain.simulation.guard import guarded
from paychain.simulation.simulate import simulate

ATTEMPTS: dict[str, Callable[[], Any]] = {
    "time.time": lambda: time.time(),
    "time.monotonic": lambda: time.monotonic(),
    "time.monotonic_ns": lambda: time.monotonic_ns(),
    "time.perf_counter": lambda: time.perf_counter(),
    "time.sleep": lambda: time.sleep(0),
    "datetime.datetime.now": lambda: dates.datetime.now(UTC),
    "datetime.datetime.today": lambda: datetime.today(),  # noqa: DTZ002  (imported by name)
    "datetime.date.today": lambda: date.today(),  # noqa: DTZ011  (it must be refused)
    "time.process_time": lambda: time.process_time(),
    "time.clock_gettime": lambda: time.clock_gettime(time.CLOCK_MONOTONIC),
    "time.localtime": lambda: time.localtime(),
    "time.strftime": lambda: time.strftime("%H"),
    "os.times": lambda: os.times(),
    "random.random": lambda: random.random(),
    "random.choice": lambda: random.choice([1]),
    "random.gammavariate": lambda: random.gammavariate(1, 1),
    "random.SystemRandom.random": lambda: random.SystemRandom().random(),
    "random.SystemRandom.getrandbits": lambda: secrets.SystemRandom().randrange(9),
    r"random.Random\(\) without a seed": lambda: random.Random(),
    "os.urandom": lambda: os.urandom(1),
    "os.getrandom": lambda: os.getrandom(1),
    "uuid.uuid4": lambda: uuid.uuid4(),
    "secrets.token_hex": lambda: secrets.token_hex(),
    "threading.Thread.start": lambda: threading.Thread(target=int).start(),
    "_thread.start_new_thread": lambda: _thread.start_new_thread(int, ()),
    "threading.Condition.wait": lambda: threading.Event().wait(0.01),
    "_socket.socket": lambda: _socket.socket(),
    "select.select": lambda: select.select([], [], [], 0),
    "socket.socket": lambda: socket.socket(),
    "socket.getaddrinfo": lambda: socket.getaddrinfo("127.0.0.1", 80),
    "subprocess.Popen": lambda: subprocess.run(["true"], check=True),
    "multiprocessing.Process.start": lambda: multiprocessing.Process(target=int).start(),
    "os.system": lambda: os.system("true"),
    "signal.alarm": lambda: signal.alarm(0),
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_simulation_may_not_use_it(name: str) -> None:
    async def main(_: object) -> None:
        ATTEMPTS[name]()

    with pytest.raises(ForbiddenInSimulation, match=f"{name} is forbidden"):
        simulate(main)


@pytest.mark.parametrize("name", ATTEMPTS)
def test_it_works_again_afterwards(name: str) -> None:
    with guarded():
        pass
    ATTEMPTS[name]()


def test_another_thread_goes_on_as_before() -> None:
    seen: list[float] = []
    asked = threading.Event()

    def other() -> None:
        asked.wait(5)
        seen.append(time.time())

    thread = threading.Thread(target=other)
    thread.start()
    with guarded():
        asked.set()
        while thread.is_alive():
            thread.join(0.01)
    assert seen[0] > 1e9


def test_simulations_in_two_threads_end_in_any_order() -> None:
    entered, leave = threading.Event(), threading.Event()

    def first() -> None:
        with guarded():
            entered.set()
            while not leave.is_set():
                pass  # waiting is forbidden here

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(5)
    with guarded():
        leave.set()
        thread.join()
        with pytest.raises(ForbiddenInSimulation):
            time.time()
    assert time.time() > 1e9


def test_seeded_chance_and_logging_go_on_inside() -> None:
    async def main(_: object) -> float:
        logging.getLogger("shop").warning("logged with the time of day")
        await asyncio.sleep(1)
        return random.Random(7).random()

    assert simulate(main) == random.Random(7).random()


def test_a_date_made_before_is_still_a_date_inside() -> None:
    then = datetime(2026, 1, 1, tzinfo=UTC)

    async def main(_: object) -> bool:
        return isinstance(then, dates.datetime) and issubclass(type(then), dates.datetime)

    assert simulate(main)


def test_times_that_are_given_and_seeds_that_are_given_go_on_inside() -> None:
    async def main(_: object) -> tuple[object, ...]:
        chance = random.Random(7)
        chance.seed(a=8)
        then = time.gmtime(0)
        return chance.random(), time.strftime("%Y", then), date(2026, 1, 1), time.ctime(0)

    found = simulate(main)
    assert found == (random.Random(8).random(), "1970", date(2026, 1, 1), time.ctime(0))


def test_a_module_that_comes_between_two_simulations_is_guarded_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with guarded():
        pass
    late = ModuleType("late")
    late.__dict__["datetime"] = real = dates.datetime
    monkeypatch.setitem(sys.modules, "late", late)
    with guarded(), pytest.raises(ForbiddenInSimulation, match=r"datetime\.datetime\.now"):
        late.__dict__["datetime"].now(UTC)
    assert late.__dict__["datetime"] is real
