"""Work on a thread of its own, which nothing waits for in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def in_background(work: Callable[[], Result], name: str) -> Future[Result]:
    """What comes of some work, on a thread with this name. It ends with the process, at latest."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def done_with(result: Result) -> Future[Result]:
    """The same of what is known at once."""
    future: Future[Result] = Future()
    future.set_result(result)
    return future
