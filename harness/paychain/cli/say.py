"""Prints lines that hold text of others: names of files, titles, what a service answered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import TypeVar

from paychain.payments.errors import one_line

Key = TypeVar("Key")
_SILENT_S = 1.0  # as long as a user need not know what is being waited for
TRACEBACK_VARIABLE = "PAYCHAIN_TRACEBACK"  # set to show where an unexpected error came from
OUR_BUG = f"this is a bug in paychain or in a library: {TRACEBACK_VARIABLE}=1 shows where"


def say(*lines: str, is_error: bool = False) -> None:
    """Print each as one line, to the error stream or not.

    A file name or a value may hold line breaks, escapes of the terminal, and commands that a CI
    system would obey in a step's output.
    """
    for line in lines:
        print(one_line(line), file=sys.stderr if is_error else sys.stdout, flush=True)


@contextmanager
def said_when_slow(line: str) -> Iterator[None]:
    """Say what is waited for, once, if it takes longer than a second.

    For a file that may be a pipe, such as `<(vault read …)`: whoever opens one waits for the other
    side, however long that takes.
    """
    timer = Timer(_SILENT_S, say, [line], {"is_error": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def key_of(path: Path, read: Callable[[Path], Key]) -> Key:
    """The key that is read from a file, which may be a pipe."""
    with said_when_slow(f"waiting for somebody to write to {path}"):
        return read(path)
