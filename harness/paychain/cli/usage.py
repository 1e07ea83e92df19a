"""What Typer says of a value that an option does not take, in our words."""

from __future__ import annotations

import re

# Newer versions of Typer read values with pydantic, and hand on what that says.
_REWORDED = (
    (re.compile(r"^Value error, "), ""),
    (re.compile(r"^Input should be a valid integer\b.*"), "write a whole number"),
    (re.compile(r"^Input should be (?=greater|less)"), "the number must be "),
    (re.compile(r"^Input should be "), "write "),
)


def reworded(message: str) -> str:
    """A message of Typer without what only its programmers need to read."""
    for pattern, words in _REWORDED:
        if pattern.search(message):
            return pattern.sub(words, message)
    return message
