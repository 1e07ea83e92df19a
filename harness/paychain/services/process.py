"""The links of one services process, as its plan asks for.

The token of its control API is a line on standard input; without one nobody can command it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from paychain.model.chain import Chain
from paychain.processes.collector import collect_seldom
from paychain.processes.event_loop import run_loop
from paychain.processes.files import write_atomically
from paychain.processes.loopback import LOOPBACK
from paychain.processes.parent import until_stopped
from paychain.processes.spool import SpoolJournal, record_stalls, record_switches
from paychain.processes.tokens import is_bearer_of, received_token
from paychain.services.control import HEALTH, ControlApi
from paychain.services.host import Host
from paychain.services.plan import ServicesReady, read_plan
from paychain.wire.bearer import behind
from paychain.wire.held_port import HeldPort
from paychain.wire.server import HttpServer


async def serve(plan_path: Path) -> None:
    """Run the plan's links until asked to stop, or until the parent is gone."""
    plan = read_plan(plan_path)

    monotonic_ns, epoch_ns = time.monotonic_ns, plan.epoch_ns

    def now_ns() -> int:  # asked ten times for each request
        return monotonic_ns() - epoch_ns

    chain = Chain.model_validate(plan.chain)
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
    control = ControlApi(host, record_switches(plan.name, journal, now_ns))
    server = HttpServer(behind(is_bearer_of(received_token()), control.handle, (HEALTH,)))
    held = {link: HeldPort.inherited(number) for link, number in plan.sockets.items()}
    ready = ServicesReady(await server.start(LOOPBACK), await host.start(held))
    collect_seldom()
    write_atomically(Path(plan.ready), ready)
    await until_stopped()
    await host.stop()
    await server.stop(0.0)
    journal.close()


def main() -> None:
    """Run until it is asked to stop."""
    run_loop(serve(Path(sys.argv[1])))
