"""Whether the process that started this one is still there: without it we go on for nobody."""

from __future__ import annotations

import os

PARENT_VARIABLE = "PAYCHAIN_PARENT"


class Parent:
    """The process that started this one, also when it ended before anybody could look."""

    def __init__(self) -> None:
        self._process = int(os.environ.get(PARENT_VARIABLE) or os.getppid())

    @property
    def is_gone(self) -> bool:
        """Somebody else has adopted us."""
        return os.getppid() != self._process
