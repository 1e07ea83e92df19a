"""The group of commands that paychain and some of its commands are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperGroup

from paychain.cli.usage import reworded

_IN_BRACES = re.compile(r"^\{(.+)\}((?:\.{3})?)$")  # what Typer makes of a required argument
_LINE_IN_PARAGRAPH = re.compile(r"(?<=\S)\n(?!paychain )(?=\S)")  # an example keeps its own line


class CommandGroup(TyperGroup):
    """Commands whose help is written as that of other commands.

    A switch is named alone (`--quiet`, not `--quiet <bool>`), an argument without braces, and a
    paragraph is as wide as the terminal, not as our source.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, or None."""
        command: Any = super().get_command(ctx, cmd_name)
        if command is None:
            return None
        if not isinstance(command, TyperGroup):
            command.collect_usage_pieces = _without_braces(type(command), command)
        if command.help:
            command.help = _LINE_IN_PARAGRAPH.sub(" ", command.help)
        return _switches_alone(command, ctx)

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Read the words up to the command."""
        with _reworded_errors():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the command of the words."""
        with _reworded_errors():
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group itself."""
        _switches_alone(self, ctx)
        super().format_help(ctx, formatter)


@contextmanager
def _reworded_errors() -> Iterator[None]:
    """What is wrong with the words of a command line, in our words."""
    try:
        yield
    except Exception as error:
        # Typer brings a click of its own in some versions: its errors are known by their looks.
        message = getattr(error, "message", None)
        if hasattr(error, "format_message") and isinstance(message, str):
            error.message = reworded(message)  # type: ignore[attr-defined]  # see above
        raise


def _without_braces(kind: Any, command: Any) -> Callable[[Any], list[str]]:
    def pieces(context: Any) -> list[str]:
        found: list[str] = kind.collect_usage_pieces(command, context)
        return [_IN_BRACES.sub(r"\1\2", piece) for piece in found]

    return pieces


def _switches_alone(command: Any, context: Any) -> Any:
    for parameter in command.get_params(context):
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return command
