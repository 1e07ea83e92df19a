"""Ctrl-C outside a running chain: what was kept by then is the exception's text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """An end was requested. Its text says what was kept, "" if unknown."""


@contextmanager
def keeping(what: str) -> Iterator[None]:
    """Raise Interrupted with `what` was kept when the block is interrupted."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise Interrupted(str(interrupt) or what) from interrupt


def interruption_in(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interruption that an error was raised from, if there was one: the outermost."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error
