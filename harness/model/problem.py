"""One thing wrong in a file that reads well but cannot be meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from harness.model.text import KeyPath


@dataclass(frozen=True)
class Problem:
    """One thing wrong at a key path."""

    path: KeyPath
    what: str
    mend: str


def unknown(path: KeyPath, thing: str, name: str, known: Iterable[str]) -> Problem:
    """A name that nothing has, with the name that was probably meant."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    mend = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(names[:12])}"
    return Problem(path, f"unknown {thing} '{name}'", mend)
