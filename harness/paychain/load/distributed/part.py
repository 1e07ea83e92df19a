"""A Locust process in a load over several processes: the master, or a worker."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust import events

from paychain.load.distributed.authentication import ChannelMac, ChannelSide
from paychain.load.distributed.channel import authenticate_channel
from paychain.load.distributed.master import Master
from paychain.load.distributed.run_files import port_file
from paychain.load.distributed.worker import Worker, report
from paychain.load.locust.processes import MASTER_VARIABLE, PLAN_VARIABLE, WORKER_VARIABLE
from paychain.load.traffic.plan import LoadPlan
from paychain.processes.files import write_atomically
from paychain.processes.tokens import TOKEN_VARIABLE

ANSWER_S = 10.0  # a master that has not answered by then may never


def take_part() -> None:
    """Authenticate Locust's channel before it opens, and start our part once it is open."""
    token = os.environ.get(TOKEN_VARIABLE, "")
    if MASTER_VARIABLE in os.environ:
        mac = authenticate_channel(token, ChannelSide.MASTER)
        events.init.add_listener(lambda runner, **_: _lead(runner, mac))
    elif WORKER_VARIABLE in os.environ:
        authenticate_channel(token, ChannelSide.WORKER)
        waiting = gevent.spawn_later(
            ANSWER_S,
            report,
            "has no answer from the master yet; check that it is running and has the same token",
        )
        events.init.add_listener(lambda runner, **_: _follow(runner, waiting))


def _lead(runner: Any, mac: ChannelMac) -> None:
    plan = msgspec.json.decode(Path(os.environ[PLAN_VARIABLE]).read_bytes(), type=LoadPlan)
    master = Master(runner, plan, mac)
    write_atomically(port_file(plan), str(runner.server.port))
    gevent.spawn(master.run).link_exception(_end)


def _follow(runner: Any, waiting: gevent.Greenlet) -> None:
    waiting.kill()
    worker = Worker(runner, os.environ[WORKER_VARIABLE], Path(os.environ[PLAN_VARIABLE]))
    gevent.spawn(worker.run).link_exception(_end)


def _end(_failed: gevent.Greenlet) -> None:
    """End the process, because its part of the run is over; gevent has printed the reason."""
    sys.stderr.flush()
    os._exit(1)
