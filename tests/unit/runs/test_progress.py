"""What a run shows while it goes on, and what becomes of it when nobody can read that any more."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from paychain.payments.journal import HopRecord, PaymentRecord
from paychain.payments.outcome import HopResult, Outcome
from paychain.runs.follower import Look
from paychain.runs.progress import PLAIN_EVERY_S, LogLines, RedrawnLine


def paid(*, technical: bool) -> PaymentRecord:
    return PaymentRecord(
        payment="p1",
        intended_ns=0,
        started_ns=0,
        ended_ns=1,
        outcome=Outcome.UNKNOWN if technical else Outcome.APPROVED,
        technical=technical,
        code="",
        shown="",
        amount_minor=100,
        currency="EUR",
        scheme="visa",
        instrument="",
        merchant="",
        decided_by="",
        error=None,
        warm_up=False,
    )


HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
TIMED_OUT = HopRecord(
    payment="p1",
    attempt=1,
    span="a",
    parent="",
    caller="gateway",
    operation="authorise",
    callee="issuer",
    route=0,
    try_number=1,
    started_ns=0,
    ended_ns=1,
    result=HopResult.TIMEOUT,
    code="",
)


def test_a_log_gets_a_line_now_and_then_and_every_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = LogLines()
    log.look(Look(0.0, "before", []))
    log.add([paid(technical=False), paid(technical=True), TIMED_OUT])
    log.look(Look(PLAIN_EVERY_S / 2, "before", []))
    log.message("two\nlines")
    log.look(Look(PLAIN_EVERY_S, "fault 1", ["lost"], "2 workers"))
    log.close()
    assert capsys.readouterr().err.splitlines() == [
        "  0.0 s  before    | no payments yet",
        r"two\nlines",
        "  5.0 s  fault 1   | lost | 2 payments, 50.0 % answered; "
        "failed calls: gateway → issuer 1; 2 workers",
    ]


class Broken(io.StringIO):
    """A stream that nobody reads any more."""

    writes = 0

    def write(self, text: str, /) -> int:
        self.writes += 1
        raise BrokenPipeError


def test_what_nobody_can_read_any_more_is_no_longer_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, log = Broken(), LogLines()
    monkeypatch.setattr("sys.stderr", stream)
    for number in range(3):
        log.message("here")
        log.look(Look(number * PLAIN_EVERY_S, "before", []))
    log.close()
    assert stream.writes == 1


class Terminal(io.StringIO):
    """A terminal that may go away."""

    is_gone = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if self.is_gone:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().write(text)


def use(terminal: Terminal, patch: pytest.MonkeyPatch) -> None:
    # In the test itself: between a fixture and its test, pytest restores the streams.
    patch.setattr("sys.stderr", terminal)
    patch.setenv("TERM", "xterm")


def test_a_terminal_keeps_its_cursor_unless_a_run_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    terminal = Terminal()
    use(terminal, monkeypatch)
    line = RedrawnLine()
    assert HIDE_CURSOR not in terminal.getvalue()
    line.begin(tmp_path)
    assert HIDE_CURSOR in terminal.getvalue()
    line.close()
    assert SHOW_CURSOR in terminal.getvalue().rpartition(HIDE_CURSOR)[2]


def test_a_verdict_is_printed_where_it_belongs_also_after_the_terminal_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    terminal, out = Terminal(), sys.stdout
    use(terminal, monkeypatch)
    line = RedrawnLine()
    line._status._live.auto_refresh = False  # its thread would fail, too, and say so
    line.begin(tmp_path)
    assert sys.stdout is not out
    terminal.is_gone = True
    line.message("here")
    line.close()
    assert sys.stdout is out
