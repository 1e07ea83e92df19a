"""The page of all commands: `python -m paychain.cli.reference > docs/cli.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typer.main import get_command

from paychain.cli.exit_codes import SUMMARY
from paychain.cli.main import app

INTRO = """\
# Commands

Written by `python -m paychain.cli.reference`, from the commands themselves; `paychain COMMAND
--help` shows the same. An option that is not given has its value from a `PAYCHAIN_…` variable, or
from `paychain.toml` or `[tool.paychain]` in `pyproject.toml`.
"""
_KINDS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


def page() -> str:
    """Markdown: a section for each command, its arguments and options."""
    root = get_command(app)
    every: dict[str, Any] = getattr(root, "commands", {})
    commands = {name: command for name, command in sorted(every.items()) if not command.hidden}
    parts = [INTRO, f"{SUMMARY}\n"]
    for name, command in commands.items():
        parts.append(_section(f"paychain {name}", command, level=2))
        below = getattr(command, "commands", {})
        parts += [
            _section(f"paychain {name} {word}", inner, level=3)
            for word, inner in sorted(below.items())
        ]
    return "\n".join(parts)


def _section(name: str, command: Any, *, level: int) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    declared = get_type_hints(command.callback) if command.callback is not None else {}
    usage = " ".join([name, *map(_metavar, arguments), *(["[OPTIONS]"] if options else [])])
    lines = [f"{'#' * level} {name}", "", inspect.cleandoc(command.help or ""), ""]
    lines += ["```text", usage, "```", ""]
    rows = [_row(_metavar(each), each) for each in arguments]
    rows += [
        _row(_flags(each, declared), each) for each in options if not getattr(each, "hidden", False)
    ]
    if rows:
        lines += ["| | |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(name: str, parameter: Any) -> str:
    text = " ".join([parameter.help or "", *_default(parameter)])
    return f"| `{_cell(name)}` | {_cell(text)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").strip()


def _metavar(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    many = "…" if argument.nargs == -1 and not argument.metavar else ""
    is_optional = not argument.required and not name.startswith("[")
    return f"[{name}{many}]" if is_optional else f"{name}{many}"


def _flags(option: Any, declared: Mapping[str, Any]) -> str:
    flags = ", ".join([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return flags
    return f"{flags} {option.metavar or _kind(declared[option.name])}"


def _kind(declared: Any) -> str:
    """A word for what an option takes, by the annotation of its parameter."""
    names = [each for each in get_args(declared) if each is not type(None)]
    kind = names[0] if names else declared  # `str | None`, `list[str]`
    if get_args(kind):
        return _kind(kind)
    if issubclass(kind, Enum):
        return "|".join(str(each.value) for each in kind)
    return _KINDS[kind]


def _default(parameter: Any) -> Iterator[str]:
    default = parameter.default
    is_shown = isinstance(default, (int, float, str, Path)) and not isinstance(default, bool)
    if parameter.required or not is_shown or default == "":
        return
    yield f"(default: {getattr(default, 'value', default)})"


if __name__ == "__main__":
    print(page(), end="")
