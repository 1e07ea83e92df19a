"""A declared chain as a drawing of its own: links, calls, providers, single points of failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paychain.model.chain import Chain
from paychain.model.operations import CUSTOMER
from paychain.model.review import ReviewFinding
from paychain.report.drawings.drawing import Drawing
from paychain.report.drawings.layout import LabelSpace, Layout, lay_out
from paychain.report.text.chain_tree import role_words

BOX, TALL, STEP, GAP, EDGE, LEGEND = 140, 62, 240, 18, 14, 24  # px

Pair = tuple[str, str]  # caller and callee


@dataclass(frozen=True)
class CallArrow:
    """All calls from one link to another."""

    operations: str
    is_fallback: bool  # no call has it as its primary route


def chain_plan(chain: Chain, findings: Sequence[ReviewFinding]) -> str:
    """An SVG file. Fallbacks are dashed; a single point of failure has a double border."""
    edges = _edges(chain)
    links = [CUSTOMER, *chain.links]
    room = LabelSpace(TALL / 2 + 2, TALL / 2 + 2)
    layout = lay_out(links, list(edges), dict.fromkeys(links, room), GAP)
    width = 2 * EDGE + max(layout.columns.values()) * STEP + BOX
    height = layout.height + 2 * EDGE + LEGEND
    drawing = Drawing(width, height, f"The chain {chain.chain}")
    drawing.rect(0, 0, width, height, fill="bg")
    _draw_edges(drawing, edges, layout)
    single = {finding.subject for finding in findings if finding.kind == "single_link"}
    for name in links:
        _draw_link(drawing, chain, name, layout, is_single=f"link {name}" in single)
    legend = "double border: single point of failure; dashed: fallback"
    drawing.text(EDGE, height - EDGE, legend, colour="muted", size=11)
    return str(drawing).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def _edges(chain: Chain) -> dict[Pair, CallArrow]:
    edges = {(CUSTOMER, entry): CallArrow("pay", is_fallback=False) for entry in chain.entries}
    for link in chain.links:
        for operation, call in chain.calls_of(link).items():
            for target in call.targets:
                known = edges.get((link, target))
                edges[link, target] = CallArrow(
                    f"{known.operations}, {operation}" if known else operation,
                    not call.is_first(target) and (known is None or known.is_fallback),
                )
    return edges


def _draw_edges(drawing: Drawing, edges: dict[Pair, CallArrow], layout: Layout) -> None:
    labelled: set[Pair] = set()
    for (caller, callee), edge in edges.items():
        points = layout.way(caller, callee)
        x, y = EDGE + points[0][0] * STEP + BOX, EDGE + points[0][1]
        path = f"M{x:.0f} {y:.0f}"
        for number, (column, middle) in enumerate(points[1:], start=1):
            to_x, to_y = EDGE + column * STEP, EDGE + middle
            half = (x + to_x) / 2
            path += f"C{half:.0f} {y:.0f} {half:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
            # Straight through a column that the call only crosses.
            if number < len(points) - 1:
                path += f"H{to_x + BOX:.0f}"
            x, y = to_x + BOX, to_y
        drawing.path(
            path,
            stroke="band",
            width=2,
            dash="6 4" if edge.is_fallback else "",
            title=f"{caller} → {callee}: {edge.operations}",
        )
        # Calls of several links to one link end at the same place: one label is enough.
        if (callee, edge.operations) not in labelled:
            labelled.add((callee, edge.operations))
            drawing.text(
                to_x - 6,
                to_y - 6,
                edge.operations,
                colour="muted",
                size=11,
                anchor="end",
                room=STEP - BOX - 4,
            )


def _draw_link(
    drawing: Drawing, chain: Chain, name: str, layout: Layout, *, is_single: bool
) -> None:
    left = EDGE + layout.columns[name] * STEP
    top = EDGE + layout.middles[name,] - TALL / 2
    for inset in (0, 2) if is_single else (0,):
        drawing.rect(
            left + inset,
            top + inset,
            BOX - 2 * inset,
            TALL - 2 * inset,
            fill="bg",
            stroke="bad" if is_single else "ink",
            radius=7,
            title=f"{name} is a single point of failure" if is_single else name,
        )
    x, room = left + BOX / 2, BOX - 10
    drawing.text(x, top + 21, name, size=13, anchor="middle", is_bold=True, room=room)
    link = chain.links.get(name)  # the customer is none
    facts = (role_words(link), ", ".join(link.depends_on)) if link is not None else ()
    for number, fact in enumerate(facts):
        y = top + 37 + 15 * number
        drawing.text(x, y, fact, colour="muted", size=11, anchor="middle", room=room)
