"""Defaults of options from the environment and from the project's file.

`--seed 7` > PAYCHAIN_RUN_SEED > PAYCHAIN_SEED > `[run] seed` > `seed` of the file. The file is
paychain.toml, or [tool.paychain] in pyproject.toml; it lies here, or above within the repository.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paychain.cli.usage import reworded
from paychain.payments.errors import UserError, meant

_OWN_FILE, _SHARED_FILE = "paychain.toml", "pyproject.toml"
_TABLE = ("tool", "paychain")  # ours in the shared file
_HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PARSER_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_PREFIX = "PAYCHAIN"
_OTHERS = ("PAYCHAIN_ENV", "PAYCHAIN_RUN", "PAYCHAIN_VERSION")  # they mean something else
_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
Keys = tuple[str, ...]


@dataclass(frozen=True)
class _File:
    """A project's file: our table of it, and the keys below which that is."""

    path: Path
    text: str
    table: dict[str, Any]
    prefix: Keys

    def place(self, keys: Keys) -> str:
        """`file:line:column` of the nearest part of a key path that the text has."""
        line, column = _place(self.text, (*self.prefix, *keys))
        return f"{self.path}:{line}:{column}"


@dataclass(frozen=True)
class _Setting:
    """One value for the commands that have its option; `where` is a place or a variable."""

    value: Any
    where: str
    folder: Path | None  # paths are relative to it; None: as on the command line


