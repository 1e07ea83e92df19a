"""The chain map: links with their providers, the payments between them, and where they broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paychain.declaration.quantity import count
from paychain.model.operations import CUSTOMER
from paychain.report.drawings.alike import grouped
from paychain.report.drawings.condensed import condensed
from paychain.report.drawings.drawing import CHARACTER, Drawing
from paychain.report.drawings.flows import (
    Drop,
    Flow,
    Traffic,
    affected_links,
    breaks_by_link,
    flows,
    reached,
)
from paychain.report.drawings.layout import LabelSpace, Layout, lay_out
from paychain.report.drawings.palette import EXTENTS
from paychain.report.result import LinkNode

BOX, TALL = 128, 46  # px: width and height of a link
WIDTH = 964  # px of the page: columns share it while each keeps room for its labels
MAX_SHRINKING = 1.25  # times as wide as the page: names are still legible there
MIN_STEP, MAX_STEP = 162, 210  # px from column to column
CROWDED = 4  # links in a column; bands between fuller columns need more room to turn
STEP_PER_LINK = 10  # px more from column to column for each further link
DROP_ROOM = BOX - 10  # px of the words below a link
GAP, EDGE = 12, 12  # px
INSET = 3  # px from the border of an own service to its second one
SHORT_NAME = 13  # characters that fit a box in the size of names
LINE = 14  # px of a line of labels
MAX_BAND, MIN_BAND = 16.0, 1.5  # px

Pair = tuple[str, str]  # caller and callee


@dataclass(frozen=True)
class BoxPosition:
    """Where the box of a link is: its left edge and the middle of its height."""

    x: float
    middle: float


def chain_map(result: Traffic) -> str:
    """The map as an SVG; where it is wider than the page, what happened nothing to is one box.

    Many links that do the same are one box for each provider, coloured where a fault hit it.
    """
    links_declared = len(result.chain.links)
    result = grouped(result)
    members = result.members
    if _depth(result) > (WIDTH - 2 * EDGE - BOX) / MIN_STEP:
        result = condensed(result)
    between = flows(result)
    breaks = breaks_by_link(result)
    links = [CUSTOMER, *(link.name for link in result.chain.links)]
    rooms = {
        name: LabelSpace(TALL / 2 + LINE + 4, TALL / 2 + 6 + LINE * len(breaks.get(name, [])))
        for name in links
    }
    layout = lay_out(links, list(between), rooms, GAP)
    deepest = max(layout.columns.values())
    crowd = max(0, max(map(len, layout.orders)) - CROWDED)
    needed = MIN_STEP + STEP_PER_LINK * crowd
    step = min(MAX_STEP, max(needed, (WIDTH - 2 * EDGE - BOX) / deepest))
    spots = {
        name: BoxPosition(EDGE + column * step, EDGE + layout.middles[name,])
        for name, column in layout.columns.items()
    }
    total = sum(group.payments for group in result.breaks)
    width = 2 * EDGE + deepest * step + BOX
    drawing = Drawing(
        width,
        layout.height + 2 * EDGE,
        f"Chain map: {links_declared} links{_in_zones(members)}, {total:,} payments broke",
        name="map",
        shrinks=WIDTH < width <= WIDTH * MAX_SHRINKING,
    )
    _extents(drawing, result, layout, spots, rooms, members)
    _bands(drawing, between, layout, spots, step)
    nodes = {link.name: link for link in result.chain.links}
    faults = affected_links(result)
    for name, spot in spots.items():
        is_hit = name in faults and name in members
        words = reached(name, between, result)
        _box(drawing, spot, name, nodes.get(name), words, fill="warm-bg" if is_hit else "bg")
        if name in faults:
            _bolt(drawing, spot, f"affected by {', '.join(faults[name])}")
        _drops(drawing, spot, breaks.get(name, []))
    return str(drawing)


def _in_zones(members: Mapping[str, Sequence[str]]) -> str:
    """`, 20 of them in 3 zones`; nothing where each link has a box of its own."""
    number = sum(map(len, members.values()))
    return f", {number} of them in {count(len(members), 'zone')}" if members else ""


def _depth(result: Traffic) -> int:
    """Columns between the customer and the last link."""
    links = [CUSTOMER, *(link.name for link in result.chain.links)]
    rooms = dict.fromkeys(links, LabelSpace(1, 1))
    return max(lay_out(links, list(flows(result)), rooms, GAP).columns.values())


def _bolt(drawing: Drawing, spot: BoxPosition, title: str) -> None:
    x, y = spot.x + BOX - 4, spot.middle - TALL / 2 + 4
    drawing.circle(x, y, 8, fill="bg", stroke="warm", title=title)
    drawing.path(f"M{x + 2:.1f} {y - 5:.1f}l-5 6h3l-2 5 5 -6h-3z", fill="warm", stroke="warm")


def _drops(drawing: Drawing, spot: BoxPosition, drops: list[Drop]) -> None:
    """Below a link what broke on the way into it, as thick as its share of all payments.

    No wider than its box: beside that, bands turn.
    """
    for number, drop in enumerate(drops):
        y = spot.middle + TALL / 2 + LINE * number
        drawing.rect(spot.x + 2, y + 1, 2 + 4 * min(drop.share * 4, 1), LINE, fill="bad")
        drawing.text(
            spot.x + BOX - DROP_ROOM,
            y + LINE - 1,
            drop.words,
            colour="bad",
            size=11,
            is_bold=drop.is_total,
            room=DROP_ROOM,
        )


def _box(
    drawing: Drawing,
    spot: BoxPosition,
    name: str,
    node: LinkNode | None,
    reached: str,
    *,
    fill: str,
) -> None:
    """A link, or the customer without a node; an own service has a second border."""
    top = spot.middle - TALL / 2
    is_own = node is not None and node.is_own
    title = " ".join(filter(None, (name, node.role if node else "", "own service" * is_own)))
    if node is not None and node.title:
        title += f": {node.title}"
    drawing.rect(spot.x, top, BOX, TALL, fill=fill, stroke="ink", radius=7, title=title)
    if is_own:
        drawing.rect(
            spot.x + INSET,
            top + INSET,
            BOX - 2 * INSET,
            TALL - 2 * INSET,
            stroke="cool",
            radius=5,
            title=title,
        )
    middle = spot.x + BOX / 2
    size = 13 if len(name) <= SHORT_NAME else 11
    drawing.text(middle, top + 20, name, size=size, anchor="middle", is_bold=True, room=BOX - 8)
    drawing.text(middle, top + 36, reached, colour="muted", size=11, anchor="middle")


def _bands(
    drawing: Drawing,
    between: dict[Pair, Flow],
    layout: Layout,
    spots: dict[str, BoxPosition],
    step: float,
) -> None:
    """The bands, the widest first, so that a narrow one that crosses it stays visible."""
    widths = _widths(between)
    starts = _ends(widths, layout, spots, 0)
    ends = _ends(widths, layout, spots, 1)
    for pair, flow in sorted(between.items(), key=lambda item: -item[1].payments):
        points = layout.way(*pair)
        x, y = EDGE + points[0][0] * step + BOX, starts[pair]
        path = f"M{x:.0f} {y:.1f}"
        for column, middle in points[1:]:
            is_last = column == points[-1][0]
            to_x, to_y = EDGE + column * step, ends[pair] if is_last else EDGE + middle
            half = (x + to_x) / 2
            path += f"C{half:.0f} {y:.1f} {half:.0f} {to_y:.1f} {to_x:.0f} {to_y:.1f}"
            if not is_last:
                path += f"H{to_x + BOX:.0f}"
            x, y = to_x + BOX, to_y
        calls = f"{flow.sent:,} calls"
        if flow.short_circuited:
            calls += f" and {flow.short_circuited:,} short-circuited"
        drawing.path(
            path,
            stroke="band" if flow.payments else "muted",
            width=widths[pair],
            dash="9 4" if flow.is_fallback else "",
            title=f"{pair[0]} → {pair[1]} {flow.operations or 'pay'}: "
            f"{flow.payments:,} payments, {calls}, {flow.failed:,} failed",
        )
        if flow.failed:  # their part of the band, so that a dead link does not look busy
            failed = min(1.0, flow.failed / flow.sent) if flow.sent else 1.0
            drawing.path(
                path,
                stroke="bad",
                width=max(MIN_BAND, widths[pair] * failed),
                title=f"{pair[0]} → {pair[1]}: {flow.failed:,} of {flow.sent:,} calls failed",
            )


def _widths(between: dict[Pair, Flow]) -> dict[Pair, float]:
    """Proportional to payments, as far as all bands of a link fit on the side of its box."""
    most = max((flow.payments for flow in between.values()), default=1) or 1
    sums: dict[tuple[str, int], int] = {}
    for pair, flow in between.items():
        for side, link in enumerate(pair):
            sums[link, side] = sums.get((link, side), 0) + flow.payments
    scale = min(MAX_BAND / most, (TALL - 8) / max([*sums.values(), 1]))
    return {pair: max(MIN_BAND, flow.payments * scale) for pair, flow in between.items()}


def _ends(
    widths: dict[Pair, float], layout: Layout, spots: dict[str, BoxPosition], side: int
) -> dict[Pair, float]:
    """Where each band leaves its caller (side 0) or reaches its callee (side 1), in order."""
    found: dict[Pair, float] = {}
    for name, spot in spots.items():
        pairs = [pair for pair in widths if pair[side] == name]
        # In the order of their next points, so that bands do not cross right at the box.
        pairs.sort(key=lambda pair: layout.way(*pair)[-2 if side else 1][1])
        y = spot.middle - sum(widths[pair] for pair in pairs) / 2
        for pair in pairs:
            found[pair] = y + widths[pair] / 2
            y += widths[pair]
    return found


def _extents(
    drawing: Drawing,
    result: Traffic,
    layout: Layout,
    spots: dict[str, BoxPosition],
    rooms: dict[str, LabelSpace],
    members: Mapping[str, Sequence[str]],
) -> None:
    """A background behind the links of each provider: one box, or several if others are between."""
    kinds = result.chain.providers
    by_link = {link.name: link.depends_on for link in result.chain.links}
    # Boxes of several providers would lie on each other: links that name the same ones share a box.
    several = [named for named in by_link.values() if len(named) > 1]
    for number, named in enumerate(dict.fromkeys([*((name,) for name in kinds), *several])):
        hosted = [name for name, depends_on in by_link.items() if depends_on == named]
        provider = ", ".join(named)
        kind = ", ".join(kinds.get(name, "") for name in named)
        fill = EXTENTS[number % len(EXTENTS)]
        for group in _groups(hosted, layout, spots):
            left = min(spots[name].x for name in group) - 7
            right = max(spots[name].x for name in group) + BOX + 7
            top = min(spots[name].middle - rooms[name].above for name in group) + 1
            end = max(spots[name].middle + rooms[name].below for name in group) - 1
            drawing.rect(
                left,
                top,
                right - left,
                end - top,
                fill=fill,
                stroke="rule",
                radius=9,
                title=f"{provider} ({kind}): {', '.join(hosted)}",
            )
            room = right - left - 14
            number = sum(len(members[name]) for name in group if name in members)
            label = f"{provider} · {number or kind}"
            if len(label) * CHARACTER * 0.8 > room:
                label = provider
            drawing.text(left + 7, top + LINE - 1, label, colour="muted", size=10, room=room)


def _groups(hosted: list[str], layout: Layout, spots: dict[str, BoxPosition]) -> list[list[str]]:
    """A provider's links as one group if their common box holds no other link, else apart."""
    if not hosted:
        return []
    columns = [layout.columns[name] for name in hosted]
    low = min(spots[name].middle for name in hosted)
    high = max(spots[name].middle for name in hosted)
    inside = {
        name
        for name, spot in spots.items()
        if min(columns) <= layout.columns[name] <= max(columns)
        and low - TALL - LINE <= spot.middle <= high + TALL + LINE
    }
    if inside == set(hosted):
        return [hosted]
    # Apart: neighbours in a column stay together, whatever lies between them ends a group.
    found: list[list[str]] = []
    for column in sorted(set(columns)):
        is_open = False
        for key in layout.orders[column]:
            if len(key) == 1 and key[0] in hosted:
                if is_open:
                    found[-1].append(key[0])
                else:
                    found.append([key[0]])
                is_open = True
            else:
                is_open = False
    return found
