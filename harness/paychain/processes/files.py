"""Files that another process reads while they are written: whole, or not there."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec


def expanded(path: str) -> Path:
    """A path with `~` as the account's home; as it is written where nobody knows that home.

    An account of a container has often none.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def sha256(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: Any) -> None:
    """Write a file so that a reader finds the old one or all of the new one, never a part.

    Bytes are written as they are, text as UTF-8, anything else as JSON. A symbolic link in its
    place goes; the file that it leads to stays as it is. When it fails, nothing is left behind and
    an older file stays. Raises OSError.
    """
    if isinstance(content, bytes):
        data = content
    elif isinstance(content, str):
        data = content.encode()
    else:
        data = msgspec.json.encode(content)
    # In the same folder, because only within one file system a rename is atomic. The process id
    # keeps two writers of one file apart.
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # Never over what is there: in a folder of somebody else it may be a link to our own files.
        scratch.unlink(missing_ok=True)
        with scratch.open("xb") as file:
            file.write(data)
        scratch.replace(path)
    except BaseException:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise
