"""Where the paychain command begins: its modules take a moment to import."""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from paychain.processes.collector import collect_rarely

_ENDING = {signal.SIGINT, signal.SIGTERM, *({signal.SIGHUP} if hasattr(signal, "SIGHUP") else ())}
AGAIN_S = 0.01  # until an interruption that was swallowed comes again


def main() -> None:
    """Import the command and run it. What ends a run ends it in the same words from the start."""
    collect_rarely()
    # Who started us may block what ends a run, and every process inherits that.
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    # An exception would not do: imports turn it into others, or print it and go on.
    # What somebody ignores, as nohup does, stays ignored.
    defaults = (signal.default_int_handler, signal.SIG_DFL)
    ending = [number for number in _ENDING if signal.getsignal(number) in defaults]
    for number in ending:
        signal.signal(number, _end)
    # What is registered first runs last: Python then takes the process apart, and would give each
    # signal its default meaning back.
    atexit.register(_ignore, ending)
    from paychain.cli.main import main as command

    # Until the command has handlers of its own, all of them are what Ctrl-C is.
    for number in ending:
        signal.signal(number, signal.default_int_handler)
    if ending:
        sys.unraisablehook = _repeating(ending[0])
    try:
        command()
    except SystemExit as end:
        _keep_exit_code(end.code, ending)
        raise
    finally:
        # Python remembers a KeyboardInterrupt that came out of `eval` or `exec`, also one that was
        # handled, and then ends `python -m` as if SIGINT had killed it, whatever the exit code. The
        # next `exec` makes it forget.
        exec("")  # noqa: S102  (runs nothing)


def _repeating(number: signal.Signals) -> Callable[[sys.UnraisableHookArgs], None]:
    """Interrupt again where Python would print the interruption and go on, as amid a `__del__`."""

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(unraisable)
            return
        has_returned = False

        def interrupt() -> None:
            while not has_returned:
                time.sleep(AGAIN_S)
            _thread.interrupt_main(number)

        # No thread begins any more: the process ends anyway. One more signal: it is repeated, too.
        with suppress(RuntimeError, KeyboardInterrupt):
            # `threading` would wait here until it has begun.
            _thread.start_new_thread(interrupt, ())
        # Amid this hook it would be swallowed again. Python handles no signal between here and the
        # return.
        has_returned = True

    return hook


def _keep_exit_code(code: object, ending: Sequence[signal.Signals]) -> None:
    """End with this code at once when a signal comes: all is said, and it may be a verdict's."""

    def leave(*_: object) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, RuntimeError):
                stream.flush()
        os._exit(code if isinstance(code, int) else code is not None)

    for number in ending:
        signal.signal(number, leave)


def _ignore(ending: Sequence[signal.Signals]) -> None:
    for number in ending:
        signal.signal(number, signal.SIG_IGN)


def _end(*_: object) -> None:
    """Nothing was started yet that would have to be stopped."""
    from paychain.cli.exit_codes import ExitCode

    os.write(2, b"interrupted: nothing was kept\n")
    os._exit(ExitCode.INTERRUPTED)
