"""The board in a terminal: keys as they are pressed, and a view that is redrawn."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness.board.control import Action
from harness.board.keys import Keys, lines
from harness.board.session import Session
from harness.board.shown import state_of
from harness.payments.errors import UserError

REDRAWN_S = 0.25
READ_BYTES = 1_000
_SEQUENCE = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]")


class Terminal:
    """Shows a session and takes its keys. Everything is done between two steps of it."""

    def __init__(self, session: Session, rate: int) -> None:
        self._session = session
        self._keys = Keys(session.places, rate)
        self._live = Live(console=Console(), auto_refresh=False, transient=True)
        self._next_s = 0.0

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keys come one by one and unseen; the terminal is as before afterwards."""
        was = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        self._live.start()
        try:
            yield
        finally:
            self._live.stop()
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, was)

    def tick(self) -> None:
        """Do what keys ask for, and redraw now and then."""
        for key in _pressed():
            self._press(key)
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + REDRAWN_S
            state = state_of(self._session, is_drawn=False)
            text = "\n".join(lines(state, self._keys, self._session.chain.chain))
            self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

    def _press(self, key: str) -> None:
        try:
            action = self._keys.press(key, state_of(self._session, is_drawn=False))
            if action is not None and not (self._session.is_saving and action.do != "quit"):
                self._keys.said = ""
                self._ask(action)
        except UserError as error:
            self._keys.said = str(error)
        self._next_s = 0.0

    def _ask(self, action: Action) -> None:
        self._keys.said = self._session.ask(action)


def _pressed() -> Iterator[str]:
    """The keys since the last look; an arrow or another sequence is no key of ours."""
    if not select.select([sys.stdin], [], [], 0)[0]:
        return
    data = os.read(sys.stdin.fileno(), READ_BYTES).decode("utf-8", "replace")
    yield from _SEQUENCE.sub("", data).replace("\r", "\n")
