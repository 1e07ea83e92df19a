"""The embedded engine's process: `python -m harness.toxics --port 0 --seed 1 --ready FILE`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

from harness.toxics.api import Api
from harness.wire.server import HttpServer

PARENT_POLL_S = 0.25


async def serve(host: str, port: int, seed: int, ready: Path | None) -> None:
    """Serve the API until told to stop, or until the parent is gone."""
    api = Api(seed)
    server = HttpServer(api.handle)
    bound = await server.start(host, port)
    if ready is not None:
        scratch = ready.with_suffix(".tmp")
        scratch.write_text(f"http://{host}:{bound}")
        scratch.replace(ready)
    else:
        print(f"listening on http://{host}:{bound}", flush=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    parent = os.getppid()
    while os.getppid() == parent and not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), PARENT_POLL_S)
        except TimeoutError:
            continue
    for proxy in api.proxies.values():
        proxy.stop()
    await server.stop(0.0)


def main() -> None:
    """Read the options and start the loop: uvloop when it is installed."""
    options = argparse.ArgumentParser(prog="python -m harness.toxics", description=__doc__)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8474)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--ready", type=Path, help="file that gets the API's address")
    given = options.parse_args()
    runner = asyncio.run
    try:
        import uvloop
    except ImportError:
        pass
    else:
        runner = uvloop.run
    runner(serve(given.host, given.port, given.seed, given.ready))


if __name__ == "__main__":
    main()
