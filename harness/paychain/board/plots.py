"""The last minute as two small plots: success, and how long customers waited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paychain.board.live import HISTORY_S, PaymentCounts
from paychain.report.drawings.drawing import Drawing
from paychain.report.drawings.scale import Scale, round_up

WIDTH, LEFT, RIGHT = 470, 52, 10  # px
HEIGHT, ABOVE, BELOW = 110, 28, 24  # px
LEGEND_WIDTH = 62  # px of one entry
TICK_EVERY_S = 15
Values = list[float | None]  # of each second; None: no payments


@dataclass(frozen=True)
class PlotLine:
    """One line of a plot."""

    name: str
    values: Values
    colour: str
    dash: str = ""  # as SVG writes it; empty: a solid line


def success_plot(history: Sequence[PaymentCounts]) -> str:
    """The share of payments with a final answer, for each second."""
    values: Values = [
        100 * second.succeeded / second.payments if second.payments else None for second in history
    ]
    return _plot("success", "Success, % of payments", [PlotLine("success", values, "good")], 100.0)


def latency_plot(history: Sequence[PaymentCounts]) -> str:
    """Median and 95th percentile of each second, from the intended start."""
    quantiles = [second.latencies_ns.quantiles(0.5, 0.95) for second in history]
    series = [
        PlotLine("p50", [_millis(p50) for p50, _ in quantiles], "cool"),
        PlotLine("p95", [_millis(p95) for _, p95 in quantiles], "warm", dash="7 3"),
    ]
    top = max((value for line in series for value in line.values if value is not None), default=0)
    return _plot("latency", "Latency, ms", series, round_up(top or 1.0))


def _plot(name: str, title: str, series: Sequence[PlotLine], top: float) -> str:
    latest = ", ".join(
        f"{line.name} now {value:,.4g}"
        for line in series
        if (value := _latest(line.values)) is not None
    )
    drawing = Drawing(
        WIDTH,
        ABOVE + HEIGHT + BELOW,
        f"{title}, last {HISTORY_S} s: {latest or 'no payments'}",
        name=name,
    )
    x_scale = Scale(-HISTORY_S, 0, LEFT, WIDTH - RIGHT)
    y_scale = Scale(0.0, top, ABOVE + HEIGHT, ABOVE)
    _axes(drawing, x_scale, y_scale)
    for line in series:
        path = _path(line.values, x_scale, y_scale)
        drawing.path(path, stroke=line.colour, width=2, dash=line.dash)
    drawing.text(0, 14, title, is_bold=True)
    if len(series) > 1:
        _legend(drawing, series)
    if not latest:
        drawing.text(LEFT + 10, y_scale.start - 12, "no payments yet", colour="muted")
    return str(drawing)


def _axes(drawing: Drawing, x_scale: Scale, y_scale: Scale) -> None:
    for value in y_scale.ticks(4):
        y = y_scale(value)
        drawing.line(x_scale.start, y, x_scale.end, y, "rule")
        drawing.text(LEFT - 7, y + 4, f"{value:,.6g}", colour="muted", size=11, anchor="end")
    for second in range(-HISTORY_S, 1, TICK_EVERY_S):
        drawing.text(
            x_scale(second),
            y_scale.start + 17,
            f"{second} s" if second else "now",
            colour="muted",
            size=11,
            anchor="middle" if second else "end",
        )


def _legend(drawing: Drawing, series: Sequence[PlotLine]) -> None:
    x = WIDTH - RIGHT - LEGEND_WIDTH * len(series)
    for line in series:
        drawing.line(x, 10, x + 22, 10, line.colour, width=2.5, dash=line.dash)
        drawing.text(x + 27, 14, line.name, size=11)
        x += LEGEND_WIDTH


def _path(values: Values, x_scale: Scale, y_scale: Scale) -> str:
    """A line through the middle of each second, with a gap where there is no value."""
    path = []
    is_drawing = False
    for second, value in enumerate(values, start=-len(values)):
        if value is not None:
            command = "L" if is_drawing else "M"
            path.append(f"{command}{x_scale(second + 0.5):.1f} {y_scale(value):.1f}")
            if not is_drawing:
                # A value between two gaps would be a line without length: invisible.
                path.append("h0.5")
        is_drawing = value is not None
    return "".join(path)


def _latest(values: Values) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


def _millis(nanos: float | None) -> float | None:
    return nanos / 1e6 if nanos is not None else None
