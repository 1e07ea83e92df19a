"""Work in a forked process, so that each simulation of a user's code begins from the same state.

The user's modules are imported anew for each simulation, installed packages are not: what these
keep (an id they have drawn, a cache, handlers of `logging`) would make a second simulation in one
process another one than the first. A fork costs a few milliseconds, a new process half a second.
"""

from __future__ import annotations

import os
import pickle
import signal
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from paychain.processes.children import ending_signals

T = TypeVar("T")
CHUNK = 1 << 20  # bytes read at once


def in_fork(work: Callable[[], T]) -> T:
    """Run `work` in a forked process; return its result, or raise its error here.

    Both must be picklable. Raises RuntimeError if the process ended without an answer.
    """
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        # The child only simulates, and takes no lock that a thread of ours could hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _answer(work, theirs)
    os.close(theirs)
    try:
        with os.fdopen(ours, "rb") as pipe:
            answer = b"".join(iter(lambda: pipe.read(CHUNK), b""))
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
    if not answer:
        raise RuntimeError(f"a simulation ended without an answer (status {status})")
    # Written by the fork of this very process, nobody else has the pipe.
    result, error = pickle.loads(answer)  # noqa: S301  (of our own fork)
    if error is not None:
        raise error
    made: T = result
    return made


def _answer(work: Callable[[], Any], pipe: int) -> NoReturn:
    """In the child: do the work, report its result, and exit without any clean-up."""
    try:
        for number in ending_signals():
            signal.signal(number, signal.SIG_DFL)
        answer = _pickled(work)
        with os.fdopen(pipe, "wb") as file:
            file.write(answer)
    finally:
        os._exit(0)


def _pickled(work: Callable[[], Any]) -> bytes:
    try:
        return pickle.dumps((work(), None))
    except Exception as error:
        try:
            answer = pickle.dumps((None, error))
            pickle.loads(answer)  # noqa: S301  (some errors can be written and not read)
        except Exception:
            answer = pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}")))
        return answer
