"""Ctrl-C, SIGTERM or a closed terminal: a run stops, and still ends in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from paychain.environment.running_chain import RunningChain
from paychain.processes.children import ending_signals
from paychain.processes.interrupted import Interrupted


class Interruption:
    """While it is entered, a signal that ends a process raises Interrupted out of the chain.

    Before there is a chain to watch, a signal waits for one: a run that has begun has a result.
    The second signal raises it wherever the program is: the chain did not react to the first.
    Handlers of somebody else, such as a test runner's, stay as they are, and so do all handlers
    outside the main thread, where Python has none.
    """

    def __init__(self) -> None:
        self._chain: RunningChain | None = None
        self._heard = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in ending_signals():
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def watch(self, chain: RunningChain) -> None:
        """Interrupt this chain; at once, when a signal has come before there was one."""
        self._chain = chain
        if self._heard:
            chain.interrupt(Interrupted())

    def ignore(self) -> None:
        """From now on nothing interrupts: what is left is to stop, which must not be cut short."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def finish(self, on_message: Callable[[str], None]) -> None:
        """From now on the run is judged to its end: what it recorded is all there.

        Only a second Ctrl-C ends it; then the command to judge it again is `paychain judge`.
        """
        heard = 0

        def hear(number: int, _frame: FrameType | None) -> None:
            nonlocal heard
            heard += number == signal.SIGINT
            if heard > 1:
                raise Interrupted
            on_message("the run is over and being judged; Ctrl-C twice stops that")

        for number in self._before:
            signal.signal(number, hear)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self._heard += 1
        if self._heard > 1:
            raise Interrupted
        if self._chain is not None:
            self._chain.interrupt(Interrupted())
