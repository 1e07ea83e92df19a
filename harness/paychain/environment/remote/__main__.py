"""Links that wait for a run: `python -m paychain.environment.remote PLAN.json`.

The token is in PAYCHAIN_TOKEN. The process ends with 0 after a run: the next one gets a new process
with empty books.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from paychain.environment.remote.waiting import WaitingLinks, WaitingPlan
from paychain.processes.collector import collect_seldom
from paychain.processes.event_loop import run_loop
from paychain.processes.parent import Parent
from paychain.processes.tokens import TOKEN_VARIABLE
from paychain.wire.server import HttpServer

POLL_S = 0.25
LAST_ANSWER_S = 1.0  # the command to end is answered within it


async def wait_for_a_run(plan: WaitingPlan, on_ready: Callable[[], None]) -> None:
    """Serve commands until one ends the process, the conductor is silent, or the parent ends."""
    waiting = WaitingLinks(
        plan, os.environ.get(TOKEN_VARIABLE, ""), secrets.token_hex(16), time.monotonic_ns
    )
    server = HttpServer(waiting.handle)
    await server.start(plan.address, plan.port)
    on_ready()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, waiting.over.set)
    parent = Parent()
    while not parent.is_gone and not waiting.over.is_set() and not waiting.is_forgotten:
        with suppress(TimeoutError):
            await asyncio.wait_for(waiting.over.wait(), POLL_S)
    await waiting.stop()
    await server.stop(LAST_ANSWER_S)


def main() -> None:
    """Wait until a run is over, or the process is asked to stop."""
    collect_seldom()
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=WaitingPlan)
    run_loop(wait_for_a_run(plan, Path(plan.ready).touch))


if __name__ == "__main__":
    main()
