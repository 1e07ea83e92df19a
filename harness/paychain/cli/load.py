"""paychain load: payments and faults by hand, on a web page or in the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from paychain.cli.exit_codes import ExitCode
from paychain.cli.options import ChainName, Metrics, Out, Seed, Toxiproxy
from paychain.cli.say import say

PORT = 8089  # Locust's own


Rate = Annotated[str, typer.Option(help="payments per second that Start begins with, e.g. 20/s")]
BoardHost = Annotated[str, typer.Option(help="address of the board; opening it requires its token")]
BoardPort = Annotated[int, typer.Option(min=0, max=65_535, help="0 picks a free port")]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="PAYCHAIN_BOARD_TOKEN",
        help="token that opens the board, of 16 characters or more; default: a new one",
    ),
]
NoWeb = Annotated[
    bool, typer.Option("--no-web", "--tui", help="control the chain by keys in this terminal")
]


def load(
    chain: ChainName,
    rate: Rate = "20/s",
    out: Out = Path("reports"),
    seed: Seed = 1,
    toxiproxy: Toxiproxy = None,
    host: BoardHost = "127.0.0.1",
    port: BoardPort = PORT,
    token: Token = None,
    metrics: Metrics = None,
    no_web: NoWeb = False,
) -> None:
    """Start a chain and a live board: change the load, switch faults, save it as an experiment.

    Example: paychain load card-ecommerce --rate 20/s
    """
    from rich.console import Console

    from paychain.board import processes as board
    from paychain.engine.choice import choose
    from paychain.model.loading import load_chain
    from paychain.payments.errors import UserError
    from paychain.processes.exposition import address_of
    from paychain.report.text.terminal import show

    payments_per_s = _whole_rate(rate)
    if no_web and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("--no-web needs a terminal", hint="omit --no-web to use the web page")
    loaded = load_chain(chain)
    choose(toxiproxy)  # an unusable server is reported before anything starts
    options = board.BoardOptions(
        chain=loaded,
        spec=chain,
        out=out,
        seed=seed,
        toxiproxy=toxiproxy,
        rate=payments_per_s,
        is_web=not no_web,
        host=host,
        port=port,
        token=board.wanted_token(token),
        metrics=address_of(metrics) if metrics is not None else None,
    )
    saved, failure = board.run(options, say)
    for run in saved:
        # Only the last run is shown in full: the others were on the board when they were saved.
        show(run.result, Console(), is_quiet=run is not saved[-1])
        say(f"report: {run.folder / 'report.html'}")
        say(f"{'experiment' if run.is_recorded else 'not saved; kept in the run'}: {run.file}")
    if failure:
        say(failure, is_error=True)
        raise typer.Exit(ExitCode.INCONCLUSIVE)


def _whole_rate(text: str) -> int:
    """Payments per second: Locust counts in users, so only integers are possible."""
    from paychain.board.session import MAX_RATE
    from paychain.declaration.quantity import rate_per_second
    from paychain.payments.errors import UserError

    try:
        rate = rate_per_second(text)
    except ValueError as error:
        raise UserError(f"--rate: {error}") from None
    if rate != round(rate) or not 0 < rate <= MAX_RATE:
        raise UserError(f"--rate: '{text}' is not an integer between 1/s and {MAX_RATE}/s")
    return round(rate)
