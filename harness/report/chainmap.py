"""The chain map: links, the payments between them, where they broke, and who runs what."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.drawing import CHARACTER, Drawing
from harness.report.flows import CUSTOMER, Drop, Flow, Traffic, broken, flows, reached, struck
from harness.report.layout import Layout, Room, lay_out
from harness.report.palette import EXTENTS

BOX, TALL = 128, 46
WIDTH = 964  # of the page: columns share it while each keeps room for its labels
NEAREST, FARTHEST = 162, 210  # px from column to column
MORE = 10  # px more for every link of the fullest column past the fourth
GAP, EDGE = 12, 12
LINE = 14  # px of one line of labels
BAND, LEAST = 16.0, 1.5


Pair = tuple[str, str]  # caller and callee


@dataclass(frozen=True)
class Spot:
    """A link's box."""

    x: float
    middle: float


def chain_map(result: Traffic) -> str:
    """The whole map; wider than the page only when the chain is long."""
    between = flows(result)
    breaks = broken(result)
    links = [CUSTOMER, *(link.name for link in result.chain.links)]
    rooms = {
        name: Room(TALL / 2 + LINE + 4, TALL / 2 + 6 + LINE * len(breaks.get(name, [])))
        for name in links
    }
    layout = lay_out(links, list(between), rooms, GAP)
    deepest = max(layout.columns.values())
    needed = NEAREST + MORE * max(0, max(map(len, layout.orders)) - 4)
    step = min(FARTHEST, max(needed, (WIDTH - 2 * EDGE - BOX) / deepest))
    spots = {
        name: Spot(EDGE + column * step, EDGE + layout.middles[name,])
        for name, column in layout.columns.items()
    }
    total = sum(one.payments for one in result.breaks)
    drawing = Drawing(
        2 * EDGE + deepest * step + BOX, layout.height + 2 * EDGE,
        f"Chain map: {len(links) - 1} links, {total:,} payments broke", name="map",
    )  # fmt: skip
    _extents(drawing, result, layout, spots, rooms)
    _bands(drawing, between, layout, spots, step)
    roles = {link.name: link.role for link in result.chain.links}
    faults = struck(result)
    for name, spot in spots.items():
        _box(drawing, spot, name, roles.get(name, ""), reached(name, between, result))
        if name in faults:
            _bolt(drawing, spot, f"{', '.join(faults[name])} acted on this link")
        _drops(drawing, spot, breaks.get(name, []), step)
    return str(drawing)


def _bolt(drawing: Drawing, spot: Spot, title: str) -> None:
    x, y = spot.x + BOX - 4, spot.middle - TALL / 2 + 4
    drawing.circle(x, y, 8, fill="bg", stroke="warm", title=title)
    drawing.path(f"M{x + 2:.1f} {y - 5:.1f}l-5 6h3l-2 5 5 -6h-3z", fill="warm", stroke="warm")


def _drops(drawing: Drawing, spot: Spot, drops: list[Drop], step: float) -> None:
    """Under a link what broke on the way into it, as thick as its share of all payments."""
    for number, one in enumerate(drops):
        y = spot.middle + TALL / 2 + LINE * number
        drawing.rect(spot.x + 8, y + 1, 2 + 4 * min(one.share * 4, 1), LINE, fill="bad")
        drawing.text(spot.x + 18, y + LINE - 1, one.words, colour="bad", size=11,
                     is_bold=one.is_all, room=step - 20)  # fmt: skip


def _box(drawing: Drawing, spot: Spot, name: str, role: str, reached: str) -> None:
    top = spot.middle - TALL / 2
    drawing.rect(spot.x, top, BOX, TALL, fill="bg", stroke="ink", radius=7, title=f"{name} {role}")
    middle = spot.x + BOX / 2
    drawing.text(middle, top + 20, name, size=13, anchor="middle", is_bold=True, room=BOX - 10)
    drawing.text(middle, top + 36, reached, colour="muted", size=11, anchor="middle")


