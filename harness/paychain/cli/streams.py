"""Standard output and error that never decide how a command ends.

Whoever reads them may go away (`| head -1`), their disk may be full, they may be closed, or their
encoding may lack a character. The exit code is still that of the command.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import TextIO

_PLAIN = {  # for an encoding without them
    "✓": "+",
    "✕": "x",
    "✗": "x",
    "→": "->",
    "–": "-",
    "—": "-",
    "…": "...",
    "·": "-",
    "≥": ">=",
    "≤": "<=",
    "€": "EUR",
    "×": "x",
    "“": '"',
    "”": '"',
    "’": "'",
}
_ERRORS = "paychain.plain"  # name of the error handler


def protect() -> None:
    """Replace the standard streams of this process. Before anything else opens a file."""
    _open_missing()
    codecs.register_error(_ERRORS, _plain)
    # A replacement, such as a test runner's, stays in place.
    if sys.stdout is sys.__stdout__:
        sys.stdout = _protected(sys.stdout, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _protected(sys.stderr, 2)


def _open_missing() -> None:
    """Open the null device in place of a closed stream: the next file would take its number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in text), error.end


def _protected(stream: TextIO | None, descriptor: int) -> TextIO:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    with suppress(OSError, ValueError, AttributeError):
        if stream is not None:
            stream.flush()
    is_terminal = os.isatty(descriptor)
    raw = _Forgiving(descriptor)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors=_ERRORS,
        line_buffering=is_terminal or descriptor == 2,
    )


class _Forgiving(io.RawIOBase):
    """Writes to a descriptor until that fails; from then on, to nowhere."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: object) -> int:
        """Write some bytes; how many."""
        view = memoryview(data)  # type: ignore[arg-type]  # the buffer gives bytes only
        while True:
            try:
                return os.write(self._descriptor, view)
            except BlockingIOError:  # somebody made it so; it takes more in a moment
                select.select([], [self._descriptor], [])
            except OSError as error:
                self._give_up(error)
                return len(view)

    def _give_up(self, error: OSError) -> None:
        with suppress(OSError):
            # A reader that has gone wanted no more; a full disk is worth a word.
            if error.errno != errno.EPIPE and self._descriptor == 1:
                os.write(2, f"the output cannot be written: {error.strerror}\n".encode())
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._descriptor)
            os.close(nowhere)

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)
