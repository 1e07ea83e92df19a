"""Folders for what only a running command needs, which go with it, however it ends.

A killed process cannot remove its own: the next one that needs such a folder does.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "paychain-scratch-"
_NEW_S = 60.0  # its process may be about to lock it
_LOCK = "lock"  # held while its process lives: a number of a process may be given again


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder below the system's for temporary files, removed at the end."""
    _remove_left()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as made:
        folder = Path(made)
        with (folder / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder


def is_scratch(path: Path) -> bool:
    """Whether a file lies in such a folder, and so will not be found later."""
    return any(folder.name.startswith(_PREFIX) for folder in path.parents)


def _remove_left() -> None:
    """Remove our account's folders whose process has ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Whatever cannot be read or removed is somebody else's, or just going away.
        with suppress(OSError):
            found = folder.lstat()
            is_new = time.time() - found.st_mtime < _NEW_S
            if folder.is_symlink() or found.st_uid != os.geteuid() or is_new:
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