def _bands(
    drawing: Drawing, between: dict[Pair, Flow], layout: Layout, spots: dict[str, Spot], step: float
) -> None:
    """The widest first, so that a narrow one that crosses it stays in sight."""
    widths = _widths(between)
    starts = _ends(widths, layout, spots, 0)
    ends = _ends(widths, layout, spots, 1)
    for pair, flow in sorted(between.items(), key=lambda item: -item[1].payments):
        way = layout.way(*pair)
        x, y = EDGE + way[0][0] * step + BOX, starts[pair]
        drawn = f"M{x:.0f} {y:.1f}"
        for column, middle in way[1:]:
            is_last = column == way[-1][0]
            to_x, to_y = EDGE + column * step, ends[pair] if is_last else EDGE + middle
            half = (x + to_x) / 2
            drawn += f"C{half:.0f} {y:.1f} {half:.0f} {to_y:.1f} {to_x:.0f} {to_y:.1f}"
            if not is_last:
                drawn += f"H{to_x + BOX:.0f}"
            x, y = to_x + BOX, to_y
        said = f"{flow.operations or 'pay'}: {flow.payments:,} payments, {flow.sent:,} calls"
        if flow.kept_back:
            said += f" and {flow.kept_back:,} kept back"
        drawing.path(
            drawn, stroke="band" if flow.payments else "muted", width=widths[pair],
            dash="9 4" if flow.is_fallback else "",
            title=f"{pair[0]} → {pair[1]} {said}, {flow.failed:,} failed",
        )  # fmt: skip


def _widths(between: dict[Pair, Flow]) -> dict[Pair, float]:
    """By payments; no more than fits on the side of a box, where bands lie beside one another."""
    most = max((flow.payments for flow in between.values()), default=1) or 1
    sums: dict[tuple[str, int], int] = {}
    for pair, flow in between.items():
        for side, link in enumerate(pair):
            sums[link, side] = sums.get((link, side), 0) + flow.payments
    scale = min(BAND / most, (TALL - 8) / max([*sums.values(), 1]))
    return {pair: max(LEAST, flow.payments * scale) for pair, flow in between.items()}


def _ends(
    widths: dict[Pair, float], layout: Layout, spots: dict[str, Spot], side: int
) -> dict[Pair, float]:
    """Where each band leaves its caller (side 0) or reaches its callee (side 1), in order."""
    found: dict[Pair, float] = {}
    for name, spot in spots.items():
        mine = [pair for pair in widths if pair[side] == name]
        mine.sort(key=lambda pair: layout.way(*pair)[-2 if side else 1][1])
        y = spot.middle - sum(widths[pair] for pair in mine) / 2
        for pair in mine:
            found[pair] = y + widths[pair] / 2
            y += widths[pair]
    return found


def _extents(
    drawing: Drawing, result: Traffic, layout: Layout, spots: dict[str, Spot],
    rooms: dict[str, Room],
) -> None:  # fmt: skip
    """Behind the links of one provider a common ground: one box where nobody else stands in it."""
    by_link = {link.name: link.provider for link in result.chain.links}
    for number, (provider, kind) in enumerate(result.chain.providers.items()):
        mine = [name for name, whose in by_link.items() if whose == provider]
        fill = EXTENTS[number % len(EXTENTS)]
        for group in _groups(mine, layout, spots):
            left = min(spots[name].x for name in group) - 7
            right = max(spots[name].x for name in group) + BOX + 7
            top = min(spots[name].middle - rooms[name].above for name in group) + 1
            end = max(spots[name].middle + rooms[name].below for name in group) - 1
            drawing.rect(left, top, right - left, end - top, fill=fill, stroke="rule", radius=9,
                         title=f"{provider} ({kind}): {', '.join(mine)}")  # fmt: skip
            room = right - left - 14
            label = f"{provider} · {kind}"
            if len(label) * CHARACTER * 0.8 > room:
                label = provider
            drawing.text(left + 7, top + LINE - 1, label, colour="muted", size=10, room=room)


def _groups(mine: list[str], layout: Layout, spots: dict[str, Spot]) -> list[list[str]]:
    """All of a provider's links together when their common box holds no other link, else apart."""
    if not mine:
        return []
    columns = [layout.columns[name] for name in mine]
    low = min(spots[name].middle for name in mine)
    high = max(spots[name].middle for name in mine)
    inside = {
        name
        for name, spot in spots.items()
        if min(columns) <= layout.columns[name] <= max(columns)
        and low - TALL - LINE <= spot.middle <= high + TALL + LINE
    }
    if inside == set(mine):
        return [mine]
    found: list[list[str]] = []
    for column in sorted(set(columns)):
        is_open = False
        for key in layout.orders[column]:
            if len(key) == 1 and key[0] in mine:
                if is_open:
                    found[-1].append(key[0])
                else:
                    found.append([key[0]])
                is_open = True
            else:
                is_open = False
    return found
