"""The process of the TLS near ends: `python -m paychain.environment.tls PLAN.json`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from paychain.environment.tls.authority import Authority
from paychain.environment.tls.near_ends import TlsNearEnds
from paychain.environment.tls.plan import NearEndsReady, read_plan
from paychain.environment.tls.refusals import Refusals
from paychain.processes.files import write_atomically
from paychain.processes.loopback import LOOPBACK
from paychain.processes.parent import until_stopped


async def serve(plan_path: Path) -> None:
    """Serve the plan's near ends until stopped, or until the parent has ended."""
    plan = read_plan(plan_path)
    authority = Authority()
    variables = authority.publish(Path(plan.folder))
    near_ends = TlsNearEnds(authority, Refusals(Path(plan.refused)))
    ports = {each.name: await near_ends.open(each) for each in plan.near_ends}
    proxies = {
        service: _variables(await near_ends.open_proxy(hosts))
        for service, hosts in plan.proxies.items()
    }
    ready = NearEndsReady(ports=ports, variables=variables, proxies=proxies)
    write_atomically(Path(plan.ready), ready)
    await until_stopped()
    await near_ends.close()


def _variables(port: int) -> dict[str, str]:
    """What leads a service through its proxy. Node reads it from version 24 on, when asked to."""
    url = f"http://{LOOPBACK}:{port}"
    return {"HTTPS_PROXY": url, "https_proxy": url, "NODE_USE_ENV_PROXY": "1"}


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
