"""The drawing of a payment: a row per link, calls as bars, money and decisions as marks on them.

The time axis is not linear: pauses count by their logarithm, and the real times stand below. On a
linear axis, a reversal ten seconds later would leave no room for the first 100 ms, which matter.
"""

from __future__ import annotations

import math
from itertools import pairwise

from paychain.payments.money import written
from paychain.report.drawings.drawing import Drawing
from paychain.report.drawings.scale import Scale
from paychain.report.result import PaymentTimeline, TimelineEvent

WIDTH, LEFT, RIGHT, ROW = 960, 120, 210, 26  # px
ABOVE, BELOW = 10, 26  # px
PAUSE_MS = 4.0  # a pause of this length takes ln 2 units of the axis
MIN_LABEL_GAP = 74  # px between two times on the axis


def timeline_drawing(timeline: PaymentTimeline, currency: str) -> str:
    """The payment as an SVG."""
    positions = _positions(timeline)
    x_scale = Scale(0.0, max(positions.values()) or 1.0, LEFT + 6, WIDTH - RIGHT - 10)
    xs = {at_ms: x_scale(position) for at_ms, position in positions.items()}
    rows = _rows(timeline)
    base = ABOVE + ROW * len(rows)
    drawing = Drawing(
        WIDTH,
        base + BELOW,
        f"Timeline of payment {timeline.payment}: {timeline.why}; "
        f"the customer saw {timeline.customer_saw}",
        name="payment",
    )
    middles = {name: ABOVE + ROW * row + ROW / 2 for row, name in enumerate(rows)}
    for name, y in middles.items():
        _row(drawing, name, y, *_row_summary(name, timeline, currency))
    _axis(drawing, xs, base)
    # Bars first: a mark that lies on a bar has to stay visible.
    for event in timeline.events:
        if event.kind == "call":
            _bar(drawing, event, middles[event.link], (xs[event.at_ms], xs[_end_ms(event)]))
    for event in timeline.events:
        if event.kind != "call":
            _mark(drawing, event, xs[event.at_ms], middles[event.link])
    return str(drawing)


def _rows(timeline: PaymentTimeline) -> list[str]:
    """The customer, then the links in order of their first event."""
    return list(dict.fromkeys(["customer", *(event.link for event in timeline.events)]))


def _end_ms(event: TimelineEvent) -> float:
    return event.until_ms if event.until_ms is not None else event.at_ms


def _positions(timeline: PaymentTimeline) -> dict[float, float]:
    """Where each time lies on the axis, in time order."""
    starts = {event.at_ms for event in timeline.events}
    times = sorted({0.0} | starts | {_end_ms(event) for event in timeline.events})
    positions = {times[0]: 0.0}
    for earlier, later in pairwise(times):
        positions[later] = positions[earlier] + math.log1p((later - earlier) / PAUSE_MS)
    return positions


def _row(drawing: Drawing, name: str, y: float, summary: str, is_bad: bool) -> None:
    """A link's line, its name on the left and what its row amounts to on the right."""
    drawing.line(LEFT, y, WIDTH - RIGHT, y, "rule")
    drawing.text(LEFT - 8, y + 4, name, anchor="end", is_bold=name == "customer", room=LEFT - 10)
    drawing.text(
        WIDTH - RIGHT + 8,
        y + 4,
        summary,
        colour="bad" if is_bad else "muted",
        size=11,
        is_bold=is_bad,
        room=RIGHT - 10,
    )


def _axis(drawing: Drawing, xs: dict[float, float], base: float) -> None:
    """The real times, where there is room for them."""
    last_x = -math.inf
    for at_ms, x in xs.items():
        if x - last_x >= MIN_LABEL_GAP:
            last_x = x
            drawing.line(x, base, x, base + 4, "muted")
            drawing.text(x, base + 17, _time(at_ms), colour="muted", size=11, anchor="middle")


def _bar(drawing: Drawing, event: TimelineEvent, y: float, span: tuple[float, float]) -> None:
    """A call from its start to its end, dashed with a cross when it failed."""
    start_x, end_x = span
    width = max(end_x - start_x, 3)
    title = f"{_time(event.at_ms)} to {_time(_end_ms(event))}: {event.text}"
    if not event.is_bad:
        drawing.rect(start_x, y - 4, width, 8, fill="band", title=title)
        return
    drawing.rect(start_x, y - 5, width, 10, fill="bad-bg", stroke="bad", dash="3 2", title=title)
    cross = f"M{end_x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
    drawing.path(cross, stroke="bad", width=2, title=title)


def _mark(drawing: Drawing, event: TimelineEvent, x: float, y: float) -> None:
    """A dot for money (filled: held, empty: freed), a diamond for a decision, else a line."""
    title = f"{_time(event.at_ms)}: {event.text}"
    if event.kind == "money":
        fill = "good" if event.amount > 0 else "bg"
        drawing.circle(x, y, 5, fill=fill, stroke="good", title=title)
    elif event.kind == "decision":
        diamond = f"M{x:.1f} {y - 7:.1f}l6 7l-6 7l-6 -7z"
        colour = "warm" if event.is_bad else "muted"
        drawing.path(diamond, fill="bg", stroke=colour, width=2, title=title)
    else:
        colour = "bad" if event.is_bad else "ink"
        drawing.path(f"M{x:.1f} {y - 8:.1f}v16", stroke=colour, width=3, title=title)


def _row_summary(name: str, timeline: PaymentTimeline, currency: str) -> tuple[str, bool]:
    """What a row amounts to, and whether it is bad: what was seen, held or decided there."""
    if name == "customer":
        return f"saw {timeline.customer_saw}", timeline.customer_saw != "approved"
    events = [event for event in timeline.events if event.link == name]
    held = sum(event.amount for event in events if event.kind == "money")
    # More money than the payment is worth comes first: it is what the rule is about.
    if held > timeline.amount:
        return f"holds {written(held, currency)}", True
    decisions = [
        event.text.partition(":")[0]
        for event in events
        if event.kind == "decision" and event.is_bad
    ]
    if decisions:
        return decisions[-1].partition(" (")[0], False
    if any(event.kind == "money" for event in events):
        return f"holds {written(held, currency)}" if held else "held and released", False
    return "", False


def _time(at_ms: float) -> str:
    return f"{at_ms / 1000:.2f} s" if abs(at_ms) >= 1000 else f"{at_ms:.0f} ms"
