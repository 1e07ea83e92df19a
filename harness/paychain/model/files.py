"""The files of chains and experiments: by name or path, the user's own and the shipped ones.

Imports nothing heavy: a shell asks for the names while somebody types.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from paychain.payments.errors import UserError, meant

SUFFIXES = (".yaml", ".yml")
FOLDERS = {"chain": "chains", "experiment": "chaos"}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = (_PACKAGE.parents[1], _PACKAGE / "shipped")  # in a checkout, and installed


def find(spec: str, kind: str) -> Path:
    """The file of a name or path: the user's own files come before the shipped ones.

    Raises UserError when there is none.
    """
    if not spec:
        raise UserError(f"the name of the {kind} is empty", hint="give a name or a file")
    if _URL.match(spec):
        raise UserError(f"{spec} is a URL", hint="download the file, and give its path")
    # What has a slash or an ending is a path, anything else is a name.
    if "/" in spec or spec.endswith(SUFFIXES):
        path = Path(spec)
        if path.is_dir():
            raise _folder(spec, kind)
        if not path.is_file():
            if path.exists():
                raise UserError(f"{spec} is not a regular file", hint=f"give a file of kind {kind}")
            raise UserError(f"no such {kind} file: {spec}", hint=_near(path))
        return path
    known = _available(kind)
    if spec not in known:
        if Path(spec).is_dir():
            raise _folder(spec, kind)
        if Path(f"{spec}.yaml").is_file():
            raise UserError(f"no {kind} named '{spec}'", hint=f"did you mean '{spec}.yaml'?")
        other = next((each for each in FOLDERS if each != kind and spec in _available(each)), None)
        if other is not None:
            raise UserError(f"{spec} is of kind {other}, not {kind}", hint=give_here(kind))
        raise UserError(f"no {kind} named '{spec}'", hint=meant(spec, sorted(known)))
    return Path(known[spec])


def give_here(kind: str) -> str:
    """The hint where a file of the other kind was given."""
    return f"give the {kind} here: the chain comes first, then the experiment"


def _near(path: Path) -> str:
    """The file beside a path that was probably meant."""
    with suppress(OSError):
        beside = {each.stem: each for each in path.parent.iterdir() if each.suffix in SUFFIXES}
        for close in get_close_matches(path.stem, beside, n=1):
            return f"did you mean '{beside[close]}'?"
    return "check the path"


def _folder(spec: str, kind: str) -> UserError:
    return UserError(f"{spec} is a folder", hint=f"name one {kind} file in it")


def available(kind: str) -> dict[str, Path]:
    """Names and files of the user's and the shipped chains or experiments."""
    return {name: Path(path) for name, path in _available(kind).items()}


def _available(kind: str) -> dict[str, str]:
    """The same as text: to make all those paths takes longer than to find them."""
    found: dict[str, str] = {}
    for root in (Path(), *SHIPPED):
        for path in _files_below(str(root / FOLDERS[kind])):
            found.setdefault(path.rpartition(os.sep)[2].rpartition(".")[0], path)
    return found


def _files_below(folder: str) -> Iterator[str]:
    """The YAML files in a folder and below, in the order of their paths; no links are followed."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:  # of the user's folders there may be none, and some may not be read
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path)
        elif entry.name.endswith(SUFFIXES) and entry.name not in SUFFIXES:  # it has a name
            yield entry.path
