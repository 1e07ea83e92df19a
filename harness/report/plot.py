"""The timeline drawn: a strip with faults and phases above, then panels over the same seconds."""

from __future__ import annotations

from typing import Any

from harness.report.drawing import CHARACTER, Drawing
from harness.report.panels import Line, Panel, Series, Window, length_of, panels, stretches, windows
from harness.report.result import Result
from harness.report.scale import Scale, bucket_width, extremes, round_up, thinned

WIDTH, LEFT, RIGHT = 960, 56, 14
HEIGHT, ABOVE, BELOW = 126, 28, 24
LANE = 20
ROW = 17  # of a legend that does not fit beside its title
MOST_STOPS = 500  # of the crosshair


def timeline(result: Result) -> tuple[list[str], dict[str, Any]]:
    """The drawings from top to bottom, and the numbers that the crosshair reads out."""
    over = Scale(0.0, length_of(result), LEFT, WIDTH - RIGHT)
    shown = windows(result)
    drawings = [_strip(result, shown, over)]
    data: dict[str, Any] = {"left": over.start, "right": over.end, "whole": over.high}
    wide = bucket_width(len(result.seconds), MOST_STOPS)
    data["wide"] = wide
    data["faults"] = [[one.name, *span] for one in shown for span in one.on]
    data["panels"] = []
    every = panels(result)
    for panel in every:
        up = _axis(panel)
        drawings.append(_panel(panel, shown, over, up, is_last=panel is every[-1]))
        data["panels"].append(
            {
                "name": panel.name, "low": up.low, "high": up.high, "base": up.start, "top": up.end,
                "series": [
                    [one.name, one.unit, one.colour, _rounded(extremes(one.values, wide))]
                    for one in panel.series
                ],
            }
        )  # fmt: skip
    return drawings, data


def _axis(panel: Panel) -> Scale:
    top = _above(panel)
    base = top + HEIGHT
    if panel.name == "success":
        return Scale(panel.low, 100.0, base, top)
    most = max([*panel.known, *(one.bound for one in panel.lines if panel.known)], default=1.0)
    # A limit far above everything measured would flatten the lines; it is left out then.
    if panel.known and most > 4 * max(panel.known):
        most = max(panel.known)
    return Scale(0.0, round_up(most or 1.0), base, top)


def _strip(result: Result, shown: list[Window], over: Scale) -> str:
    lanes = max((one.lane for one in shown), default=-1) + 1
    label = "Faults: " + ("; ".join(f"{one.name} from {one.start_s:.1f} s to {one.end_s:.1f} s"
                                    for one in shown) or "none")  # fmt: skip
    strip = Drawing(WIDTH, 24 + LANE * max(lanes, 1) + 4, label, name="faults")
    for name, start_s, end_s in stretches(result):
        x, until = over(start_s), over(end_s)
        strip.line(x, 3, x, 17, "muted")
        if until - x > len(name) * CHARACTER + 6:
            strip.text(x + 5, 14, name, colour="muted", size=11)
    for one in shown:
        x, y = over(one.start_s), 24 + LANE * one.lane
        for start_s, end_s in one.on:
            strip.rect(over(start_s), y, over(end_s) - over(start_s), LANE - 3, fill="warm-bg")
        strip.rect(x, y, max(over(one.end_s) - x, 2), LANE - 3, stroke="warm", title=one.text)
        strip.text(x + 6, y + 13, f"⚡ {one.name}", colour="warm", size=11)
    if not shown:
        strip.text(over.start, 38, "no fault took effect", colour="muted", size=11)
    return str(strip)


