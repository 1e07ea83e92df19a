"""Draws that depend on the seed alone.

In one draw of twenty Hypothesis tries a constant that it reads from the modules of the current
project: another file in the folder would change what a seed searches. It also caches them, in
`.hypothesis/` of the current folder. No setting switches that off, so it is switched off at its
source while a search runs; a test holds the name that this relies on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from hypothesis.internal.conjecture.providers import HypothesisProvider

DRAW_CONSTANT = "_maybe_draw_constant"  # of the provider: a constant, or None for another draw


@contextmanager
def draws_by_seed_alone() -> Iterator[None]:
    """Let Hypothesis draw from its seed alone meanwhile."""

    def no_constant(*_: Any, **__: Any) -> None:
        return None

    with patch.object(HypothesisProvider, DRAW_CONSTANT, no_constant):
        yield
