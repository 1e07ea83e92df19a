"""A declared chain as a drawing of its own: links, calls, providers, single points of failure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.chain import CUSTOMER, Chain
from harness.model.review import ReviewFinding
from harness.report.drawing import Drawing
from harness.report.layout import Room, lay_out

BOX, TALL, STEP, GAP, EDGE, LEGEND = 140, 62, 240, 18, 14, 24


def chain_plan(chain: Chain, findings: Sequence[ReviewFinding]) -> str:
    """An SVG file. Fallbacks are dashed; a single point of failure has a double edge."""
    between = {(CUSTOMER, chain.entry): ("pay", False)}
    for link in chain.links:
        for operation, call in chain.calls_of(link).items():
            for route, target in enumerate(call.targets):
                said, is_fallback = between.get((link, target), ("", True))
                words = f"{said}, {operation}" if said else operation
                between[link, target] = (words, is_fallback and route > 0)
    links = [CUSTOMER, *chain.links]
    room = Room(TALL / 2 + 2, TALL / 2 + 2)
    layout = lay_out(links, list(between), dict.fromkeys(links, room), GAP)
    width = 2 * EDGE + max(layout.columns.values()) * STEP + BOX
    height = layout.height + 2 * EDGE + LEGEND
    drawing = Drawing(width, height, f"The chain {chain.chain}")
    drawing.rect(0, 0, width, height, fill="bg")
    labelled: set[tuple[str, str]] = set()
    for (caller, callee), (words, is_fallback) in between.items():
        way = layout.way(caller, callee)
        x, y = EDGE + way[0][0] * STEP + BOX, EDGE + way[0][1]
        drawn = f"M{x:.0f} {y:.0f}"
        for number, (column, middle) in enumerate(way[1:], start=1):
            to_x, to_y = EDGE + column * STEP, EDGE + middle
            half = (x + to_x) / 2
            drawn += f"C{half:.0f} {y:.0f} {half:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
            if number < len(way) - 1:
                drawn += f"H{to_x + BOX:.0f}"
            x, y = to_x + BOX, to_y
        drawing.path(drawn, stroke="band", width=2, dash="6 4" if is_fallback else "",
                     title=f"{caller} → {callee}: {words}")  # fmt: skip
        if (callee, words) not in labelled:
            labelled.add((callee, words))
            drawing.text(to_x - 6, to_y - 6, words, colour="muted", size=11, anchor="end",
                         room=STEP - BOX - 4)  # fmt: skip
    single = {one.subject for one in findings if one.kind == "single_link"}
    for name, column in layout.columns.items():
        left, top = EDGE + column * STEP, EDGE + layout.middles[name,] - TALL / 2
        declared = chain.links.get(name)
        about = (declared.role, declared.provider or "") if declared is not None else ()
        is_single = f"link {name}" in single
        for inset in (0, 2) if is_single else (0,):
            drawing.rect(
                left + inset, top + inset, BOX - 2 * inset, TALL - 2 * inset, fill="bg",
                stroke="bad" if is_single else "ink", radius=7,
                title=f"{name} is a single point of failure" if is_single else name,
            )  # fmt: skip
        drawing.text(left + BOX / 2, top + 21, name, size=13, anchor="middle", is_bold=True,
                     room=BOX - 10)  # fmt: skip
        for number, words in enumerate(about):
            drawing.text(left + BOX / 2, top + 37 + 15 * number, words, colour="muted", size=11,
                         anchor="middle", room=BOX - 10)  # fmt: skip
    drawing.text(EDGE, height - EDGE, "double edge: single point of failure; dashed: fallback",
                 colour="muted", size=11)  # fmt: skip
    return str(drawing).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"
