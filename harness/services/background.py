"""Work of a link that goes on after its answer: reversals, lost hedges, stored requests."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from typing import TypeVar

from harness.services import deadline

Result = TypeVar("Result")


class Background:
    """The tasks of one link that nobody waits for. A link is drained when none is left."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[object], None] = {}  # in order, so that runs repeat

    @property
    def pending(self) -> int:
        """Tasks that are not done."""
        return len(self._tasks)

    def start(
        self, work: Coroutine[object, object, Result], *, keeps_deadline: bool = False
    ) -> asyncio.Task[Result]:
        """Run `work` as a task of its own.

        It has no deadline, for nobody waits for it, unless it belongs to a request's own work.
        """
        surroundings = copy_context()
        if not keeps_deadline:
            surroundings.run(deadline.work_until, None)
        task = asyncio.get_running_loop().create_task(work, context=surroundings)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[object]) -> None:
        del self._tasks[task]

    def cancel(self) -> None:
        """Drop what is on its way: the link is stopping."""
        for task in list(self._tasks):
            task.cancel()
