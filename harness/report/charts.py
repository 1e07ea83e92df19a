"""Timeline panels and the chain map as inline SVG.

Every mark carries its colours as presentation attributes, so that the plots stay readable where a
content policy takes the style sheet away (reports.md §2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from harness.report.result import Result

WIDTH, LEFT, RIGHT = 960, 64, 16
PLOT_HEIGHT, LANE = 120, 18
INK, MUTED, RULE = "#1c2430", "#596577", "#d5dbe3"
GOOD, COOL, WARM, BAD = "#0a6b4a", "#2456b8", "#9a4b00", "#a01c1c"
SHADE = "#f6dcc4"


@dataclass(frozen=True)
class Series:
    """One line of a panel."""

    name: str
    colour: str
    dash: str
    values: list[float | None]


def timeline(result: Result) -> str:
    """Success, latency and fallbacks over the run's seconds, with the fault windows shaded."""
    points = result.seconds
    shares = [one.succeeded / one.offered * 100 if one.offered else None for one in points]
    kinds = sorted({name for one in points for name in one.fallbacks})
    dashes = ("", "6 3", "2 3", "8 3 2 3")
    colours = (COOL, WARM, GOOD, BAD)
    success = Series("success", GOOD, "", shares)
    panels = [
        _panel(result, "Answered finally, % of payments", [success], 100),
        _panel(
            result, "Latency from the intended start, ms",
            [
                Series("p50", COOL, "", [one.p50_ms for one in points]),
                Series("p95", WARM, "6 3", [one.p95_ms for one in points]),
            ],
            None,
        ),
        _panel(
            result, "Fallbacks, uses per second",
            [
                Series(name, colours[i % 4], dashes[i % 4],
                       [float(one.fallbacks.get(name, 0)) for one in points])
                for i, name in enumerate(kinds)
            ],
            None,
        ),
    ]  # fmt: skip
    return "\n".join(panels)


def x_of(at_s: float, whole_s: float) -> float:
    """Where a second of the run stands on the time axis."""
    return LEFT + (WIDTH - LEFT - RIGHT) * at_s / max(whole_s, 1)


def _panel(result: Result, title: str, series: Sequence[Series], most: float | None) -> str:
    whole_s = float(max((one.at_s for one in result.seconds), default=1))
    known = [value for one in series for value in one.values if value is not None]
    top = most if most is not None else (max(known, default=1.0) * 1.1 or 1.0)
    lanes = _lanes(result)
    above = 22 + LANE * (max((lane for *_, lane in lanes), default=-1) + 1)
    height = above + PLOT_HEIGHT + 42
    base = above + PLOT_HEIGHT

    def y_of(value: float) -> float:
        return base - PLOT_HEIGHT * min(value, top) / top

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12">',
        f'<text x="0" y="13" font-weight="600" fill="{INK}">{escape(title)}</text>',
    ]
    for name, start, end, lane in lanes:
        x, wide = x_of(start, whole_s), x_of(end, whole_s) - x_of(start, whole_s)
        y = 20 + LANE * lane
        parts.append(
            f'<rect class="window" x="{x:.1f}" y="{above}" width="{wide:.1f}" '
            f'height="{PLOT_HEIGHT}" fill="{SHADE}" fill-opacity="0.55" '
            f'stroke="{WARM}" stroke-opacity="0.5" stroke-dasharray="3 3"/>'
            f'<rect x="{x:.1f}" y="{y + 13}" width="{wide:.1f}" height="3" fill="{WARM}"/>'
            f'<text class="warm" x="{x:.1f}" y="{y + 10}" fill="{WARM}" font-size="11">'
            f"{escape(name)}</text>"
        )
    for step in range(5):
        value = top * step / 4
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_of(value):.1f}" '
            f'y2="{y_of(value):.1f}" stroke="{RULE}"/><text class="muted" x="{LEFT - 8}" '
            f'y="{y_of(value) + 4:.1f}" text-anchor="end" fill="{MUTED}">{value:.4g}</text>'
        )
    for tick in range(0, int(whole_s) + 1, max(1, round(whole_s / 8))):
        parts.append(
            f'<text class="muted" x="{x_of(tick, whole_s):.1f}" y="{base + 16}" '
            f'text-anchor="middle" fill="{MUTED}">{tick} s</text>'
        )
    legend = LEFT
    for one in series:
        parts.append(_line(one, result, whole_s, y_of))
        parts.append(
            f'<line x1="{legend}" x2="{legend + 24}" y1="{base + 32}" y2="{base + 32}" '
            f'stroke="{one.colour}" stroke-width="2" stroke-dasharray="{one.dash}"/>'
            f'<text x="{legend + 30}" y="{base + 36}" fill="{INK}">{escape(one.name)}</text>'
        )
        legend += 48 + 7 * len(one.name)
    if not known or max(known) == 0:
        parts.append(f'<text class="muted" x="{LEFT + 8}" y="{above + 20}" fill="{MUTED}">'
                     "nothing to show</text>")  # fmt: skip
    return "".join([*parts, "</svg>"])


