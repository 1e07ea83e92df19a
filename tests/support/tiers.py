"""What CI tries of a test's parameters; the others are left to `make thorough`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

import pytest

_MODULE_IS_SLOW = re.compile(r"^pytestmark = (?:\[[^\]]*)?pytest\.mark\.slow\b", re.MULTILINE)
_SLOW = ("@pytest.mark.slow", "@pytest.mark.thorough")


def only(kept: Collection[Any], values: Iterable[Any]) -> list[Any]:
    """All of `values`; those that are not `kept` are thorough."""
    return [value if value in kept else thorough(value) for value in values]


def thorough(value: Any) -> Any:
    """A parameter, or the tuple of several, that `make thorough` tries."""
    values = value if isinstance(value, tuple) else (value,)
    return pytest.param(*values, marks=pytest.mark.thorough)


def has_quick_tests(text: str) -> bool:
    """Whether a file may have a test that is neither slow nor thorough, by its decorators."""
    if _MODULE_IS_SLOW.search(text):
        return False
    is_slow = False
    for line in text.splitlines():
        if line.startswith(_SLOW):
            is_slow = True
        elif line.startswith(("def ", "async def ", "class ")):
            name = line.removeprefix("async ").removeprefix("def ")
            if name.startswith(("test_", "class Test")) and not is_slow:
                return True
            is_slow = False
    return False
