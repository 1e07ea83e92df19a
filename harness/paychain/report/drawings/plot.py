"""The timeline of a run: a strip with faults and phases, then panels on the same time axis."""

from __future__ import annotations

from typing import Any

from paychain.report.drawings.drawing import CHARACTER, Drawing
from paychain.report.drawings.scale import Scale, bucket_width, extremes, round_up, thinned
from paychain.report.html.panels import (
    DrawnTolerance,
    FaultBand,
    Panel,
    PanelLine,
    length_of,
    panels,
    phase_spans,
    windows,
)
from paychain.report.result import Result

WIDTH, LEFT, RIGHT = 960, 56, 14  # px
HEIGHT, ABOVE, BELOW = 126, 28, 24  # px of a plot, and above and below it
LANE = 20  # px of a fault in the strip
LEGEND_ROW = 17  # px of a row of a legend that does not fit beside the title
MAX_STOPS = 500  # of the crosshair: more data would make the page of a day too large
MAX_HEADROOM = 4  # a limit above this multiple of all values is omitted from its panel


def timeline(result: Result) -> tuple[list[str], dict[str, Any]]:
    """The drawings (SVG) from top to bottom, and the data that the crosshair reads out."""
    x_scale = Scale(0.0, length_of(result), LEFT, WIDTH - RIGHT)
    faults = windows(result)
    drawings = [_strip(result, faults, x_scale)]
    width = bucket_width(len(result.seconds), MAX_STOPS)
    readouts = []
    all_panels = panels(result)
    for panel in all_panels:
        y_scale = _y_scale(panel)
        is_last = panel is all_panels[-1]
        drawings.append(_panel(panel, faults, x_scale, y_scale, is_last=is_last))
        readouts.append(_readout(panel, y_scale, width))
    data = {
        "left": x_scale.start,
        "right": x_scale.end,
        "whole": x_scale.high,
        "wide": width,
        "faults": [[fault.name, *span] for fault in faults for span in fault.active],
        "panels": readouts,
    }
    return drawings, data


def _readout(panel: Panel, y_scale: Scale, width: int) -> dict[str, Any]:
    """What the crosshair needs of a panel: its scale, and each series in buckets of seconds."""
    return {
        "name": panel.name,
        "low": y_scale.low,
        "high": y_scale.high,
        "base": y_scale.start,
        "top": y_scale.end,
        "series": [
            [series.name, series.unit, series.colour, _rounded(extremes(series.values, width))]
            for series in panel.series
        ],
    }


def _y_scale(panel: Panel) -> Scale:
    top = _plot_top(panel)
    base = top + HEIGHT
    if panel.name == "success":
        return Scale(panel.low, 100.0, base, top)
    bounds = [limit.bound for limit in panel.limits if panel.known]
    highest = max([*panel.known, *bounds], default=1.0)
    # A limit far above everything measured would flatten the series; it is omitted then.
    if panel.known and highest > MAX_HEADROOM * max(panel.known):
        highest = max(panel.known)
    return Scale(0.0, round_up(highest or 1.0), base, top)


def _strip(result: Result, faults: list[FaultBand], x_scale: Scale) -> str:
    lanes = max((fault.lane for fault in faults), default=-1) + 1
    spans = [f"{fault.name} from {fault.start_s:.1f} s to {fault.end_s:.1f} s" for fault in faults]
    label = "Faults: " + ("; ".join(spans) or "none")
    strip = Drawing(WIDTH, 24 + LANE * max(lanes, 1) + 4, label, name="faults")
    for name, start_s, end_s in phase_spans(result):
        x, end_x = x_scale(start_s), x_scale(end_s)
        # The name of a short phase would run into the next one, and a mark without it says nothing.
        if end_x - x > len(name) * CHARACTER + 6:
            strip.line(x, 3, x, 17, "muted")
            strip.text(x + 5, 14, name, colour="muted", size=11)
    for fault in faults:
        x, y = x_scale(fault.start_s), 24 + LANE * fault.lane
        for start_s, end_s in fault.active:
            width = x_scale(end_s) - x_scale(start_s)
            strip.rect(x_scale(start_s), y, width, LANE - 3, fill="warm-bg")
        width = max(x_scale(fault.end_s) - x, 2)
        strip.rect(x, y, width, LANE - 3, stroke="warm", title=fault.text)
        strip.text(x + 6, y + 13, f"⚡ {fault.name}", colour="warm", size=11)
    if not faults:
        strip.text(x_scale.start, 38, "no fault took effect", colour="muted", size=11)
    return str(strip)


def _panel(
    panel: Panel, faults: list[FaultBand], x_scale: Scale, y_scale: Scale, *, is_last: bool
) -> str:
    drawing = Drawing(
        WIDTH,
        y_scale.start + (BELOW if is_last else 10),
        f"{panel.title}; {_description(panel)}",
        name=panel.name,
    )
    _shade(drawing, faults, x_scale, y_scale)
    _grid(drawing, x_scale, y_scale, has_times=is_last)
    for limit in panel.limits:
        if y_scale.low <= limit.bound <= y_scale.high:
            _limit(drawing, limit, x_scale, y_scale)
    for series in panel.series:
        path = _path(series, x_scale, y_scale)
        drawing.path(path, stroke=series.colour, width=2, dash=series.dash)
    drawing.text(0, 14, panel.title, is_bold=True)
    if not panel.known or not max(panel.known):
        drawing.text(x_scale.start + 10, y_scale.start - 12, "none", colour="muted")
    _legend(drawing, panel)
    return str(drawing)


