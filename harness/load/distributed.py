"""A Locust process takes its part in a load over several: as the master, or as a worker."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust import events

from harness.load.channel import seal_channel
from harness.load.left import port_file
from harness.load.master import Master
from harness.load.plan import LoadPlan
from harness.load.processes import (
    MASTER_VARIABLE,
    PLAN_VARIABLE,
    TOKEN_VARIABLE,
    WORKER_VARIABLE,
)
from harness.load.seal import Seal, Side
from harness.load.worker import Worker, tell

ANSWER_S = 10.0  # a master that has not answered by then may never


def take_part() -> None:
    """Before Locust opens its channel: seal it, and be there when it is open."""
    token = os.environ.get(TOKEN_VARIABLE, "").encode()
    if MASTER_VARIABLE in os.environ:
        seal = seal_channel(token, Side.MASTER)
        events.init.add_listener(lambda runner, **_: _lead(runner, seal))
    elif WORKER_VARIABLE in os.environ:
        seal_channel(token, Side.WORKER)
        waiting = gevent.spawn_later(
            ANSWER_S, tell, "has no answer from the master yet: is it there, with the same token?"
        )
        events.init.add_listener(lambda runner, **_: _follow(runner, waiting))


def _lead(runner: Any, seal: Seal) -> None:
    plan = msgspec.json.decode(Path(os.environ[PLAN_VARIABLE]).read_bytes(), type=LoadPlan)
    master = Master(runner, plan, seal)
    port = port_file(plan)
    scratch = port.with_suffix(".tmp")
    scratch.write_text(str(runner.server.port))
    scratch.replace(port)
    gevent.spawn(master.run).link_exception(_end)


def _follow(runner: Any, waiting: gevent.Greenlet) -> None:
    waiting.kill()
    worker = Worker(runner, os.environ[WORKER_VARIABLE], Path(os.environ[PLAN_VARIABLE]))
    gevent.spawn(worker.run).link_exception(_end)


def _end(_failed: gevent.Greenlet) -> None:
    """Nobody follows the run any more: gevent has printed why."""
    sys.stderr.flush()
    os._exit(1)
