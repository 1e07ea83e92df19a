"""A payment's story drawn: a row per link, calls as bars, money and decisions as marks on them.

Time is stretched where much happens and shortened where nothing does, with the real times below:
on a true axis a reversal ten seconds later leaves no room for the tenth of a second it is about.
"""

from __future__ import annotations

import math
from itertools import pairwise

from harness.payments.money import written
from harness.report.drawing import Drawing
from harness.report.result import Moment, Story
from harness.report.scale import Scale

WIDTH, LEFT, RIGHT, ROW = 960, 120, 210, 26
ABOVE, BELOW = 10, 26
QUIET_MS = 4.0  # a pause this long takes as much room as a unit of the axis
TICK = 74  # px between two times


def storyline(story: Story, currency: str) -> str:
    """The drawing of one story."""
    rows = _rows(story)
    warp, times = _warp(story)
    over = Scale(0.0, warp[times[-1]] or 1.0, LEFT + 6, WIDTH - RIGHT - 10)
    base = ABOVE + ROW * len(rows)
    drawing = Drawing(
        WIDTH, base + BELOW, f"Story of payment {story.payment}: {story.why}, told {story.told}",
        name="story",
    )  # fmt: skip

    def x_of(at_ms: float) -> float:
        return over(warp[at_ms])

    middles = {name: ABOVE + ROW * place + ROW / 2 for place, name in enumerate(rows)}
    for name, y in middles.items():
        drawing.line(LEFT, y, WIDTH - RIGHT, y, "rule")
        drawing.text(
            LEFT - 8, y + 4, name, anchor="end", is_bold=name == "customer", room=LEFT - 10
        )
        words, is_bad = _summed(name, story, currency)
        drawing.text(WIDTH - RIGHT + 8, y + 4, words, colour="bad" if is_bad else "muted", size=11,
                     is_bold=is_bad, room=RIGHT - 10)  # fmt: skip
    last_x = -math.inf
    for at_ms in times:
        if x_of(at_ms) - last_x >= TICK:
            last_x = x_of(at_ms)
            drawing.line(last_x, base, last_x, base + 4, "muted")
            drawing.text(last_x, base + 17, _time(at_ms), colour="muted", size=11, anchor="middle")
    for one in story.moments:
        if one.kind == "call":
            _bar(drawing, one, middles[one.link], x_of(one.at_ms), x_of(_until(one)))
    for one in story.moments:
        if one.kind != "call":
            _mark(drawing, one, x_of(one.at_ms), middles[one.link])
    return str(drawing)


def _rows(story: Story) -> list[str]:
    """The customer, then links in the order in which they come in."""
    return list(dict.fromkeys(["customer", *(one.link for one in story.moments)]))


def _until(one: Moment) -> float:
    return one.until_ms if one.until_ms is not None else one.at_ms


def _warp(story: Story) -> tuple[dict[float, float], list[float]]:
    """Where each moment stands: pauses count by their logarithm."""
    times = sorted({0.0, *(one.at_ms for one in story.moments),
                    *(_until(one) for one in story.moments)})  # fmt: skip
    warp = {times[0]: 0.0}
    for earlier, later in pairwise(times):
        warp[later] = warp[earlier] + math.log1p((later - earlier) / QUIET_MS)
    return warp, times


def _bar(drawing: Drawing, one: Moment, y: float, start_x: float, end_x: float) -> None:
    said = f"{_time(one.at_ms)} to {_time(_until(one))}: {one.text}"
    if one.is_bad:
        drawing.rect(start_x, y - 5, max(end_x - start_x, 3), 10, fill="bad-bg", stroke="bad",
                     dash="3 2", title=said)  # fmt: skip
        drawing.path(
            f"M{end_x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8", stroke="bad", width=2, title=said
        )
    else:
        drawing.rect(start_x, y - 4, max(end_x - start_x, 3), 8, fill="band", title=said)


def _mark(drawing: Drawing, one: Moment, x: float, y: float) -> None:
    said = f"{_time(one.at_ms)}: {one.text}"
    if one.kind == "money":
        is_held = one.amount > 0
        drawing.circle(x, y, 5, fill="good" if is_held else "bg", stroke="good", title=said)
    elif one.kind == "decision":
        colour = "warm" if one.is_bad else "muted"
        drawing.path(f"M{x:.1f} {y - 7:.1f}l6 7l-6 7l-6 -7z", fill="bg", stroke=colour, width=2,
                     title=said)  # fmt: skip
    else:
        colour = "bad" if one.is_bad else "ink"
        drawing.path(f"M{x:.1f} {y - 8:.1f}v16", stroke=colour, width=3, title=said)


def _summed(name: str, story: Story, currency: str) -> tuple[str, bool]:
    """What the row comes to: what the customer was told, what a book holds, what was decided."""
    if name == "customer":
        return f"told: {story.told}", story.told != "approved"
    mine = [one for one in story.moments if one.link == name]
    held = sum(one.amount for one in mine if one.kind == "money")
    if held > story.amount:
        return f"holds {written(held, currency)}", True
    decided = [one.text.partition(":")[0] for one in mine if one.kind == "decision" and one.is_bad]
    if decided:
        return decided[-1].partition(" (")[0], False
    if any(one.kind == "money" for one in mine):
        return f"holds {written(held, currency)}" if held else "held and freed again", False
    return "", False


def _time(at_ms: float) -> str:
    return f"{at_ms / 1000:.2f} s" if abs(at_ms) >= 1000 else f"{at_ms:.0f} ms"
