"""Where Ctrl-C may interrupt a search."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_between_schedules() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C raise only where the yielded function is called: between two schedules.

    So does SIGTERM, and the end of the terminal. In the middle of Hypothesis it could be swallowed,
    or lose what was found. A second one raises at once.
    """
    from paychain.processes.children import ending_signals

    pending: list[int] = []

    def on_signal(number: int, _: object) -> None:
        if pending:
            raise KeyboardInterrupt
        pending.append(number)

    def check() -> None:
        if pending:
            pending.clear()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in ending_signals()}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
