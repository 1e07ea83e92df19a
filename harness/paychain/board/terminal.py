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

from paychain.board.control import BoardAction
from paychain.board.keys import Keys, lines
from paychain.board.session import Session
from paychain.board.view import state_of
from paychain.payments.errors import UserError

REDRAW_EVERY_S = 0.25
READ_BYTES = 1_000  # at once: more than anybody types between two reads
_ESCAPE_SEQUENCE = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]")


class Terminal:
    """Shows a session and passes keys to it, always between two of the session's steps."""

    def __init__(self, session: Session, rate: int) -> None:
        self._session = session
        self._keys = Keys(places=session.places, rate=rate)
        self._live = Live(console=Console(), auto_refresh=False, transient=True)
        self._redraw_at_s = 0.0

    @contextmanager
    def open(self) -> Iterator[None]:
        """Read keys without Enter and without echo; the terminal is restored afterwards."""
        before = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        self._live.start()
        try:
            yield
        finally:
            self._live.stop()
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

    def tick(self) -> None:
        """Do what the pressed keys trigger, and redraw when it is time."""
        for key in _pressed_keys():
            self._press(key)
        if time.monotonic() >= self._redraw_at_s:
            self._redraw_at_s = time.monotonic() + REDRAW_EVERY_S
            state = state_of(self._session, with_drawings=False)
            text = "\n".join(lines(state, self._keys, self._session.chain.chain))
            self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

    def _press(self, key: str) -> None:
        try:
            action = self._keys.press(key, state_of(self._session, with_drawings=False))
            if action is not None and self._is_possible(action):
                self._keys.message = ""
                self._keys.message = self._session.ask(action)
        except UserError as error:
            self._keys.message = str(error)
        self._redraw_at_s = 0.0

    def _is_possible(self, action: BoardAction) -> bool:
        """While a run is saved, the view is live but read-only; quitting is possible."""
        return not self._session.is_saving or action.do == "quit"


def _pressed_keys() -> Iterator[str]:
    """The keys since the last call; arrows and other escape sequences are ignored."""
    if not select.select([sys.stdin], [], [], 0)[0]:
        return
    data = os.read(sys.stdin.fileno(), READ_BYTES).decode("utf-8", "replace")
    yield from _ESCAPE_SEQUENCE.sub("", data).replace("\r", "\n")
