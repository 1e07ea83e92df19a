"""A job that a test gives to the workers of a cluster; the process that does it imports this."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def goes_on_at_first(folder: Path, report: Callable[[Any], None]) -> str:
    """Never end by itself the first time; the second time end at once."""
    begun = folder / "begun"
    if begun.exists():
        return "done"
    begun.touch()
    while True:
        report("begun")
        time.sleep(0.05)


def dies(_: Path, report: Callable[[Any], None]) -> None:
    """End its process without a word."""
    report("alive")
    os._exit(3)
