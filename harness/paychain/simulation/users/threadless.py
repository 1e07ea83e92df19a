"""Work that async libraries hand to threads, done on the loop: anyio's `to_thread`.

Starlette and FastAPI call `def` endpoints and dependencies by it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_BACKEND = "anyio._backends._asyncio"
_METHOD = "run_sync_in_worker_thread"


@contextmanager
def without_threads() -> Iterator[None]:
    """Let anyio do on the loop, inside, what it would do in a thread."""
    backend: Any = getattr(sys.modules.get(_BACKEND), "AsyncIOBackend", None)
    if backend is None:
        yield
        return
    real = backend.__dict__[_METHOD]
    setattr(backend, _METHOD, classmethod(_on_the_loop))
    try:
        yield
    finally:
        setattr(backend, _METHOD, real)


async def _on_the_loop(
    _: type, work: Callable[..., Any], args: tuple[Any, ...], *__: Any, **___: Any
) -> Any:
    await asyncio.sleep(0)
    return work(*args)
