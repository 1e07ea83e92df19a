"""When the blocks of a ledger were made: one after each interval, but for its halts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Steady(NamedTuple):
    """Blocks without a halt: those above a height, the first an interval after `since_ns`."""

    above: int
    since_ns: int


FROM_THE_FIRST = Steady(0, 0)


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a ledger ends. `final`: the last height that is never replaced; below 0: none is.

    `made_ns`: when the block at `head` was made. `at_ns`: the same, or the end of a halt since
    then: the next block comes an interval later.
    """

    head: int
    at_ns: int
    final: int
    made_ns: int


def resumed(before: Sequence[Steady], head: int, now_ns: int) -> list[Steady]:
    """The same after a halt that ends now."""
    # Without a block since the halt before, that one has only been longer.
    kept = [each for each in before if each.above < head or each is FROM_THE_FIRST]
    return [*kept, Steady(head, now_ns)]


def made_ns(blocks: Sequence[Steady], height: int, interval_ns: int) -> int:
    """When the block at a height was made."""
    above, since_ns = next((each for each in reversed(blocks) if each.above < height), blocks[0])
    return since_ns + (height - above) * interval_ns


def last_made_by(blocks: Sequence[Steady], at_ns: int, head: int, interval_ns: int) -> int:
    """The height of the last block up to `head` that was made by then; below 0: there was none."""
    for above, since_ns in reversed(blocks[1:]):
        if at_ns >= since_ns + interval_ns:
            return min(head, above + (at_ns - since_ns) // interval_ns)
        head = above
    above, since_ns = blocks[0]
    return min(head, above + (at_ns - since_ns) // interval_ns)
