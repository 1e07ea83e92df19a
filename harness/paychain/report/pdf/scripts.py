"""Text of the PDF in any script: which characters the fonts within typst surely have."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from paychain.report.ci.checks import plain

NOTE = (
    "Characters that the fonts of this document lack are shown by their code points, as [U+652F]; "
    "the attached result.json has the text itself."
)
# Latin, Greek, Cyrillic, punctuation, currency signs, arrows, and the marks of our own tables.
_SURE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u024f\u0370-\u0373\u0376\u0377\u037b-\u037d"
    "\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u045f\u1e00-\u1eff"
    "\u2010-\u2027\u2030-\u203a\u20ac\u2190-\u2195\u2212\u2248\u2260\u2264\u2265"
    "\u00d7\u2713\u2715]"
)


def clean(contents: Any) -> Any:
    """Contents without control characters, which no document can show."""
    return _mapped(contents, plain)


def by_code_points(contents: dict[str, Any]) -> dict[str, Any]:
    """Contents in which every other character is its code point, with a note that says so."""
    shown: dict[str, Any] = _mapped(
        contents, lambda text: _SURE.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)
    )
    return shown | {"reasons": [NOTE, *shown["reasons"]]}


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, change) for item in value]
    return value
