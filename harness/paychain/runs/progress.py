"""What a run shows while it goes on: phase, success, active faults, failed calls so far."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from paychain.payments.errors import one_line
from paychain.payments.journal import HopRecord, PaymentRecord, Record
from paychain.runs.follower import Look, RunFollower

PLAIN_EVERY_S = 5.0  # between two lines when the output is not a terminal
_UNWRITABLE = (OSError, ValueError)  # a closed stream, or a character that it cannot hold


class Counts:
    """Running totals of the answers that customers got."""

    def __init__(self) -> None:
        self.payments = self.succeeded = 0
        self.failed_hops: Counter[str] = Counter()

    def add(self, records: Iterable[Record]) -> None:
        """Count new records."""
        for record in records:
            if isinstance(record, PaymentRecord):
                self.payments += 1
                self.succeeded += not record.technical
            elif isinstance(record, HopRecord) and not record.result.worked:
                self.failed_hops[f"{record.caller} → {record.callee}"] += 1

    def line(self, load: str = "") -> str:
        """`1,240 payments, 98.2 % answered; failed calls: gateway → processor-a 22`.

        `load`: a few words about the load.
        """
        if not self.payments:
            return "no payments yet"
        share = f"{100 * self.succeeded / self.payments:.1f} %"
        failed = ", ".join(f"{hop} {count}" for hop, count in self.failed_hops.most_common(2))
        more = f"; failed calls: {failed}" if failed else ""
        aside = f"; {load}" if load else ""
        return f"{self.payments:,} payments, {share} answered{more}{aside}"


class Display(RunFollower, ABC):
    """Shows a run to somebody who watches, until that cannot be written any more.

    Whoever reads it may go away, its disk may be full: the run goes on without it.
    """

    def __init__(self) -> None:
        self._counts, self._is_gone = Counts(), False

    def add(self, records: Iterable[Record]) -> None:
        """Count them."""
        self._counts.add(records)

    def look(self, look: Look) -> None:
        """Show where the run is."""
        on = f" | {', '.join(look.faults)}" if look.faults else ""
        line = f"{look.load_s:5.1f} s  {look.phase:<9}{on} | {self._counts.line(look.load)}"
        self._try(lambda: self._show(line))

    def message(self, text: str) -> None:
        """Print it, on one line."""
        self._try(lambda: self._print(one_line(text)))

    def close(self) -> None:
        """The run is over, or did not begin."""
        with suppress(*_UNWRITABLE):
            self._end()

    @abstractmethod
    def _print(self, line: str) -> None:
        """A line that stays."""

    @abstractmethod
    def _show(self, line: str) -> None:
        """Where the run is now."""

    def _end(self) -> None:
        """Nothing is left open."""

    def _try(self, show: Callable[[], None]) -> None:
        if self._is_gone:
            return
        try:
            show()
        except _UNWRITABLE:
            self._is_gone = True


class LogLines(Display):
    """Plain lines, now and then: for a log."""

    def __init__(self) -> None:
        super().__init__()
        self._next_s = 0.0

    def look(self, look: Look) -> None:
        """Show where the run is, every few seconds."""
        if look.load_s >= self._next_s:
            self._next_s = look.load_s + PLAIN_EVERY_S
            super().look(look)

    def _print(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def _show(self, line: str) -> None:
        self._print(one_line(line))


class RedrawnLine(Display):
    """One line that is redrawn: for a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.status import Status

        super().__init__()
        self._console = Console(stderr=True)
        self._status: Any = Status("starting", console=self._console)

    def begin(self, folder: Path) -> None:  # noqa: ARG002  (a parameter of every follower)
        """Only now: it hides the cursor, and what is printed elsewhere passes through it."""
        self._try(self._status.start)

    def _print(self, line: str) -> None:
        """Above the live line."""
        self._console.print(line, markup=False, highlight=False)

    def _show(self, line: str) -> None:
        from rich.text import Text

        self._status.update(Text(line))

    def _end(self) -> None:
        """Remove the live line."""
        self._status.stop()


def choose(*, quiet: bool) -> RunFollower:
    """The way to show progress that fits the output."""
    if quiet:
        return RunFollower()
    return RedrawnLine() if sys.stderr.isatty() else LogLines()