def _line(one: Series, result: Result, whole_s: float, y_of: object) -> str:
    assert callable(y_of)
    paths: list[str] = []
    points: list[str] = []
    for second, value in zip(result.seconds, one.values, strict=True):
        if value is None:
            if points:
                paths.append("M" + " L".join(points))
            points = []
        else:
            points.append(f"{x_of(second.at_s, whole_s):.1f} {y_of(value):.1f}")
    if points:
        paths.append("M" + " L".join(points))
    return (
        f'<path d="{" ".join(paths)}" fill="none" stroke="{one.colour}" stroke-width="2" '
        f'stroke-dasharray="{one.dash}"/>'
    )


def _lanes(result: Result) -> list[tuple[str, float, float, int]]:
    """Fault windows on the report's clock, overlapping ones and crowded labels in lanes."""
    start_s = next((one.start_s for one in result.phases if one.kind == "warm_up"), 0.0)
    end_s = max((one.end_s for one in result.phases), default=0.0)
    free: list[float] = []
    placed = []
    known = [one for one in result.faults if one.applied_s is not None]
    for one in sorted(known, key=lambda fault: fault.applied_s or 0.0):
        begin = (one.applied_s or 0.0) - start_s
        until = (one.healed_s if one.healed_s is not None else end_s) - start_s
        room = max(until, begin + len(one.id) * 0.55)
        lane = next((i for i, at in enumerate(free) if at <= begin), len(free))
        free[lane : lane + 1] = [room]
        placed.append((one.id, begin, until, lane))
    return placed


def chain_map(result: Result) -> str:
    """Links in columns from the entry, calls as bands by their traffic, breaks in red."""
    columns = _columns(result)
    wide = max(columns.values(), default=0) + 1
    rows: dict[str, int] = {}
    used: dict[int, int] = {}
    for name, column in columns.items():
        rows[name] = used.get(column, 0)
        used[column] = rows[name] + 1
    tall = max(used.values(), default=1)
    step = (WIDTH - 150) / max(1, wide - 1) if wide > 1 else 0
    height = tall * 96 + 20

    def spot(name: str) -> tuple[float, float]:
        if name == "customer":
            return 0, height / 2
        column = columns[name]
        top = (height - used[column] * 96) / 2
        return 10 + column * step, top + rows[name] * 96 + 22

    traffic: dict[tuple[str, str], int] = {}
    broke: dict[str, int] = {}
    for hop in result.hops:
        if hop.operation not in ("void", "query"):
            key = (hop.caller, hop.callee)
            traffic[key] = traffic.get(key, 0) + hop.executions
            broke[hop.callee] = broke.get(hop.callee, 0)
    for one in result.breaks:
        broke[one.callee] = broke.get(one.callee, 0) + one.payments
    most = max(traffic.values(), default=1)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="Chain map" font-family="system-ui, sans-serif" font-size="12">'
    ]
    for edge in result.chain.edges:
        (x1, y1), (x2, y2) = spot(edge.caller), spot(edge.callee)
        calls = traffic.get((edge.caller, edge.callee), 0)
        band = 2 + 16 * calls / most
        dash = "" if edge.route == 0 else ' stroke-dasharray="7 4"'
        middle = (x1 + 130 + x2) / 2
        parts.append(
            f'<path d="M{x1 + 130:.0f} {y1 + 26:.0f} C{middle:.0f} {y1 + 26:.0f} {middle:.0f} '
            f'{y2 + 26:.0f} {x2:.0f} {y2 + 26:.0f}" fill="none" stroke="#6b93cf" '
            f'stroke-width="{band:.1f}" stroke-opacity="0.75"{dash}/>'
        )
    for link in result.chain.links:
        x, y = spot(link.name)
        parts.append(
            f'<rect class="node" x="{x:.0f}" y="{y:.0f}" width="130" height="52" rx="6" '
            f'fill="#ffffff" stroke="{INK}"/><text x="{x + 65:.0f}" y="{y + 21:.0f}" '
            f'text-anchor="middle" font-weight="600" fill="{INK}">{escape(link.name)}</text>'
            f'<text class="muted" x="{x + 65:.0f}" y="{y + 38:.0f}" text-anchor="middle" '
            f'font-size="11" fill="{MUTED}">{escape(link.provider or link.role)}</text>'
        )
        if broke.get(link.name):
            parts.append(
                f'<text class="bad" x="{x + 65:.0f}" y="{y + 68:.0f}" text-anchor="middle" '
                f'font-weight="600" fill="{BAD}">✕ {broke[link.name]:,} broke</text>'
            )
    return "".join([*parts, "</svg>"])


def _columns(result: Result) -> dict[str, int]:
    """The longest way from the entry to each link."""
    depth = {result.chain.entry: 0}
    for _ in result.chain.links:
        for edge in result.chain.edges:
            if edge.caller in depth:
                depth[edge.callee] = max(depth.get(edge.callee, 0), depth[edge.caller] + 1)
    names = [link.name for link in result.chain.links]
    return {name: depth.get(name, 0) for name in names}