def _panel(panel: Panel, shown: list[Window], over: Scale, up: Scale, *, is_last: bool) -> str:
    drawing = Drawing(
        WIDTH, up.start + (BELOW if is_last else 10), f"{panel.title}; {_said(panel)}",
        name=panel.name,
    )  # fmt: skip
    for one in shown:
        for start_s, end_s in one.on:
            drawing.rect(over(start_s), up.end, over(end_s) - over(start_s), HEIGHT,
                         fill="warm-bg", group="window", title=one.text)  # fmt: skip
    for one in shown:
        for at_s in (one.start_s, one.end_s):
            drawing.line(over(at_s), up.end, over(at_s), up.start, "warm", dash="2 3")
    for value in up.ticks(4):
        drawing.line(over.start, up(value), over.end, up(value), "rule")
        drawing.text(over.start - 8, up(value) + 4, f"{value:,.6g}", colour="muted", size=11,
                     anchor="end")  # fmt: skip
    if is_last:
        for value in over.ticks(10):
            drawing.text(over(value), up.start + 17, f"{value:g} s", colour="muted", size=11,
                         anchor="middle")  # fmt: skip
    for limit in panel.lines:
        if up.low <= limit.bound <= up.high:
            _limit(drawing, limit, over, up)
    for series in panel.series:
        drawing.path(_way(series, over, up), stroke=series.colour, width=2, dash=series.dash)
    drawing.text(0, 14, panel.title, is_bold=True)
    if not panel.known or not max(panel.known):
        drawing.text(over.start + 10, up.start - 12, "none", colour="muted")
    _legend(drawing, panel)
    return str(drawing)


def _limit(drawing: Drawing, limit: Line, over: Scale, up: Scale) -> None:
    """A tolerance: dashed over its phase, with what is required under or over its calm end."""
    y, start_x, end_x = up(limit.bound), over(limit.start_s), over(limit.end_s)
    drawing.line(start_x, y, end_x, y, "ink", width=1.2, dash="6 4")
    label_y = y + 13 if y - up.end < 16 else y - 4
    if limit.is_early:
        drawing.text(start_x + 4, label_y, limit.text, size=11)
    else:
        drawing.text(end_x - 4, label_y, limit.text, size=11, anchor="end")


def _above(panel: Panel) -> int:
    """Where the plot begins: below the title, and below a legend that has no room beside it."""
    rows = _legend_rows(panel)
    return ABOVE if _is_beside(panel, rows) else ABOVE + ROW * len(rows)


def _legend(drawing: Drawing, panel: Panel) -> None:
    """Right-aligned beside the title where all of it fits there, else in rows below."""
    rows = _legend_rows(panel)
    y = 10 if _is_beside(panel, rows) else 10 + ROW
    for row in rows:
        x = max(0.0, WIDTH - RIGHT - sum(map(_wide, row)))
        for one in row:
            drawing.line(x, y, x + 22, y, one.colour, width=2.5, dash=one.dash)
            drawing.text(x + 27, y + 4, one.name, size=11, room=WIDTH - RIGHT - x - 27)
            x += _wide(one)
        y += ROW


def _legend_rows(panel: Panel) -> list[list[Series]]:
    """As many in a row as fit; none where the title says what the only one is."""
    if len(panel.series) < 2 and (not panel.series or panel.series[0].name == "success"):
        return []
    rows: list[list[Series]] = [[]]
    for one in panel.series:
        if rows[-1] and sum(map(_wide, [*rows[-1], one])) > WIDTH - RIGHT:
            rows.append([])
        rows[-1].append(one)
    return rows


def _is_beside(panel: Panel, rows: list[list[Series]]) -> bool:
    room = WIDTH - RIGHT - (len(panel.title) * CHARACTER * 1.15 + 24)
    return not rows or (len(rows) == 1 and sum(map(_wide, rows[0])) <= room)


def _wide(one: Series) -> float:
    return 40 + len(one.name) * CHARACTER * 0.95


def _way(series: Series, over: Scale, up: Scale) -> str:
    """Through the middle of each second; a gap where there is no value."""
    way: list[str] = []
    is_drawing = False
    for at_s, value in thinned(series.values):
        if value is None:
            is_drawing = False
            continue
        way.append(f"{'L' if is_drawing else 'M'}{over(at_s + 0.5):.1f} {up(value):.1f}")
        is_drawing = True
    return "".join(way)


def _said(panel: Panel) -> str:
    """The panel in a few words, for who cannot see it."""
    said = []
    for one in panel.series:
        known = [value for value in one.values if value is not None]
        if known:
            said.append(f"{one.name} from {min(known):,.6g} to {max(known):,.6g} {one.unit}")
    return ", ".join(said) or "nothing to show"


def _rounded(pairs: list[tuple[float, float] | None]) -> list[Any]:
    """One number where lowest and highest are the same."""
    found: list[Any] = []
    for pair in pairs:
        if pair is None:
            found.append(None)
        else:
            low, high = round(pair[0], 1), round(pair[1], 1)
            found.append(low if low == high else [low, high])
    return found