def defaults(context: Any, folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """The defaults of each command's options, by the names of command and parameter.

    `context`: of the group of all commands. Raises UserError for a mistake in the file or in a
    variable.
    """
    file, root = _find(folder), context.command
    if file is not None:
        _refuse_unknown(file, file.table, root, ())
    return _of_group(context, root, (), file, environment)


def _of_group(
    context: Any, group: Any, words: Keys, file: _File | None, environment: Mapping[str, str]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        path = (*words, name)
        # A value that another command cannot take does not concern this one.
        if not words and context.invoked_subcommand not in (None, name):
            continue
        if _is_group(command):
            found[name] = _of_group(context, command, path, file, environment)
            continue
        chosen = {}
        for option in _options(command):
            setting = _from_environment(option, path, environment) or _from_file(option, path, file)
            if setting is not None:
                chosen[option.name] = _value(context, option, setting)
        found[name] = chosen
    return found


def _from_environment(option: Any, path: Keys, environment: Mapping[str, str]) -> _Setting | None:
    # One that has a variable of its own, a secret for instance, is read from no other.
    if option.envvar is not None:
        return None
    for words in (path, ()):
        variable = "_".join((_PREFIX, *words, option.name.strip("_"))).upper().replace("-", "_")
        text = environment.get(variable)
        if text and variable not in _OTHERS:
            return _Setting(_of_text(option, text, variable), variable, None)
    return None


def _of_text(option: Any, text: str, variable: str) -> Any:
    if option.is_flag:
        if text.lower() not in _WORDS:
            raise UserError(f"{variable} is '{text}'", hint="write true or false")
        return _WORDS[text.lower()]
    if option.multiple:
        try:
            return shlex.split(text)
        except ValueError as error:
            raise UserError(f"{variable} cannot be read: {error}") from None
    return text


def _from_file(option: Any, path: Keys, file: _File | None) -> _Setting | None:
    if file is None:
        return None
    for words in (path, ()):
        table: Any = file.table
        for word in words:
            table = table.get(word, {})
        for key in _keys(option):
            if key in table and not isinstance(table[key], dict):
                return _Setting(table[key], file.place((*words, key)), file.path.parent)
    return None


def _value(context: Any, option: Any, setting: _Setting) -> Any:
    """The value in the option's type. Raises UserError with its place if it is invalid."""
    values = setting.value if isinstance(setting.value, list) else [setting.value]
    wanted = (bool,) if option.is_flag else (str, int, float)
    fits = all(
        isinstance(value, wanted) and isinstance(value, bool) is bool(option.is_flag)
        for value in values
    )
    name = option.opts[0]
    if not fits or (isinstance(setting.value, list) and not option.multiple):
        kind = "true or false" if option.is_flag else "text or a number"
        kind = f"a list of {kind}" if option.multiple else kind
        raise UserError(f"{name} takes {kind}", where=setting.where)
    if option.is_flag:
        return setting.value
    texts = [str(value) for value in values]
    value = texts if option.multiple else texts[0]
    try:
        taken = option.process_value(context, value)
    except Exception as error:
        # Typer brings a click of its own in some versions: its errors are known by their looks.
        if not hasattr(error, "format_message"):
            raise
        what = f"{name}: {reworded(str(getattr(error, 'message', error)))}"
        raise UserError(what.rstrip("."), where=setting.where) from None
    if isinstance(taken, Path) and setting.folder is not None:
        return str(setting.folder / taken)
    return value


def _refuse_unknown(file: _File, table: dict[str, Any], group: Any, words: Keys) -> None:
    """Raises UserError for the first key that no command has."""
    for key, value in table.items():
        if isinstance(value, dict):
            command = group.commands.get(key)
            if command is None:
                shown = [name for name, each in group.commands.items() if not each.hidden]
                hint = meant(key, shown)
                if (*words, key) == _TABLE[:1] and _TABLE[1] in value:
                    hint = f"write its keys without [{'.'.join(_TABLE)}] in {_OWN_FILE}"
                raise UserError(f"no command '{key}'", where=file.place((*words, key)), hint=hint)
            if _is_group(command):
                _refuse_unknown(file, value, command, (*words, key))
                continue
            known = {name for option in _options(command) for name in _keys(option)}
            for name in value:
                if name not in known:
                    where = file.place((*words, key, name))
                    raise UserError(
                        f"paychain {' '.join((*words, key))} has no option '{name}'",
                        where=where,
                        hint=meant(name, _as_options(known)),
                    )
        else:
            known = {name for option in _all_options(group) for name in _keys(option)}
            if key not in known:
                where = file.place((*words, key))
                raise UserError(
                    f"no command has an option '{key}'",
                    where=where,
                    hint=meant(key, _as_options(known)),
                )


def _all_options(group: Any) -> Iterator[Any]:
    for command in group.commands.values():
        yield from _all_options(command) if _is_group(command) else _options(command)


def _options(command: Any) -> Iterator[Any]:
    return (
        parameter
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.is_eager
    )


def _keys(option: Any) -> list[str]:
    """How a file may name an option: `exit-zero` or `exit_zero`."""
    names = [name.removeprefix("--") for name in option.opts if name.startswith("--")]
    return [key for name in names for key in dict.fromkeys((name, name.replace("-", "_")))]


def _as_options(keys: set[str]) -> list[str]:
    """One name for each option of these keys: `exit-zero`, as the command line has it."""
    return sorted({key.replace("_", "-") for key in keys})


def _is_group(command: Any) -> bool:
    return hasattr(command, "commands")


def _find(folder: Path) -> _File | None:
    for place in _folders(folder):
        if (place / _OWN_FILE).is_file():
            path = place / _OWN_FILE
            text = _read(path)
            return _File(path, text, _parsed(path, text), ())
        if (place / _SHARED_FILE).is_file():
            path = place / _SHARED_FILE
            text = _read(path)
            # A mistake in a file that says nothing of us is not ours to tell.
            table = _ours(_parsed(path, text)) if _TABLE[1] in text else None
            if table is not None:
                return _File(path, text, table, _TABLE)
    return None


def _ours(document: dict[str, Any]) -> dict[str, Any] | None:
    tools = document.get(_TABLE[0], {})
    table = tools.get(_TABLE[1]) if isinstance(tools, dict) else None
    return table if isinstance(table, dict) else None


def _folders(folder: Path) -> list[Path]:
    """This folder and those above it, up to the root of the repository.

    Outside a repository only this one: whatever lies in /tmp is anybody's.
    """
    here = folder.resolve()
    above = []
    for place in (here, *here.parents):
        above.append(place)
        if (place / ".git").exists():
            return [folder, *above[1:]]
    return [folder]


def _read(path: Path) -> str:
    from paychain.declaration.text import read_text

    text, unreadable = read_text(path)
    if unreadable is not None:
        where = f"{path}:{unreadable.line}:{unreadable.column}"
        raise UserError(unreadable.what, where=where, hint=unreadable.hint)
    return text


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        # Editors on Windows begin a file with a byte order mark.
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        match = _PARSER_PLACE.search(said)
        line, column = (match[1], match[2]) if match and match[1] else (text.count("\n") + 1, 1)
        what = _PARSER_PLACE.sub("", said)
        raise UserError(f"not TOML: {what}", where=f"{path}:{line}:{column}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply") from None
    except ValueError:  # its only other one: Python does not read so many digits
        raise UserError(f"{path} has a number that is too large") from None


def _place(text: str, keys: Keys) -> tuple[int, int]:
    """Line and column of a key path: of the longest part of it that stands in the text."""
    best, at = 0, (1, 1)
    table: Keys = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line.partition("#")[0].rstrip()):
            table = _split(header[1])
            found, column = table, line.index("[") + 1
        elif key := _KEY.match(line):
            found, column = (*table, *_split(key[1])), key.start(1) + 1
        else:
            continue
        if len(found) > best and found == keys[: len(found)]:
            best, at = len(found), (number, column)
    return at


def _split(dotted: str) -> Keys:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
