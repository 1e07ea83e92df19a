"""An inline SVG under construction. All text is escaped here and nowhere else."""

from __future__ import annotations

from html import escape

from paychain.report.drawings.palette import paint

CHARACTER = 7.0  # px that a character of 12 px text takes in a wide font
_MAX_TEXT = 200  # characters: foreign names may be of any length


class Drawing:
    """Shapes and texts in drawing order; `label` describes the drawing to a screen reader.

    One that `shrinks` is as wide as the page where that is only a little narrower.

    Places and sizes are in pixels, from the upper left corner.
    """

    def __init__(
        self, width: float, height: float, label: str, *, name: str = "", shrinks: bool = False
    ) -> None:
        self.height = height
        self._width = width
        self._label = label
        self._name = f'data-panel="{escape(name)}" ' if name else ""
        self._name += 'class="shrinks" ' if shrinks else ""
        self._parts: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        colour: str = "ink",
        size: int = 12,
        anchor: str = "start",
        is_bold: bool = False,
        room: float | None = None,
    ) -> None:
        """A line of text, cut to `room` pixels if it is longer; the full text is its title then."""
        words = words[:_MAX_TEXT]
        text = words
        if room is not None:
            most = max(1, int(room / (CHARACTER * size / 12 * (1.08 if is_bold else 1))))
            text = words if len(words) <= most else words[: max(1, most - 1)] + "…"
        where = f' text-anchor="{anchor}"' if anchor != "start" else ""
        weight = ' font-weight="600"' if is_bold else ""
        title = f"<title>{escape(words)}</title>" if text != words else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{where}{weight} '
            f"{paint(fill=colour)}>{title}{escape(text)}</text>"
        )

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str = "none",
        stroke: str = "",
        dash: str = "",
        radius: float = 0,
        title: str = "",
        group: str = "",
    ) -> None:
        """A box. `group` is an additional CSS class."""
        shape = f' rx="{radius:g}"' if radius else ""
        painted = paint(fill=fill, stroke=stroke)
        if group:
            painted = painted.replace('class="', f'class="{group} ', 1)
        self._closed(
            f'rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"{shape}'
            f"{_dash(dash)} {painted}",
            "rect",
            title,
        )

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        colour: str,
        *,
        width: float = 1,
        dash: str = "",
    ) -> None:
        """A straight line."""
        self._parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke-width="{width:g}"{_dash(dash)} {paint(stroke=colour)}/>'
        )

    def path(
        self,
        data: str,
        *,
        stroke: str = "",
        fill: str = "none",
        width: float = 1,
        dash: str = "",
        title: str = "",
    ) -> None:
        """Any shape. `data` is made by us and never holds foreign text."""
        self._closed(
            f'path d="{data}" stroke-width="{width:.1f}"{_dash(dash)} '
            f"{paint(fill=fill, stroke=stroke)}",
            "path",
            title,
        )

    def circle(
        self,
        x: float,
        y: float,
        radius: float,
        *,
        fill: str = "none",
        stroke: str = "",
        title: str = "",
    ) -> None:
        """A circle; without a fill it is a ring."""
        self._closed(
            f'circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" stroke-width="2" '
            f"{paint(fill=fill, stroke=stroke)}",
            "circle",
            title,
        )

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
            self._parts.append(f"<{opening}><title>{escape(title[:_MAX_TEXT])}</title></{tag}>")
        else:
            self._parts.append(f"<{opening}/>")


def _dash(dash: str) -> str:
    return f' stroke-dasharray="{dash}"' if dash else ""
