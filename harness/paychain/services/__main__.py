"""A services process: `python -m paychain.services PLAN.json`."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from pathlib import Path

from paychain.processes.files import write_atomically
from paychain.processes.loopback import LOOPBACK
from paychain.processes.parent import until_stopped
from paychain.processes.spool import SpoolJournal, record_stalls, record_switches
from paychain.services.control import ControlApi
from paychain.services.host import Host
from paychain.services.plan import Ready, read_plan
from paychain.wire.server import HttpServer


async def serve(plan_path: Path) -> None:
    """Run the plan's links until asked to stop, or until the parent is gone."""
    plan = read_plan(plan_path)

    def now_ns() -> int:
        return time.monotonic_ns() - plan.epoch_ns

    chain = plan.chain()
    # Only the process of an isolated link is ever killed by a fault.
    may_be_killed = any(chain.links[link].isolate for link in plan.links)
    journal = SpoolJournal(Path(plan.spool), writes_through=may_be_killed)
    journal.start()
    record_stalls(plan.name, journal, now_ns)
    host = Host(
        chain,
        plan.links,
        seed=plan.seed,
        journal=journal,
        now_ns=now_ns,
        life=plan.life,
        id_prefix=plan.id_prefix,
        wall_epoch_ns=time.time_ns() - now_ns(),
    )
    control = HttpServer(ControlApi(host, record_switches(plan.name, journal, now_ns)).handle)
    ready = Ready(await control.start(LOOPBACK), await host.start(plan.ports))
    write_atomically(Path(plan.ready), ready)
    await until_stopped()
    await host.stop()
    await control.stop(0.0)
    journal.close()


def main() -> None:
    """Start the loop: uvloop when it is installed."""
    gc.freeze()
    runner = asyncio.run
    try:
        import uvloop
    except ImportError:
        pass
    else:
        runner = uvloop.run
    runner(serve(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
