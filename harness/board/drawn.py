"""The last minute as two small plots: success, and how long customers waited."""

from __future__ import annotations

from collections.abc import Sequence

from harness.board.live import SHOWN_S, Answered
from harness.report.drawing import Drawing
from harness.report.scale import Scale, round_up

WIDTH, LEFT, RIGHT = 470, 52, 10
HEIGHT, ABOVE, BELOW = 110, 28, 24
Values = list[float | None]


def success_plot(course: Sequence[Answered]) -> str:
    """Payments that were finally answered, of all that were over in each second."""
    values: Values = [
        100 * one.succeeded / one.payments if one.payments else None for one in course
    ]
    return _plot("success", "Success, % of payments", [("success", "good", "", values)], 100.0)


def latency_plot(course: Sequence[Answered]) -> str:
    """Median and 95th percentile of each second, from the intended start."""
    both = [one.latencies_ns.quantiles(0.5, 0.95) for one in course]
    series = [
        ("p50", "cool", "", [_millis(p50) for p50, _ in both]),
        ("p95", "warm", "7 3", [_millis(p95) for _, p95 in both]),
    ]
    most = max((one for _, _, _, values in series for one in values if one is not None), default=0)
    return _plot("latency", "Latency, ms", series, round_up(most or 1.0))


def _plot(name: str, title: str, series: Sequence[tuple[str, str, str, Values]], top: float) -> str:
    known = [(one, [value for value in values if value is not None])
             for one, _, _, values in series]  # fmt: skip
    said = ", ".join(f"{one} now {values[-1]:,.4g}" for one, values in known if values)
    drawing = Drawing(
        WIDTH, ABOVE + HEIGHT + BELOW, f"{title}, last {SHOWN_S} s: {said or 'no payments'}",
        name=name,
    )  # fmt: skip
    over = Scale(-SHOWN_S, 0, LEFT, WIDTH - RIGHT)
    up = Scale(0.0, top, ABOVE + HEIGHT, ABOVE)
    for value in up.ticks(4):
        drawing.line(over.start, up(value), over.end, up(value), "rule")
        drawing.text(LEFT - 7, up(value) + 4, f"{value:,.6g}", colour="muted", size=11,
                     anchor="end")  # fmt: skip
    for second in (-60, -45, -30, -15, 0):
        words = f"{second} s" if second else "now"
        drawing.text(over(second), up.start + 17, words, colour="muted", size=11,
                     anchor="middle" if second else "end")  # fmt: skip
    for _, colour, dash, values in series:
        drawing.path(_way(values, over, up), stroke=colour, width=2, dash=dash)
    drawing.text(0, 14, title, is_bold=True)
    if len(series) > 1:
        x = WIDTH - RIGHT - 62 * len(series)
        for one, colour, dash, _ in series:
            drawing.line(x, 10, x + 22, 10, colour, width=2.5, dash=dash)
            drawing.text(x + 27, 14, one, size=11)
            x += 62
    if not said:
        drawing.text(LEFT + 10, up.start - 12, "no payments yet", colour="muted")
    return str(drawing)


def _way(values: Values, over: Scale, up: Scale) -> str:
    """Through the middle of each second; a gap where there is no value."""
    way = []
    is_drawing = False
    for second, value in enumerate(values, start=-len(values)):
        if value is not None:
            way.append(f"{'L' if is_drawing else 'M'}{over(second + 0.5):.1f} {up(value):.1f}")
            if not is_drawing:
                way.append("h0.5")  # a second alone is seen, too
        is_drawing = value is not None
    return "".join(way)


def _millis(nanos: float | None) -> float | None:
    return nanos / 1e6 if nanos is not None else None
