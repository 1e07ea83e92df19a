"""The paychain command."""

from __future__ import annotations

import sys

import typer

from harness.cli import (
    check,
    compare,
    engine,
    explore,
    heal,
    init,
    keygen,
    load,
    matrix,
    report,
    run,
    show,
    sign,
    up,
    verify,
    worker,
)
from harness.payments.errors import UserError

USAGE, INTERRUPTED = 2, 130
app = typer.Typer(
    name="paychain",
    help="Run a declared payment chain under load and faults; see where payments break.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("run", help=run.run.__doc__)(run.run)
app.command("check", help=check.check.__doc__)(check.check)
app.command("load", help=load.load.__doc__)(load.load)
app.command("up", help=up.up.__doc__)(up.up)
app.command("report", help=report.report.__doc__)(report.report)
app.command("explore", help=explore.explore.__doc__)(explore.explore)
app.command("heal", help=heal.heal.__doc__)(heal.heal)
app.command("init", help=init.init.__doc__)(init.init)
app.command("compare", help=compare.compare.__doc__)(compare.compare)
app.command("matrix", help=matrix.matrix.__doc__)(matrix.matrix)
app.command("keygen", help=keygen.keygen.__doc__)(keygen.keygen)
app.command("sign", help=sign.sign.__doc__)(sign.sign)
app.command("verify", help=verify.verify.__doc__)(verify.verify)
app.command("worker", help=worker.worker.__doc__)(worker.worker)
app.add_typer(show.app, name="show")
app.add_typer(engine.app, name="engine")


def main() -> None:
    """Run the command; a user's mistake is told without a traceback."""
    try:
        app()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(USAGE)
    except KeyboardInterrupt:  # before the command itself was there to tell what it leaves
        sys.exit(INTERRUPTED)
