"""The report's colours, light and dark, in one place.

A mark has its light colour as a presentation attribute, and a class to which the style sheet gives
the colour of the reader's scheme. So it stays readable where a content security policy blocks the
styles. A test computes the contrast of every pair that is used.
"""

from __future__ import annotations

LIGHT = {
    "bg": "#ffffff",
    "tile": "#f4f6f9",
    "rule": "#d3dae3",
    "ink": "#1a2230",
    "muted": "#4f5b6c",
    "good": "#0a6b4a",
    "good-bg": "#e2f4ec",
    "bad": "#a01c1c",
    "bad-bg": "#fde5e3",
    "warm": "#8a4300",
    "warm-bg": "#fbe9d8",
    "cool": "#2456b8",
    "violet": "#7a2aa8",
    "band": "#5f88c6",
    "extent-a": "#eaf1fb",
    "extent-b": "#f5edfa",
    "extent-c": "#e9f5ef",
    "extent-d": "#fbf1e2",
}
DARK = {
    "bg": "#12161c",
    "tile": "#1c222b",
    "rule": "#3a4453",
    "ink": "#e7ebf1",
    "muted": "#a9b4c4",
    "good": "#62cfa4",
    "good-bg": "#12312a",
    "bad": "#ff9c94",
    "bad-bg": "#431f1e",
    "warm": "#f0b070",
    "warm-bg": "#3a2917",
    "cool": "#8ab4ff",
    "violet": "#d3a2f2",
    "band": "#5f8bd0",
    "extent-a": "#18243a",
    "extent-b": "#2a1d38",
    "extent-c": "#152b24",
    "extent-d": "#33270f",
}
EXTENTS = ("extent-a", "extent-b", "extent-c", "extent-d")
SERIES = ("cool", "warm", "good", "violet", "bad", "muted")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "1 4", "5 5")


def paint(*, fill: str = "none", stroke: str = "") -> str:
    """The attributes of a mark: its light colours, and the classes for the reader's scheme."""
    classes = [f"f-{fill}"] if fill != "none" else []
    attributes = f'fill="{LIGHT.get(fill, fill)}"'
    if stroke:
        classes.append(f"s-{stroke}")
        attributes += f' stroke="{LIGHT[stroke]}"'
    return (f'class="{" ".join(classes)}" ' if classes else "") + attributes


def css() -> str:
    """The variables of both schemes, and the classes that marks use."""
    light = "".join(f"--{name}:{colour};" for name, colour in LIGHT.items())
    dark = "".join(f"--{name}:{colour};" for name, colour in DARK.items())
    classes = "".join(
        f".f-{name}{{fill:var(--{name})}}.s-{name}{{stroke:var(--{name})}}" for name in LIGHT
    )
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{classes}\n"
    )
