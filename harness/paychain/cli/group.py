"""The group of commands that paychain and some of its commands are."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class CommandGroup(TyperGroup):
    """Commands whose help names a switch alone: `--quiet`, not `--quiet <bool>`."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, or None."""
        command = super().get_command(ctx, cmd_name)
        return None if command is None else _switches_alone(command, ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group itself."""
        _switches_alone(self, ctx)
        super().format_help(ctx, formatter)


def _switches_alone(command: Any, context: Any) -> Any:
    for parameter in command.get_params(context):
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return command
