"""An inline SVG in the making. All text is escaped here and nowhere else."""

from __future__ import annotations

from html import escape

from harness.report.palette import paint

CHARACTER = 7.0  # px that a character of 12 px text takes in a wide font
_LONGEST = 200


class Drawing:
    """Marks in the order they are drawn; `label` is what a screen reader says of it."""

    def __init__(self, width: float, height: float, label: str, *, name: str = "") -> None:
        self.height = height
        self._width = width
        self._label = label
        self._name = f'data-panel="{escape(name)}" ' if name else ""
        self._parts: list[str] = []

    def text(
        self, x: float, y: float, words: str, *, colour: str = "ink", size: int = 12,
        anchor: str = "start", is_bold: bool = False, room: float | None = None,
    ) -> None:  # fmt: skip
        """One line of text; cut to `room` pixels, in full as its title then."""
        words = words[:_LONGEST]
        shown = words
        if room is not None:
            most = max(1, int(room / (CHARACTER * size / 12 * (1.08 if is_bold else 1))))
            shown = words if len(words) <= most else words[: max(1, most - 1)] + "…"
        where = f' text-anchor="{anchor}"' if anchor != "start" else ""
        weight = ' font-weight="600"' if is_bold else ""
        title = f"<title>{escape(words)}</title>" if shown != words else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{where}{weight} '
            f"{paint(fill=colour)}>{title}{escape(shown)}</text>"
        )

    def rect(
        self, x: float, y: float, width: float, height: float, *, fill: str = "none",
        stroke: str = "", dash: str = "", radius: float = 0, title: str = "", group: str = "",
    ) -> None:  # fmt: skip
        """A box. `group` is an additional class."""
        shape = f' rx="{radius:g}"' if radius else ""
        painted = paint(fill=fill, stroke=stroke)
        if group:
            painted = painted.replace('class="', f'class="{group} ', 1)
        self._closed(
            f'rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"{shape}'
            f"{_dash(dash)} {painted}",
            "rect", title,
        )  # fmt: skip

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1,
        dash: str = "",
    ) -> None:  # fmt: skip
        """A straight line."""
        self._parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke-width="{width:g}"{_dash(dash)} {paint(stroke=colour)}/>'
        )

    def path(
        self, way: str, *, stroke: str = "", fill: str = "none", width: float = 1, dash: str = "",
        title: str = "",
    ) -> None:  # fmt: skip
        """Any shape. `way` is ours, never foreign text."""
        self._closed(
            f'path d="{way}" stroke-width="{width:.1f}"{_dash(dash)} '
            f"{paint(fill=fill, stroke=stroke)}",
            "path", title,
        )  # fmt: skip

    def circle(
        self, x: float, y: float, radius: float, *, fill: str = "none", stroke: str = "",
        title: str = "",
    ) -> None:  # fmt: skip
        """A dot, or a ring."""
        self._closed(
            f'circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" stroke-width="2" '
            f"{paint(fill=fill, stroke=stroke)}",
            "circle", title,
        )  # fmt: skip

    def __str__(self) -> str:
        return (
            f'<svg {self._name}viewBox="0 0 {self._width:g} {self.height:g}" '
            f'width="{self._width:g}" height="{self.height:g}" role="img" '
            f'aria-label="{escape(self._label)}" font-family="system-ui, sans-serif">'
            + "".join(self._parts)
            + "</svg>"
        )

    def _closed(self, opening: str, tag: str, title: str) -> None:
        if title:
            self._parts.append(f"<{opening}><title>{escape(title[:_LONGEST])}</title></{tag}>")
        else:
            self._parts.append(f"<{opening}/>")


def _dash(dash: str) -> str:
    return f' stroke-dasharray="{dash}"' if dash else ""
