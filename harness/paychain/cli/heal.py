"""paychain heal: remove what a killed run left on a shared Toxiproxy server."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli.exit_codes import ExitCode
from paychain.cli.say import say

if TYPE_CHECKING:
    from paychain.engine.control import EngineControl
    from paychain.engine.owner import Owned


def heal(
    toxiproxy: Annotated[
        str | None,
        typer.Option(help="URL of the server; default: TOXIPROXY_URL", show_default=False),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            help="also remove the proxies of this run, which may still be running elsewhere"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only list what would be removed")
    ] = False,
) -> None:
    """Remove the proxies that finished runs left on a server, with the faults on them.

    Only proxies that paychain created and whose process no longer exists; all others stay.

    Example: paychain heal --toxiproxy http://127.0.0.1:8474
    """
    from paychain.engine.choice import choose
    from paychain.engine.control import EngineControl
    from paychain.engine.owner import owned
    from paychain.payments.errors import UserError

    choice = choose(toxiproxy)
    if not choice.url:
        raise UserError(
            "an engine started by a run ends with that run; there is nothing to remove",
            hint="name a running server with --toxiproxy URL or TOXIPROXY_URL",
        )
    say(f"{choice.shown_url}: {choice.kind} {choice.version}, proxies: {len(choice.proxies)}")
    found = [proxy for name in sorted(choice.proxies) if (proxy := owned(name)) is not None]
    if run is not None and run not in {proxy.run for proxy in found}:
        raise UserError(f"no proxy of a run '{run}'", hint="--dry-run lists all runs")
    control = EngineControl(choice.url)
    counts: Counter[str] = Counter()
    for proxy in found:
        outcome, reason = _heal(proxy, control, named=run, dry_run=dry_run)
        counts[outcome] += 1
        say(f"  {outcome:<8} {proxy.hop}: {reason}")
    control.close()
    others = len(choice.proxies) - len(found)
    print(
        f"{'to be removed' if dry_run else 'removed'}: {counts['removed'] + counts['to do']}; "
        f"of runs that may still be running: {counts['kept']}; of others: {others}"
    )
    if counts["failed"]:
        print(f"not removed: {counts['failed']}; a restart of the server removes all its proxies")
        raise typer.Exit(ExitCode.INCONCLUSIVE)


def _heal(
    proxy: Owned, control: EngineControl, *, named: str | None, dry_run: bool
) -> tuple[str, str]:
    """Remove a proxy if its run is over. Returns kept, to do, failed or removed, and why."""
    from paychain.engine.owner import RunState, remove

    if proxy.state is RunState.ALIVE:
        return "kept", f"{proxy.run} is running (process {proxy.process})"
    # Processes of another machine, container or boot cannot be seen: only the user knows.
    if proxy.state is RunState.UNKNOWN and proxy.run != named:
        return "kept", f"{proxy.run} ran elsewhere; if it ended: --run {proxy.run}"
    if dry_run:
        return "to do", f"{proxy.run} is over"
    if error := remove(control, proxy):
        return "failed", error
    return "removed", f"{proxy.run} is over"
