"""Errors that are told in a sentence: a user's mistake, and a failure of the harness itself."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MAX_NAMED = 40  # names listed in one hint


class UserError(Exception):
    """A mistake in what the user wrote. Printed as `where: what; hint`; exit code 2."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}{self.what}{hint}"


class HarnessError(Exception):
    """What paychain needs of its machine failed. Printed as it is; exit code 3.

    It says nothing about the chain.
    """


def sentence_of(error: BaseException) -> str:
    """What went wrong in a part of the harness, for people: `/runs/run.db: disk is full`."""
    if isinstance(error, OSError) and error.strerror:
        files = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return ": ".join([*files[:1], error.strerror])
    if isinstance(error, (UserError, HarnessError)):
        return str(error)
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name


def meant(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: the name that was probably meant, or the names that exist."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"there are: {', '.join(names[:MAX_NAMED])}{more}" if names else "there are none"
