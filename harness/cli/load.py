"""paychain load: payments and faults by hand, on a live board or by keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PORT = 8089  # Locust's own
FAILED = 3


def load(
    chain: Annotated[str, typer.Argument(help="name of a chain, or path of its file")],
    rate: Annotated[str, typer.Option(help="payments to begin with, in whole ones a second")] = (
        "20/s"
    ),
    out: Annotated[Path, typer.Option(help="where runs are written")] = Path("reports"),
    seed: Annotated[int, typer.Option(help="repeats payments, service times and shares")] = 1,
    toxiproxy: Annotated[
        str | None, typer.Option(help="embedded (the default), or URL, path or name of a server")
    ] = None,
    host: Annotated[
        str, typer.Option(help="where the board listens; beyond loopback it needs a token")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 is any that is free")] = PORT,
    token: Annotated[
        str | None,
        typer.Option(envvar="PAYCHAIN_BOARD_TOKEN", help="who opens the board has to know it"),
    ] = None,
    no_web: Annotated[
        bool, typer.Option("--no-web", "--tui", help="the same switches by key, in this terminal")
    ] = False,
) -> None:
    """Start a chain and a live board: change the load and switch faults by hand, save what you did.

    Example: paychain load card-ecommerce --rate 20/s
    """
    import sys

    from rich.console import Console

    from harness.board import running
    from harness.board.session import HIGHEST_RATE
    from harness.faults.choice import choose
    from harness.model.loading import load_chain
    from harness.model.quantity import rate_per_second
    from harness.payments.errors import UserError
    from harness.report.terminal import show

    try:
        payments = rate_per_second(rate)
    except ValueError as error:
        raise UserError(f"--rate: {error}") from None
    if payments != round(payments) or not 0 < payments <= HIGHEST_RATE:
        raise UserError(
            f"--rate: '{rate}' is not between 1/s and {HIGHEST_RATE}/s in whole payments a second"
        )
    if no_web and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("there is no terminal to take keys from", mend="leave --no-web out")
    loaded = load_chain(chain)
    choose(toxiproxy)  # a server that cannot be used is told before anything starts
    wish = running.Wish(
        loaded, chain, out, seed, toxiproxy, round(payments), not no_web, host, port,
        running.wanted_token(host, token),
    )  # fmt: skip
    saved, failure = running.run(wish, lambda line: print(line, flush=True))
    for one in saved:
        show(one.result, Console(), is_quiet=one is not saved[-1])
        print(f"report: {one.folder / 'report.html'}")
        print(f"{'recorded' if one.is_recorded else 'not saved; in the run'}: {one.file}")
    if failure:
        print(failure, file=sys.stderr)
        raise typer.Exit(FAILED)
