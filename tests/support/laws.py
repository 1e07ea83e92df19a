"""How often a law is tried: some examples in every run of the tests, all when asked to."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

# `PAYCHAIN_THOROUGH=1 pytest -m law`, which is part of `make thorough`, tries each law in full.
IS_THOROUGH = bool(os.environ.get("PAYCHAIN_THOROUGH"))
QUICK_SHARE = 8  # one in so many examples; the next run draws others
LEAST = 8
SHARE = 10  # of the rounds of a loop, one in so many


def examples(number: int, **more: Any) -> settings:
    """The settings of a law that is shown by so many examples.

    How fast they are drawn is the machine's, and the first text of a version of Python takes long:
    Hypothesis then lists all of Unicode.
    """
    tried = number if IS_THOROUGH else max(min(number, LEAST), number // QUICK_SHARE)
    suppressed = [HealthCheck.too_slow, *more.pop("suppress_health_check", ())]
    return settings(max_examples=tried, deadline=None, suppress_health_check=suppressed, **more)


def rounds(number: int) -> int:
    """How often a loop that is shown by so many rounds goes round; its test is marked `law`."""
    return number if IS_THOROUGH else number // SHARE
