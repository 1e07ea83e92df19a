"""What a user's application writes while it runs on the loop: kept, and not shown in between."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from paychain.processes.shown_lines import shown_lines

MAX_LINES = 10_000  # of one application: the newest


class Output(io.TextIOBase):
    """The lines of standard output and error."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        self._begun = ""

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Keep whole lines, and what is begun of the next."""
        *whole, self._begun = (self._begun + text).split("\n")
        self._lines.extend(whole)
        return len(text)

    def last_lines(self, environment: Mapping[str, str]) -> list[str]:
        """The newest lines as a report may show them. `environment`: the application's."""
        return shown_lines([*self._lines, self._begun], environment)


class _Current(io.TextIOBase):
    """Writes to whichever output is the current one: handlers of `logging` keep their stream."""

    output: Output | None = None

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return self.output.write(text) if self.output is not None else len(text)


_current = _Current()


@contextmanager
def written_to(output: Output) -> Iterator[None]:
    """Keep there whatever is printed inside."""
    before, _current.output = _current.output, output
    try:
        with redirect_stdout(_current), redirect_stderr(_current):
            yield
    finally:
        _current.output = before
