"""Captures and refunds that were requested for an authorisation, and which the book has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

DONE, FAILED = "done", "failed"  # the outcome of a part, where the vendor has no word of its own


class BookablePart(Protocol):
    """A capture or refund that was requested. `state`: "" while no answer has arrived."""

    amount_minor: int
    state: str


AskedPart = TypeVar("AskedPart", bound=BookablePart)


def booked_parts(parts: Sequence[AskedPart], total_minor: int, done: str = DONE) -> list[AskedPart]:
    """Which of the parts make up what the book has, in minor units, in the order of the parts.

    First those whose answer came, which have the state `done`; then those whose answer was lost, as
    far as there is money left for them.
    """
    found = [part for part in parts if part.state == done]
    rest_minor = total_minor - sum(part.amount_minor for part in found)
    for part in parts:
        if not part.state and part.amount_minor <= rest_minor:
            found.append(part)
            rest_minor -= part.amount_minor
    return sorted(found, key=parts.index)
