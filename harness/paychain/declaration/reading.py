"""Reads files of others: never more than a limit, and never what has no end or never begins."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from paychain.payments.errors import UserError


class NotReadable(UserError):
    """A file that is too large, or no file of data: a pipe, a device, a folder."""


class TooLarge(NotReadable):
    """A file of more bytes than are read."""


def read_bounded(path: Path, max_bytes: int, *, may_be_pipe: bool = False) -> bytes:
    """The bytes of a file, following links, at most `max_bytes`.

    A FIFO without a writer would be waited for, and `/dev/zero` read for ever: without
    `may_be_pipe` only plain files are opened. The size is looked at before anything is read.
    Raises NotReadable, or OSError when there is no such file.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
    if not may_be_pipe:
        flags |= getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise NotReadable(f"{path} is a folder", hint="name a file in it")
        if not stat.S_ISREG(status.st_mode) and not may_be_pipe:
            raise NotReadable(f"{path} is not a plain file", hint="name a file of data")
        data = b""
        if status.st_size <= max_bytes:
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > max_bytes or status.st_size > max_bytes:
        raise TooLarge(f"{path} is larger than {_size(max_bytes)}", hint="use a part of it")
    return data


def _size(size: int) -> str:
    return f"{size // 1_000_000} MB" if size >= 10_000_000 else f"{size // 1_000} kB"
