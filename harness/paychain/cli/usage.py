"""What Typer says of a value that an option does not take, in our words."""

from __future__ import annotations

import re

from paychain.payments.errors import one_line

# Newer versions of Typer read values with pydantic, and hand on what that says.
_REWORDED = (
    (re.compile(r"^Value error, "), ""),
    (re.compile(r"^Input should be a valid integer\b.*"), "write a whole number"),
    (re.compile(r"^Input should be (?=greater|less)"), "the number must be "),
    (re.compile(r"^Input should be "), "write "),
    (re.compile(r"^Unable to parse input string as an integer.*"), "the number is too large"),
)


def reworded(message: str) -> str:
    """A message of Typer without what only its programmers need to read.

    It is one line: it quotes what the user wrote, or what wrote that.
    """
    for pattern, words in _REWORDED:
        if pattern.search(message):
            return one_line(pattern.sub(words, message))
    return one_line(message)
