"""A services process: `python -m harness.services PLAN.json`."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from pathlib import Path

from harness.parent import until_stopped
from harness.services.control import ControlApi
from harness.services.host import Host
from harness.services.plan import Ready, read_plan, write_whole
from harness.services.spool import SpoolJournal, keep_pulse
from harness.wire.server import HttpServer


async def serve(plan_path: Path) -> None:
    """Run the plan's links until told to stop, or until the parent is gone."""
    plan = read_plan(plan_path)

    def now_ns() -> int:
        return time.monotonic_ns() - plan.epoch_ns

    journal = SpoolJournal(Path(plan.spool))
    journal.start()
    keep_pulse(plan.name, journal, now_ns)
    host = Host(
        plan.chain(), plan.links, seed=plan.seed, journal=journal,
        now_ns=now_ns, life=plan.life,
    )  # fmt: skip
    control = HttpServer(ControlApi(host).handle)
    ready = Ready(await control.start("127.0.0.1"), await host.start(plan.ports))
    write_whole(Path(plan.ready), ready)
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
