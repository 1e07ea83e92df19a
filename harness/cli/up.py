"""paychain up: a chain's mock services and proxies, and nothing else, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.stage import Stage

WATCH_S = 0.25


def up(
    chain: Annotated[str, typer.Argument(help="name of a chain, or path of its file")],
    seed: Annotated[int, typer.Option(help="repeats service times and shares")] = 1,
    toxiproxy: Annotated[
        str | None, typer.Option(help="embedded (the default), or URL, path or name of a server")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="what runs on this host (hosts: in the chain file), for runs elsewhere"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the addresses as one line")] = False,
) -> None:
    """Start a chain and leave it running: pay it yourself, switch toxics on by hand.

    Example: paychain up card-ecommerce
    """
    import os
    import signal
    import tempfile
    import threading
    import time

    from harness.faults.control import EngineError
    from harness.hosts.serving import place_of, serve
    from harness.load.processes import TOKEN_VARIABLE
    from harness.model.loading import load_chain
    from harness.order import SERVICES
    from harness.payments.errors import UserError
    from harness.stage import Stage

    loaded = load_chain(chain)
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    if only is not None:
        host, placed = place_of(loaded.model, only)
        token = os.environ.get(TOKEN_VARIABLE, "")
        with tempfile.TemporaryDirectory(prefix="paychain-") as folder:
            serve(
                loaded, placed, token, Path(folder), asked_to_stop.wait,
                lambda line: print(f"{host}: {line}", flush=True),
            )  # fmt: skip
        return
    with tempfile.TemporaryDirectory(prefix="paychain-") as folder:
        stage = Stage(
            loaded, Path(folder), seed=seed, epoch_ns=time.monotonic_ns(), services=SERVICES,
            toxiproxy=toxiproxy,
        )  # fmt: skip
        try:
            stage.start()
            _tell(stage, as_json=json)
            while not asked_to_stop.wait(WATCH_S):
                stage.check()
        except EngineError as error:
            raise UserError(f"the fault engine failed: {error}") from error
        finally:
            stage.stop()


def _tell(stage: Stage, *, as_json: bool) -> None:
    import json
    import sys

    from harness.load import LOCUSTFILE

    assert stage.engine is not None
    hops = {name: f"{host}:{port}" for name, (host, port) in stage.addresses.items()}
    api = stage.engine.control.url
    if as_json:
        print(json.dumps({"entry": stage.entry_url, "engine": api, "hops": hops}), flush=True)
        return
    width = max(map(len, hops))
    print(f"customers pay at     POST {stage.entry_url}/pay")
    print(f"fault engine         {stage.engine.name}, Toxiproxy API at {api}")
    print("hops")
    for name, address in hops.items():
        print(f"  {name:<{width}}  {address}")
    print(
        f"load                 {sys.executable} -m locust -f {LOCUSTFILE} --host {stage.entry_url}"
    )
    print("Ctrl-C stops it all", flush=True)
