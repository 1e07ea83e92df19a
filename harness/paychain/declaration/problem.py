"""A mistake in a file whose parts are each written correctly but do not fit together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from paychain.declaration.text import KeyPath
from paychain.payments.errors import meant


@dataclass(frozen=True)
class Problem:
    """One mistake at a key path, printed as `place: what; hint`."""

    path: KeyPath
    what: str
    hint: str


def unknown(path: KeyPath, thing: str, name: str, known: Iterable[str]) -> Problem:
    """An unknown name, with the name that was probably meant. `thing`: what it should name."""
    return Problem(path, f"unknown {thing} '{name}'", meant(name, known))
