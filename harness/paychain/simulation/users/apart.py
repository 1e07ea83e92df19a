"""Work that a user's code gives to a thread: done on the loop, and as alone as on a thread.

No loop runs there. Code that finds none begins one of its own, which is refused by its name; were
the loop of the simulation still the running one, the code would only hear that it may not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def apart(work: Callable[..., Any], *args: Any) -> Any:
    """Do the work. Virtual time stands still meanwhile."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return work(*args)
    finally:
        asyncio._set_running_loop(loop)
