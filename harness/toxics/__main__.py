"""The embedded engine's process: `python -m harness.toxics --port 0 --seed 1 --ready FILE`.

It takes the original's options as well, with one dash or two.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from pathlib import Path

from harness.parent import until_stopped
from harness.pulse import Pulse
from harness.toxics.api import VERSION, Api
from harness.wire.http import HttpRequest
from harness.wire.server import HttpServer


async def serve(options: argparse.Namespace, config: bytes | None) -> str | None:
    """Serve the API until told to stop, or until the parent is gone. What went wrong, if so."""
    api = Api(options.seed, time.monotonic_ns)
    if config is not None:  # as POST /populate would
        response = await api.handle(HttpRequest("POST", "/populate", body=config))
        if response.status != 201:
            return f"{options.config}: {response.body.decode()}"
    server = HttpServer(api.handle)
    try:
        bound = await server.start(options.host, options.port)
    except OSError as error:
        return f"cannot listen on {options.host}:{options.port}: {error.strerror}"
    gc.collect()
    gc.freeze()  # a collection then looks at connections, not at all that was imported
    Pulse(time.monotonic_ns, api.events.stood_still).keep()
    _announce(f"http://{options.host}:{bound}", options.ready)
    await until_stopped()
    for proxy in api.proxies.values():
        proxy.stop()
    await server.stop(0.0)
    return None


def _announce(url: str, ready: Path | None) -> None:
    if ready is None:
        print(f"listening on {url}", flush=True)
        return
    scratch = ready.with_suffix(".tmp")
    scratch.write_text(url)
    scratch.replace(ready)


def main() -> None:
    """Read the options and start the loop: uvloop when it is installed."""
    options = argparse.ArgumentParser(prog="python -m harness.toxics", description=__doc__)
    options.add_argument("--host", "-host", default="127.0.0.1")
    options.add_argument("--port", "-port", type=int, default=8474)
    options.add_argument("--seed", "-seed", type=int, default=1)
    options.add_argument("--config", "-config", type=Path, help="JSON file of proxies to create")
    options.add_argument("--ready", type=Path, help="file that gets the API's address")
    options.add_argument("--version", "-version", action="version",
                         version=f"paychain fault engine, API of Toxiproxy {VERSION}")  # fmt: skip
    for always_on in ("proxy-metrics", "runtime-metrics"):
        options.add_argument(f"--{always_on}", f"-{always_on}", action="store_true",
                             help="accepted; /metrics is always there")  # fmt: skip
    given = options.parse_args()
    runner = asyncio.run
    try:
        import uvloop
    except ImportError:
        pass
    else:
        runner = uvloop.run
    try:
        config = given.config.read_bytes() if given.config else None
    except OSError as error:
        sys.exit(f"fault engine: cannot read {given.config}: {error.strerror}")
    wrong = runner(serve(given, config))
    if wrong is not None:
        sys.exit(f"fault engine: {wrong}")


if __name__ == "__main__":
    main()
