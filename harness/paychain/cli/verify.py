"""paychain verify: whether a run is what was signed, and by whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli.exit_codes import ExitCode
from paychain.cli.options import RunOrHistory
from paychain.cli.say import key_of, say

if TYPE_CHECKING:
    from paychain.report.evidence.verification import HistoryExtent, Verification


def verify(
    run: RunOrHistory,
    trust: Annotated[
        list[Path],
        typer.Option(help="public key (PEM) that you trust; do not use one found beside the run"),
    ],
    history: Annotated[
        bool,
        typer.Option("--history", help="verify all runs of a folder, and that none is missing"),
    ] = False,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST",
            help="with --history: digest that an earlier check printed as head; "
            "that run must still be there",
        ),
    ] = None,
    at_least: Annotated[
        int, typer.Option(min=0, help="with --history: minimum number of signed runs")
    ] = 0,
) -> None:
    """Check that a run's files are exactly those that were signed.

    Example: paychain verify reports/20261123T200000Z-3fa91c-shop-steady --trust resilience.key.pub

    A history cannot show that its newest runs were removed. Keep the head that this prints
    elsewhere, and give it to the next check:
    paychain verify reports --history --trust resilience.key.pub --head 3f1c… --at-least 12
    """
    from paychain.payments.errors import UserError
    from paychain.report.evidence.dsse import public_key
    from paychain.report.evidence.verification import extent, verify_history, verify_run

    if not history and (head is not None or at_least):
        raise UserError("--head and --at-least need --history", hint="add --history")
    keys = [key_of(path, public_key) for path in trust]
    if not run.is_dir():
        raise UserError(f"no such folder: {run}")
    if not history:
        verified = verify_run(run, keys)
        _show(verified)
        is_sound = verified.is_sound
    else:
        wanted = _digest(head) if head is not None else None
        runs = verify_history(run, keys)
        for each in runs:
            _show(each)
        end = extent(run, head=wanted, at_least=at_least)
        _show_end(end, len(runs))
        is_sound = all(each.is_sound for each in runs) and not end.complaints
    if not is_sound:
        raise typer.Exit(ExitCode.FAIL)


def _digest(text: str) -> str:
    from paychain.payments.errors import UserError

    found = text.removeprefix("sha256:").lower()
    if len(found) != 64 or set(found) - set("0123456789abcdef"):
        raise UserError(
            f"--head {text} is not a digest", hint="give all 64 digits that --history printed"
        )
    return found


def _show(verified: Verification) -> None:
    mark = "✓" if verified.is_sound else "✕"
    verdict = f"  verdict {verified.facts['verdict']}" if verified.facts.get("verdict") else ""
    say(f"{mark} {verified.run}{verdict}")
    for complaint in verified.complaints:
        say(f"    {complaint}")
    for note in verified.notes:
        say(f"    note: {note}")


def _show_end(end: HistoryExtent, count: int) -> None:
    for complaint in end.complaints:
        say(f"✕ {complaint}")
    print(f"{count} run{'s' if count != 1 else ''}")
    for head in end.heads:
        say(f"head sha256:{head.digest}  {head.run.name}")
