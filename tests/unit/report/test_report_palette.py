"""Contrast of every colour against what it stands on (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re

import pytest

from paychain.report.drawings.palette import DARK, EXTENTS, LIGHT, SERIES, css, paint

SCHEMES = {"light": LIGHT, "dark": DARK}
TEXT = [
    *(
        (colour, ground)
        for colour in ("ink", "muted", "bad", "warm", "good", "cool")
        for ground in ("bg", "tile")
    ),
    ("ink", "warm-bg"),
    ("warm", "warm-bg"),
    ("muted", "warm-bg"),
    ("ink", "good-bg"),
    ("good", "good-bg"),
    ("ink", "bad-bg"),
    ("bad", "bad-bg"),
    *((colour, extent) for colour in ("muted", "bad") for extent in EXTENTS),
]
MARKS = [
    *((colour, ground) for colour in SERIES for ground in ("bg", "warm-bg", "tile")),
    ("warm", "warm-bg"),
    ("bad", "bad-bg"),
    ("bad", "bg"),
    ("ink", "bg"),
    ("muted", "bg"),
    *(("band", ground) for ground in ("bg", *EXTENTS)),
    *(("ink", extent) for extent in EXTENTS),
]


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, other: str) -> float:
    low, high = sorted((luminance(first), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_gives_the_known_extremes() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # the usual AA grey


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("colour", "ground"), TEXT)
def test_text_is_readable(scheme: str, colour: str, ground: str) -> None:
    colours = SCHEMES[scheme]
    assert contrast(colours[colour], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("colour", "ground"), MARKS)
def test_marks_stand_out(scheme: str, colour: str, ground: str) -> None:
    colours = SCHEMES[scheme]
    assert contrast(colours[colour], colours[ground]) >= 3


def test_both_schemes_name_the_same_colours_and_every_class_has_its_rule() -> None:
    assert list(LIGHT) == list(DARK)
    rules = css()
    for name in re.findall(r'class="([^"]+)"', paint(fill="tile", stroke="cool"))[0].split():
        assert f".{name}{{" in rules
