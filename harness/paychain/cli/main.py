"""The paychain command."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from paychain.cli import (
    check,
    compare,
    compose,
    docs,
    engine,
    explore,
    export,
    heal,
    help,
    init,
    judge,
    keygen,
    learn,
    listing,
    load,
    matrix,
    merge,
    probe,
    report,
    run,
    show,
    sign,
    up,
    verify,
    worker,
)
from paychain.cli.exit_codes import SUMMARY, ExitCode
from paychain.cli.group import CommandGroup
from paychain.cli.say import OUR_BUG, TRACEBACK_VARIABLE, say
from paychain.cli.settings import defaults
from paychain.cli.streams import protect
from paychain.payments.errors import HarnessError, PartLost, UserError, one_line, sentence_of
from paychain.processes.interrupted import interruption_in

app = typer.Typer(
    name="paychain",
    cls=CommandGroup,
    help="Run a declared payment chain under load and faults; see where payments break.",
    epilog=SUMMARY,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", help=run.run.__doc__)(run.run)
app.command("judge", help=judge.judge.__doc__)(judge.judge)
app.command("check", help=check.check.__doc__)(check.check)
app.command("list", help=listing.list_.__doc__)(listing.list_)
app.command("docs", help=docs.docs.__doc__)(docs.docs)
app.command("load", help=load.load.__doc__)(load.load)
app.command("up", help=up.up.__doc__)(up.up)
app.command("report", help=report.report.__doc__)(report.report)
app.command("explore", help=explore.explore.__doc__)(explore.explore)
app.command("export", help=export.export.__doc__)(export.export)
app.command("learn", help=learn.learn.__doc__)(learn.learn)
app.command("heal", help=heal.heal.__doc__)(heal.heal)
app.command("init", help=init.init.__doc__)(init.init)
app.command("compare", help=compare.compare.__doc__)(compare.compare)
app.command("compose", help=compose.compose.__doc__)(compose.compose)
app.command("k8s", help=compose.k8s.__doc__)(compose.k8s)
app.command("matrix", help=matrix.matrix.__doc__)(matrix.matrix)
app.command("merge", help=merge.merge.__doc__)(merge.merge)
app.command("probe", help=probe.probe.__doc__)(probe.probe)
app.command("keygen", help=keygen.keygen.__doc__)(keygen.keygen)
app.command("sign", help=sign.sign.__doc__)(sign.sign)
app.command("verify", help=verify.verify.__doc__)(verify.verify)
app.command("worker", help=worker.worker.__doc__)(worker.worker)
app.command("help", help=help.print_help.__doc__, hidden=True)(help.print_help)
app.command("version", help=help.print_version.__doc__, hidden=True)(help.print_version)
app.add_typer(show.app, name="show")
app.add_typer(engine.app, name="engine")


def _print_version(context: typer.Context, is_asked: bool) -> None:
    # A shell that completes a later word reads what is printed; zsh would execute it.
    if is_asked and not context.resilient_parsing:
        help.print_version()
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            is_eager=True,
            callback=_print_version,
            help="print the version and exit",
        ),
    ] = False,
) -> None:
    """What holds for every command: the defaults of a project and of the environment."""
    context.default_map = defaults(context, Path(), os.environ)


def main() -> None:
    """Run the command; no mistake, interruption or failure of the machine gives a traceback."""
    protect()
    try:
        _refuse_unreadable_names(sys.argv[1:])
        app()
    except UserError as error:
        print(error, file=sys.stderr)
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        sys.exit(ExitCode.INCONCLUSIVE if isinstance(error, PartLost) else ExitCode.USAGE)
    except (KeyboardInterrupt, SystemExit) as end:
        # Typer makes an exit code of an interruption that the command did not handle.
        interruption = interruption_in(end)
        if interruption is None:
            raise
        kept = str(interruption) or "nothing was kept"
        say(f"interrupted: {kept}", is_error=True)
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        # Python's own exit code for it is 1, which means that the chain failed.
        print(_failure(error), file=sys.stderr)
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        sys.exit(ExitCode.USAGE if _is_odd_name(error) else ExitCode.INCONCLUSIVE)


def _is_odd_name(error: Exception) -> bool:
    """Whether no file can have the name that was given: no machine would do better."""
    return isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP)


def _refuse_unreadable_names(words: Sequence[str]) -> None:
    """Names of files are bytes, and may be no text; results, reports and plans are UTF-8.

    Raises UserError, also where there is no working folder.
    """
    try:
        folder = str(Path.cwd())
    except FileNotFoundError:
        hint = "change to another one"
        raise UserError("the working folder no longer exists", hint=hint) from None
    for word in (*words, folder):
        try:
            word.encode()
        except UnicodeEncodeError:
            raise _unreadable(word) from None


def _unreadable(word: str) -> UserError:
    try:
        meant = os.fsencode(word).decode()
    except UnicodeError:
        return UserError(f"{word} is not UTF-8", hint="rename the file or folder")
    encoding = sys.getfilesystemencoding()
    return UserError(f"{meant} cannot be read in {encoding}", hint="set LC_ALL=C.UTF-8")


def _failure(error: Exception) -> str:
    if isinstance(error, HarnessError):
        return "\n".join(map(one_line, str(error).split("\n")))
    import sqlite3

    if _is_odd_name(error):
        return one_line(sentence_of(error))
    said = one_line(f"paychain failed: {sentence_of(error)}")
    if isinstance(error, (OSError, sqlite3.Error, MemoryError)):
        return said
    return f"{said}; {OUR_BUG}"
