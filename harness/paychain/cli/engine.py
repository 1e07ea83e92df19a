"""paychain engine: show the fault engine that a run would use; install a Toxiproxy server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paychain.cli.group import CommandGroup
from paychain.cli.options import Toxiproxy
from paychain.cli.say import say

app = typer.Typer(
    cls=CommandGroup,
    help="Show which fault engine a run would use and why; install a Toxiproxy server.",
)


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    toxiproxy: Toxiproxy = None,
) -> None:
    """Show which fault engine a run would use and why; start it to check that it works.

    Example: paychain engine --toxiproxy toxiproxy-server
    """
    if context.invoked_subcommand is not None:
        return
    import time

    from paychain.engine.choice import choose
    from paychain.engine.engine import start
    from paychain.processes.children import Children
    from paychain.processes.scratch import scratch_folder

    choice = choose(toxiproxy)
    say(f"engine    {choice.kind}")
    say(f"because   {choice.why}")
    say(f"where     {choice.shown_url or choice.program or 'a new process for each run'}")
    with scratch_folder() as folder:
        children = Children(folder)
        began = time.monotonic()
        try:
            engine = start(toxiproxy, children, seed=1)
            engine.control.names()
            took_ms = (time.monotonic() - began) * 1000
        finally:
            children.stop()
    say(f"version   {choice.version or engine.version}")
    if choice.url:
        print(f"state     works; proxies of other users: {len(choice.proxies)}")
    else:
        print(f"state     works; started in {took_ms:.0f} ms")
    if choice.kind == "toxiproxy":
        print("lacks     refuse, blackhole for new connections, shares that follow the seed,")
        print("          the number of requests that each fault affected")


@app.command("install")
def install(
    version: Annotated[str, typer.Option(help="Toxiproxy version")] = "2.12.0",
    mirror: Annotated[
        str, typer.Option(help="URL that serves v2.12.0/toxiproxy-server-OS-ARCH; default: GitHub")
    ] = "",
    into: Annotated[
        Path | None, typer.Option(help="target folder; default: ~/.local/share/paychain")
    ] = None,
) -> None:
    """Download a toxiproxy-server release, verify its SHA-256 and make it executable.

    Example: paychain engine install --into .venv/bin
    """
    from paychain.engine.choice import PROGRAM, installed
    from paychain.engine.install import GITHUB, fetch, release, this_platform

    place = fetch(release(version), this_platform(), mirror or GITHUB, into or installed())
    say(f"{place} is toxiproxy {version}")
    say(f"use it with --toxiproxy {place if into else PROGRAM}")
