"""The group of commands that paychain and some of its commands are."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from paychain.cli.usage import reworded


class CommandGroup(TyperGroup):
    """Commands whose help names a switch alone: `--quiet`, not `--quiet <bool>`."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, or None."""
        command = super().get_command(ctx, cmd_name)
        return None if command is None else _switches_alone(command, ctx)

    def invoke(self, ctx: Any) -> Any:
        """Run the command of the words."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            # Typer brings a click of its own in some versions: its errors are known by their looks.
            message = getattr(error, "message", None)
            if hasattr(error, "format_message") and isinstance(message, str):
                error.message = reworded(message)  # type: ignore[attr-defined]
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group itself."""
        _switches_alone(self, ctx)
        super().format_help(ctx, formatter)


def _switches_alone(command: Any, context: Any) -> Any:
    for parameter in command.get_params(context):
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return command
