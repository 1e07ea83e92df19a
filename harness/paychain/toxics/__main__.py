"""The embedded engine's process: `python -m paychain.toxics --port 0 --seed 1 --ready FILE`.

It also takes the options of Shopify's toxiproxy-server, with one dash or two.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from paychain.payments.whole_number import whole_number
from paychain.processes.collector import collect_seldom
from paychain.processes.event_loop import run_loop
from paychain.processes.files import write_atomically
from paychain.processes.loopback import LOOPBACK
from paychain.processes.parent import until_stopped
from paychain.processes.spool import SpoolJournal
from paychain.processes.stalls import StallDetector
from paychain.processes.tokens import is_bearer_of, received_token
from paychain.toxics.address import PORTS
from paychain.toxics.api import VERSION, Api
from paychain.toxics.observer import RUN_IS_OVER
from paychain.wire.bearer import behind
from paychain.wire.http import Handler, HttpRequest
from paychain.wire.server import HttpServer


async def serve(options: argparse.Namespace, config: bytes | None) -> str | None:
    """Serve the API until SIGTERM or the parent's end. Returns what prevented it, if anything."""
    log = SpoolJournal(options.exchanges) if options.exchanges else None
    api = Api(
        options.seed,
        time.monotonic_ns,
        exchanges=log.append if log is not None else None,
        epoch_ns=options.epoch_ns,
    )
    if config is not None:  # as POST /populate would
        response = await api.handle(HttpRequest("POST", "/populate", body=config))
        if response.status != 201:
            return f"{options.config}: {response.body.decode()}"
    handler: Handler = api.handle
    if options.token:
        handler = behind(is_bearer_of(received_token()), handler)
    server = HttpServer(handler)
    try:
        bound = await server.start(options.host, options.port)
    except OSError as error:
        return f"cannot listen on {options.host}:{options.port}: {error.strerror}"
    collect_seldom()
    StallDetector(time.monotonic_ns, api.events.stalls).keep()
    if log is not None:
        log.start()
    _announce(f"http://{options.host}:{bound}", options.ready)
    await until_stopped()
    for proxy in api.proxies.values():
        proxy.stop(RUN_IS_OVER)
    if log is not None:
        log.close()
    await server.stop(0.0)
    return None


def _announce(url: str, ready: Path | None) -> None:
    if ready is None:
        print(f"listening on {url}", flush=True)
        return
    write_atomically(ready, url)


def _port(text: str) -> int:
    """A port; the system would take 99999 for 34463."""
    port = whole_number(text)
    if port is None or port >= PORTS:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {PORTS - 1}")
    return port


def main() -> None:
    """Read the options and serve until it is asked to stop."""
    options = argparse.ArgumentParser(prog="python -m paychain.toxics", description=__doc__)
    options.add_argument("--host", "-host", default=LOOPBACK)
    options.add_argument("--port", "-port", type=_port, default=8474)
    options.add_argument("--seed", "-seed", type=int, default=1)
    options.add_argument("--config", "-config", type=Path, help="JSON file of proxies to create")
    options.add_argument("--ready", type=Path, help="file that gets the API's address")
    options.add_argument("--exchanges", type=Path, help="file that gets what observed proxies see")
    options.add_argument(
        "--token",
        action="store_true",
        help="answer only requests with the bearer token that is a line on standard input",
    )
    options.add_argument("--epoch-ns", type=int, default=0, help="time zero of the exchanges")
    options.add_argument(
        "--version",
        "-version",
        action="version",
        version=f"paychain fault engine, API of Toxiproxy {VERSION}",
    )
    for always_on in ("proxy-metrics", "runtime-metrics"):
        options.add_argument(
            f"--{always_on}",
            f"-{always_on}",
            action="store_true",
            help="accepted; /metrics is always there",
        )
    given = options.parse_args()
    try:
        config = given.config.read_bytes() if given.config else None
    except OSError as error:
        sys.exit(f"fault engine: cannot read {given.config}: {error.strerror}")
    wrong = run_loop(serve(given, config))
    if wrong is not None:
        sys.exit(f"fault engine: {wrong}")


if __name__ == "__main__":
    main()
