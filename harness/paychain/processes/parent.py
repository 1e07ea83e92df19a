"""The process that started this one: when it ends, this one ends, too."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from contextlib import suppress

PARENT_VARIABLE = "PAYCHAIN_PARENT"
POLL_S = 0.25  # an orphan lives no longer than this


class Parent:
    """The process that started this one, also when it ended before we could look.

    A process whose parent ends is adopted: its parent's number changes.
    """

    def __init__(self, process: int | None = None) -> None:
        self._process = process or int(os.environ.get(PARENT_VARIABLE) or os.getppid())

    @property
    def is_gone(self) -> bool:
        """It has ended, and another process has adopted us."""
        return os.getppid() != self._process


def end_with(parent: int) -> None:
    """End this process as soon as its parent has ended, whatever it is doing.

    For a worker that computes and has no loop: a thread of its own looks.
    """
    watched = Parent(parent)

    def watch() -> None:
        while not watched.is_gone:
            time.sleep(POLL_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


async def until_stopped() -> None:
    """Return when this process gets SIGTERM or SIGINT, or when its parent has ended."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    parent = Parent()
    while not parent.is_gone and not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_S)
