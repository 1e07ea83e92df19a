"""What CI tries of a test's parameters; the others are left to `make thorough`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def only(kept: Collection[Any], values: Iterable[Any]) -> list[Any]:
    """All of `values`; those that are not `kept` are thorough."""
    return [value if value in kept else thorough(value) for value in values]


def thorough(value: Any) -> Any:
    """A parameter, or the tuple of several, that `make thorough` tries."""
    values = value if isinstance(value, tuple) else (value,)
    return pytest.param(*values, marks=pytest.mark.thorough)
