"""Where a chain drawing puts its links: in columns by distance from the customer, no overlaps.

A call that crosses a column gets a place of its own in it, so that no band runs through a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

SWEEPS = 8  # forward and backward in turn: a good order, which need not be the best one
Key = tuple[str, ...]  # a link, or a passage of a call through a column: caller, callee, column


@dataclass(frozen=True)
class LabelSpace:
    """What a link needs above and below the middle of its box, labels included."""

    above: float
    below: float


@dataclass(frozen=True)
class Layout:
    """The column of each link, and the height of the middle of each link and passage."""

    columns: dict[str, int]
    middles: dict[Key, float]
    orders: list[list[Key]]  # of each column, from top to bottom
    height: float

    def way(self, caller: str, callee: str) -> list[tuple[int, float]]:
        """Column and height of each point of a call, from its caller to its callee."""
        first, last = self.columns[caller], self.columns[callee]
        passages = [
            (column, self.middles[caller, callee, str(column)]) for column in range(first + 1, last)
        ]
        return [(first, self.middles[caller,]), *passages, (last, self.middles[callee,])]


def lay_out(
    links: Sequence[str], calls: Sequence[tuple[str, str]], rooms: dict[str, LabelSpace], gap: float
) -> Layout:
    """Place links so that calls run from left to right and rarely cross.

    `calls` holds each pair of caller and callee once; the first link has no caller. All sizes
    are pixels.
    """
    columns = _columns(links, calls)
    orders: list[list[Key]] = [[] for _ in range(max(columns.values()) + 1)]
    for link in links:
        orders[columns[link]].append((link,))
    after: dict[Key, list[Key]] = {}
    before: dict[Key, list[Key]] = {}
    for caller, callee in calls:
        steps: list[Key] = [(caller,)]
        for column in range(columns[caller] + 1, columns[callee]):
            steps.append((caller, callee, str(column)))
            orders[column].append(steps[-1])
        steps.append((callee,))
        for left, right in pairwise(steps):
            after.setdefault(left, []).append(right)
            before.setdefault(right, []).append(left)
    _untangle(orders, before, after)
    narrow = LabelSpace(10, 10)
    needed = {
        key: rooms.get(key[0], narrow) if len(key) == 1 else narrow
        for order in orders
        for key in order
    }
    middles = _middles(orders, before, after, needed, gap)
    top = min(middles[key] - needed[key].above for key in middles)
    middles = {key: middle - top for key, middle in middles.items()}
    height = max(middles[key] + needed[key].below for key in middles)
    return Layout(columns, middles, orders, height)


def _columns(links: Sequence[str], calls: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The length of the longest path from the first link; a chain has no cycle."""
    depth = dict.fromkeys(links, 0)
    for _ in links:
        for caller, callee in calls:
            depth[callee] = max(depth[callee], depth[caller] + 1)
    return depth


def _untangle(
    orders: list[list[Key]], before: dict[Key, list[Key]], after: dict[Key, list[Key]]
) -> None:
    """Order each column by the mean rank of its neighbours, sweeping forward and backward."""
    for sweep in range(SWEEPS):
        is_forward = sweep % 2 == 0
        beside = before if is_forward else after
        for order in orders if is_forward else orders[::-1]:
            rank = {key: place for column in orders for place, key in enumerate(column)}
            order.sort(
                key=lambda key: fmean([rank[near] for near in beside.get(key, [])] or [rank[key]])
            )


def _middles(
    orders: list[list[Key]],
    before: dict[Key, list[Key]],
    after: dict[Key, list[Key]],
    rooms: dict[Key, LabelSpace],
    gap: float,
) -> dict[Key, float]:
    """Heights as close to the mean of the neighbours as the order and room of a column allow."""
    middles: dict[Key, float] = {}
    for order in orders:
        middles.update(_spread(order, dict.fromkeys(order, 0.0), rooms, gap))
    for sweep in range(SWEEPS):
        beside = before if sweep % 2 else after
        for order in orders if sweep % 2 else orders[::-1]:
            wanted = {
                key: fmean([middles[near] for near in beside.get(key, [])] or [middles[key]])
                for key in order
            }
            middles.update(_spread(order, wanted, rooms, gap))
    return middles


def _spread(
    order: list[Key], wanted: dict[Key, float], rooms: dict[Key, LabelSpace], gap: float
) -> dict[Key, float]:
    """Least squares under minimum distances: neighbours that would overlap move as one block."""
    offset = 0.0
    offsets = []
    for place, key in enumerate(order):
        if place:
            offset += rooms[order[place - 1]].below + rooms[key].above + gap
        offsets.append(offset)
    blocks: list[list[float]] = []  # sum and number of what moves as one
    for key, at in zip(order, offsets, strict=True):
        blocks.append([wanted[key] - at, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    shifts = [total / count for total, count in blocks for _ in range(int(count))]
    return {key: at + shift for key, at, shift in zip(order, offsets, shifts, strict=True)}
