"""One thing wrong in a file that reads well but cannot be meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.model.text import KeyPath
from harness.payments.errors import meant


@dataclass(frozen=True)
class Problem:
    """One thing wrong at a key path."""

    path: KeyPath
    what: str
    mend: str


def unknown(path: KeyPath, thing: str, name: str, known: Iterable[str]) -> Problem:
    """A name that nothing has, with the name that was probably meant."""
    return Problem(path, f"unknown {thing} '{name}'", meant(name, known))
