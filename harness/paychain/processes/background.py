"""Work on a thread of its own, which nothing waits for in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")
Coming = Future  # what comes of work that may not be done yet


def in_background(work: Callable[[], Result], name: str) -> Coming[Result]:
    """What comes of some work, on a thread with this name. It ends with the process, at latest."""
    coming: Coming[Result] = Coming()

    def run() -> None:
        try:
            coming.set_result(work())
        except BaseException as error:  # raised again where the result is asked for
            coming.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return coming


def done_with(result: Result) -> Coming[Result]:
    """The same of what is known at once."""
    coming: Coming[Result] = Coming()
    coming.set_result(result)
    return coming
