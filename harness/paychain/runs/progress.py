"""What a run shows while it goes on: phase, success, active faults, failed calls so far."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from paychain.payments.errors import one_line, sentence_of
from paychain.payments.journal import HopRecord, PaymentRecord, Record

PLAIN_EVERY_S = 5.0  # between two lines when the output is not a terminal


class Progress(Protocol):
    """Shows a run to somebody who watches."""

    def message(self, line: str) -> None:
        """One thing that happened."""

    def show(self, at_s: float, phase: str, faults: list[str], counts: Counts) -> None:
        """Where the run is."""

    def close(self) -> None:
        """The run is over."""


class RunListener:
    """Follows a run beside what it shows, for programs. This one ignores it."""

    def begin(self, folder: Path) -> None:
        """The run has its folder."""

    def add(self, records: Iterable[Record]) -> None:
        """Records have come."""

    def look(self, load_s: float, phase: str, faults: Sequence[str]) -> None:
        """How far the load has come, its phase, and which faults are active."""

    def problems(self) -> list[str]:
        """What is wrong with the run, in sentences. Asked after its end, if nothing else is."""
        return []


class Guarded(RunListener):
    """Follows a run as another listener does, until that fails: which is a problem of the run.

    The run goes on without it, so that all of its records are kept.
    """

    def __init__(self, listener: RunListener) -> None:
        self._listener, self._failure = listener, ""

    def begin(self, folder: Path) -> None:
        """The run has its folder."""
        self._try(lambda: self._listener.begin(folder))

    def add(self, records: Iterable[Record]) -> None:
        """Records have come."""
        self._try(lambda: self._listener.add(records))

    def look(self, load_s: float, phase: str, faults: Sequence[str]) -> None:
        """How far the load has come, its phase, and which faults are active."""
        self._try(lambda: self._listener.look(load_s, phase, faults))

    def problems(self) -> list[str]:
        """What the listener finds wrong; of one that failed, why."""
        found: list[str] = []
        self._try(lambda: found.extend(self._listener.problems()))
        return [self._failure] if self._failure else found

    def _try(self, follow: Callable[[], None]) -> None:
        if self._failure:
            return
        try:
            follow()
        except Exception as error:
            self._failure = sentence_of(error)


class Counts:
    """Running totals of the answers that customers got."""

    def __init__(self) -> None:
        self.payments = self.succeeded = 0
        self.failed_hops: Counter[str] = Counter()
        self.aside = ""  # a few words about the load

    def add(self, records: Iterable[Record]) -> None:
        """Count new records."""
        for record in records:
            if isinstance(record, PaymentRecord):
                self.payments += 1
                self.succeeded += not record.technical
            elif isinstance(record, HopRecord) and not record.result.worked:
                self.failed_hops[f"{record.caller} → {record.callee}"] += 1

    def line(self) -> str:
        """`1,240 payments, 98.2 % answered; failed: gateway → processor-a 22`."""
        if not self.payments:
            return "no payments yet"
        share = f"{100 * self.succeeded / self.payments:.1f} %"
        failed = ", ".join(f"{hop} {count}" for hop, count in self.failed_hops.most_common(2))
        more = f"; failed calls: {failed}" if failed else ""
        aside = f"; {self.aside}" if self.aside else ""
        return f"{self.payments:,} payments, {share} answered{more}{aside}"


class Forgiving:
    """Shows a run as another progress does, until that cannot be written any more.

    Whoever reads it may go away, its disk may be full: the run goes on without it.
    """

    def __init__(self, shown: Progress) -> None:
        self._shown = shown

    def message(self, line: str) -> None:
        """Print it."""
        self._try(lambda: self._shown.message(line))

    def show(self, at_s: float, phase: str, faults: list[str], counts: Counts) -> None:
        """Show where the run is."""
        self._try(lambda: self._shown.show(at_s, phase, faults, counts))

    def close(self) -> None:
        """The run is over."""
        self._try(self._shown.close)

    def _try(self, show: Callable[[], None]) -> None:
        try:
            show()
        except (OSError, ValueError):  # a closed stream, or a character that it cannot hold
            self._shown = NoProgress()


class NoProgress:
    """Shows nothing."""

    def message(self, line: str) -> None:
        """Nothing."""

    def show(self, at_s: float, phase: str, faults: list[str], counts: Counts) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class LogLines:
    """Plain lines, now and then: for a log."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def message(self, line: str) -> None:
        """Print it."""
        print(one_line(line), file=sys.stderr, flush=True)

    def show(self, at_s: float, phase: str, faults: list[str], counts: Counts) -> None:
        """Print where the run is, every few seconds."""
        if at_s < self._next_s:
            return
        self._next_s = at_s + PLAIN_EVERY_S
        self.message(_position(at_s, phase, faults, counts))

    def close(self) -> None:
        """Nothing is left open."""


class RedrawnLine:
    """One line that is redrawn: for a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.status import Status

        self._console = Console(stderr=True)
        self._status: Any = Status("starting", console=self._console)
        self._status.start()

    def message(self, line: str) -> None:
        """Print it above the live line."""
        self._console.print(one_line(line), markup=False, highlight=False)

    def show(self, at_s: float, phase: str, faults: list[str], counts: Counts) -> None:
        """Redraw the live line."""
        from rich.text import Text

        self._status.update(Text(_position(at_s, phase, faults, counts)))

    def close(self) -> None:
        """Remove the live line."""
        self._status.stop()


def choose(*, quiet: bool) -> Progress:
    """The way to show progress that fits the output."""
    if quiet:
        return NoProgress()
    return RedrawnLine() if sys.stderr.isatty() else LogLines()


def _position(at_s: float, phase: str, faults: list[str], counts: Counts) -> str:
    on = f" | {', '.join(faults)}" if faults else ""
    return f"{at_s:5.1f} s  {phase:<9}{on} | {counts.line()}"
