"""Files that another process reads while they are written: whole, or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from paychain.payments.errors import UserError


def expanded(path: str) -> Path:
    """A path with `~` expanded, or as written if the home is not known.

    An account of a container has often none.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def refuse_unwritable(folder: Path) -> None:
    """Raise UserError unless files can be written into a folder, which may have yet to be made.

    For what is asked before work whose outcome would be lost.
    """
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    try:
        is_folder = stat.S_ISDIR(place.stat().st_mode)
    except OSError as error:  # a link to nowhere, or to itself
        raise _unwritable(folder, error.strerror) from None
    if not is_folder:
        raise _unwritable(folder, os.strerror(errno.ENOTDIR))
    if not os.access(place, os.W_OK | os.X_OK):
        raise _unwritable(folder, os.strerror(errno.EACCES))


def make_folder(folder: Path) -> None:
    """Make a folder for output, and those above it, where it is missing. Raises UserError."""
    refuse_unwritable(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error.strerror) from error


def _unwritable(folder: Path, why: str | None) -> UserError:
    return UserError(f"cannot write to {folder}: {why}", hint="name another folder")


_OF_SYSTEM = (Path("/dev"), Path("/proc"))  # /dev/stdout is a link, and may lead to a plain file


def _refuse_device(path: Path) -> None:
    is_data = path.is_file() or path.is_dir() or not path.exists()
    if not is_data or path.parent.resolve() in _OF_SYSTEM:
        raise FileExistsError(errno.EEXIST, "no place for a plain file", str(path))


def sha256(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: Any) -> None:
    """Write a file so that a reader finds the old one or all of the new one, never a part.

    Bytes are written as they are, text as UTF-8, anything else as JSON. A symbolic link in its
    place goes; the file that it leads to stays as it is. When it fails, nothing is left behind and
    an older file stays. A device or a pipe, which root could replace by a file for the whole
    machine, stays as well. Raises OSError, which names the file: a full disk alone does not.
    """
    if isinstance(content, bytes):
        data = content
    elif isinstance(content, str):
        data = content.encode()
    else:
        data = msgspec.json.encode(content)
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    _refuse_device(path)
    # In the same folder, because only within one file system a rename is atomic. The process id
    # keeps two writers of one file apart.
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # Never over what is there: in a folder of somebody else it may be a link to our own files.
        scratch.unlink(missing_ok=True)
        with scratch.open("xb") as file:
            file.write(data)
        scratch.replace(path)
    except BaseException as error:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise
