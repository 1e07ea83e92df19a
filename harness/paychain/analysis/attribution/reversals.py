"""Whether a reversal took effect, as the book of the provider that was asked for it has it.

Some providers take every reversal (`received`) and report later that it failed: what was captured
before it came cannot be cancelled. Their answer does not prove that anything was released.
"""

from __future__ import annotations

from collections.abc import Iterable

from paychain.payments.journal import Movement
from paychain.payments.rules.position import Position


def is_reversed(movements: Iterable[Movement], *, link: str, attempt: int, by_ns: int) -> bool:
    """Whether nothing of an attempt stood at a link at a time (ns since the run's epoch).

    `movements`: the payment's, of all books. True where the link has booked nothing of the attempt,
    or keeps no book, as another own service.
    """
    positions: dict[str, Position] = {}
    for movement in movements:
        is_of_it = (movement.link, movement.attempt) == (link, attempt)
        if is_of_it and movement.at_ns <= by_ns:
            positions.setdefault(movement.reference, Position()).book(movement)
    return not any(map(_stands, positions.values()))


def _stands(position: Position) -> bool:
    """Money is held, or all of it was taken and not given back.

    A void after a capture of a part releases the rest: what was captured was wanted.
    """
    is_taken = position.exposure_minor > 0 and not position.released_minor
    return position.held_minor > 0 or is_taken
