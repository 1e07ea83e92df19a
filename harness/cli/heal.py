"""paychain heal: take off an engine what a run left there that could not clean up after itself."""

from __future__ import annotations

from typing import Annotated

import typer

NOT_ALL = 3


def heal(
    toxiproxy: Annotated[
        str | None, typer.Option(help="URL of the server [TOXIPROXY_URL]", show_default=False)
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(help="also this run's, although nobody can say from here that it is over"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only say what would be removed")
    ] = False,
) -> None:
    """Remove the proxies, and the faults on them, of runs that are over.

    Only proxies that a run of paychain made and whose process is gone; everything else stays.

    Example: paychain heal --toxiproxy http://127.0.0.1:8474
    """
    from harness.faults.choice import choose
    from harness.faults.control import EngineControl
    from harness.faults.owner import State, owned, remove
    from harness.payments.errors import UserError

    choice = choose(toxiproxy)
    if not choice.url:
        raise UserError(
            "an engine that a run starts ends with it: nothing of it can be left",
            mend="name a server that runs: --toxiproxy URL, or TOXIPROXY_URL",
        )
    print(f"{choice.url}: {choice.kind} {choice.version}, proxies: {len(choice.proxies)}")
    found = [one for name in sorted(choice.proxies) if (one := owned(name)) is not None]
    if run is not None and run not in {one.run for one in found}:
        raise UserError(f"no proxy of a run '{run}' is there", mend="--dry-run lists all runs")
    left = failed = 0
    control = EngineControl(choice.url)
    for one in found:
        if one.state is State.ALIVE:
            left += 1
            print(f"  left     {one.hop}: {one.run} goes on (process {one.process})")
        elif one.state is State.UNKNOWN and one.run != run:
            left += 1
            print(f"  left     {one.hop}: {one.run} ran elsewhere; if it is over: --run {one.run}")
        elif dry_run:
            print(f"  to do    {one.hop}: {one.run} is over")
        elif error := remove(control, one):
            failed += 1
            print(f"  not done {one.hop}: {error}")
        else:
            print(f"  removed  {one.hop}: {one.run} is over")
    control.close()
    done = len(found) - left - failed
    print(
        f"{'to be removed' if dry_run else 'removed'}: {done}; of runs that may go on: {left}; "
        f"of others: {len(choice.proxies) - len(found)}"
    )
    if failed:
        print(f"not removed: {failed}; stop the server, if nobody else needs it: nothing is kept")
        raise typer.Exit(NOT_ALL)
