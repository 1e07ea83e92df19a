"""paychain engine: which fault engine a run would use, and fetching a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Say which fault engine a run would use and why; install a real one.")


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    toxiproxy: Annotated[
        str | None,
        typer.Option(help="embedded, or URL, path or name of a Toxiproxy server"),
    ] = None,
) -> None:
    """Say which fault engine a run would use and why, and whether it answers.

    Example: paychain engine --toxiproxy toxiproxy-server
    """
    if context.invoked_subcommand is not None:
        return
    import tempfile
    import time

    from harness.children import Children
    from harness.faults.choice import choose
    from harness.faults.engine import start

    choice = choose(toxiproxy)
    print(f"engine    {choice.kind}")
    print(f"because   {choice.why}")
    print(f"where     {choice.url or choice.program or 'a process of its own, for each run'}")
    with tempfile.TemporaryDirectory(prefix="paychain-") as folder:
        children = Children(Path(folder))
        began = time.monotonic()
        try:
            engine = start(toxiproxy, children, seed=1)
            engine.control.names()
            took_ms = (time.monotonic() - began) * 1000
        finally:
            children.stop()
    print(f"version   {choice.version or engine.version}")
    if choice.url:
        print(f"state     answers and relays; proxies of others: {len(choice.proxies)}")
    else:
        print(f"state     starts and answers within {took_ms:.0f} ms")
    if choice.kind == "toxiproxy":
        print("it lacks  refuse, blackhole of new connections, shares that repeat with the seed,")
        print("          a count of what each fault hit")


@app.command("install")
def install(
    version: Annotated[str, typer.Option(help="version of Toxiproxy")] = "2.12.0",
    mirror: Annotated[
        str, typer.Option(help="URL of a folder with v2.12.0/toxiproxy-server-OS-ARCH")
    ] = "",
    into: Annotated[
        Path | None, typer.Option(help="folder it goes into [~/.local/share/paychain]")
    ] = None,
) -> None:
    """Fetch a released toxiproxy-server, prove its SHA-256, make it executable.

    Example: paychain engine install --into .venv/bin
    """
    from harness.faults.choice import PROGRAM, installed
    from harness.faults.install import GITHUB, fetch, release, this_platform

    place = fetch(release(version), this_platform(), mirror or GITHUB, into or installed())
    print(f"{place} is toxiproxy {version}")
    print(f"use it: --toxiproxy {place if into else PROGRAM}")
