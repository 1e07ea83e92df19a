"""paychain help and version: what --help and --version say, for those who type it as a command."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from paychain.cli.say import say
from paychain.payments.errors import UserError, meant


def print_version() -> None:
    """Print the version, as paychain --version does.

    Example: paychain version
    """
    from importlib.metadata import version

    say(f"paychain {version('paychain')}")


def print_help(
    context: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="default: all of them")
    ] = None,
) -> None:
    """Print the help of a command, as COMMAND --help does.

    Example: paychain help show payment
    """
    found: Any = context.find_root()
    for word in command or []:
        group = found.command
        inner = group.get_command(found, word) if isinstance(group, TyperGroup) else None
        if inner is None:
            raise UserError(
                f"{found.command_path} has no command '{word}'", hint=_hint(found, word)
            )
        found = typer.Context(inner, parent=found, info_name=word)
    say(found.get_help())


def _hint(context: Any, word: str) -> str:
    """Which command was meant, or which there are."""
    if not isinstance(context.command, TyperGroup):
        return f"write paychain help {context.command_path.partition(' ')[2]}"
    commands = context.command.commands
    return meant(word, [name for name, each in commands.items() if not each.hidden])
