"""A command on a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from pathlib import Path

from tests.support.cli import environment, hear_signals


class Screen:
    """A real terminal, and all that was written to it."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            hear_signals()
            os.chdir(folder)
            os.execve(words[0], words, environment() | {"TERM": "xterm"})
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
        self.text = ""

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def read(self) -> bool:
        """Take in what is written; False at its end."""
        while select.select([self._end], [], [], 0.02)[0]:
            try:
                data = os.read(self._end, 65_536)
            except OSError:  # the other side is gone
                return False
            if not data:
                return False
            self.text += data.decode("utf-8", "replace")
        return True

    def wait_for(self, pattern: str, within_s: float = 60) -> None:
        """What is written from here on has to show it."""
        start, until = len(self.text), time.monotonic() + within_s
        while not re.search(pattern, self.text[start:]):
            assert self.read(), self.text[-2_000:]
            assert time.monotonic() < until, (pattern, self.text[-3_000:])

    def exit_code(self, within_s: float = 60) -> int:
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGINT)
        raise AssertionError(self.text[-3_000:])