def _shade(drawing: Drawing, faults: list[FaultBand], x_scale: Scale, y_scale: Scale) -> None:
    """The times in which a fault was active, and a dashed line where it began and was healed."""
    for fault in faults:
        for start_s, end_s in fault.active:
            drawing.rect(
                x_scale(start_s),
                y_scale.end,
                x_scale(end_s) - x_scale(start_s),
                HEIGHT,
                fill="warm-bg",
                group="window",
                title=fault.text,
            )
    # All lines after all areas, so that no area of another fault covers a line.
    for fault in faults:
        for at_s in (fault.start_s, fault.end_s):
            x = x_scale(at_s)
            drawing.line(x, y_scale.end, x, y_scale.start, "warm", dash="2 3")


def _grid(drawing: Drawing, x_scale: Scale, y_scale: Scale, *, has_times: bool) -> None:
    for value in y_scale.ticks(4):
        y = y_scale(value)
        drawing.line(x_scale.start, y, x_scale.end, y, "rule")
        label = f"{value:,.6g}"
        drawing.text(x_scale.start - 8, y + 4, label, colour="muted", size=11, anchor="end")
    if not has_times:
        return
    for value in x_scale.ticks(10):
        label, y = f"{value:g} s", y_scale.start + 17
        drawing.text(x_scale(value), y, label, colour="muted", size=11, anchor="middle")


def _limit(drawing: Drawing, limit: DrawnTolerance, x_scale: Scale, y_scale: Scale) -> None:
    """A tolerance: dashed over its phase, labelled at the end where less happens."""
    y, start_x, end_x = y_scale(limit.bound), x_scale(limit.start_s), x_scale(limit.end_s)
    drawing.line(start_x, y, end_x, y, "ink", width=1.2, dash="6 4")
    label_y = y + 13 if y - y_scale.end < 16 else y - 4
    if limit.is_label_left:
        drawing.text(start_x + 4, label_y, limit.text, size=11)
    else:
        drawing.text(end_x - 4, label_y, limit.text, size=11, anchor="end")


def _plot_top(panel: Panel) -> int:
    """Where the plot begins: below the title, and below a legend with no room beside it."""
    rows = _legend_rows(panel)
    return ABOVE if _fits_beside_title(panel, rows) else ABOVE + LEGEND_ROW * len(rows)


def _legend(drawing: Drawing, panel: Panel) -> None:
    """Right-aligned beside the title where all of it fits there, otherwise in rows below."""
    rows = _legend_rows(panel)
    y = 10 if _fits_beside_title(panel, rows) else 10 + LEGEND_ROW
    for row in rows:
        x = max(0.0, WIDTH - RIGHT - sum(map(_legend_width, row)))
        for series in row:
            drawing.line(x, y, x + 22, y, series.colour, width=2.5, dash=series.dash)
            room = WIDTH - RIGHT - x - 27
            drawing.text(x + 27, y + 4, series.name, size=11, room=room)
            x += _legend_width(series)
        y += LEGEND_ROW


def _legend_rows(panel: Panel) -> list[list[PanelLine]]:
    """As many series in a row as fit; no rows where the title names the only series."""
    if len(panel.series) < 2 and (not panel.series or panel.series[0].name == "success"):
        return []
    rows: list[list[PanelLine]] = [[]]
    for series in panel.series:
        if rows[-1] and sum(map(_legend_width, [*rows[-1], series])) > WIDTH - RIGHT:
            rows.append([])
        rows[-1].append(series)
    return rows


def _fits_beside_title(panel: Panel, rows: list[list[PanelLine]]) -> bool:
    room = WIDTH - RIGHT - (len(panel.title) * CHARACTER * 1.15 + 24)
    return not rows or (len(rows) == 1 and sum(map(_legend_width, rows[0])) <= room)


def _legend_width(series: PanelLine) -> float:
    return 40 + len(series.name) * CHARACTER * 0.95


def _path(series: PanelLine, x_scale: Scale, y_scale: Scale) -> str:
    """Through the middle of each second; a gap where there is no value."""
    steps: list[str] = []
    is_drawing = False
    for at_s, value in thinned(series.values):
        if value is None:
            is_drawing = False
            continue
        command = "L" if is_drawing else "M"
        steps.append(f"{command}{x_scale(at_s + 0.5):.1f} {y_scale(value):.1f}")
        is_drawing = True
    return "".join(steps)


def _description(panel: Panel) -> str:
    """The panel in a few words, for a reader who cannot see it."""
    ranges = []
    for series in panel.series:
        known = [value for value in series.values if value is not None]
        if known:
            ranges.append(
                f"{series.name} from {round(min(known), 1):,.6g} to "
                f"{round(max(known), 1):,.6g} {series.unit}"
            )
    return ", ".join(ranges) or "no data"


def _rounded(pairs: list[tuple[float, float] | None]) -> list[Any]:
    """Pairs of lowest and highest to one decimal; a single number where both are the same."""
    rounded: list[Any] = []
    for pair in pairs:
        if pair is None:
            rounded.append(None)
        else:
            low, high = round(pair[0], 1), round(pair[1], 1)
            rounded.append(low if low == high else [low, high])
    return rounded
