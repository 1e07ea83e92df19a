"""Work of a link that goes on after its answer: reversals, lost hedges, stored requests."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from typing import TypeVar

from harness.services import deadline

Result = TypeVar("Result")


class Background:
    """The tasks of one link that nobody waits for. A link is drained when none is left.

    `is_kept`: they are on disk. A crash then loses only what belongs to a request.
    """

    def __init__(self, *, is_kept: bool = False) -> None:
        self.is_kept = is_kept
        self._tasks: dict[asyncio.Task[object], bool] = {}  # whether a crash loses it; in order

    @property
    def pending(self) -> int:
        """Tasks that are not done."""
        return len(self._tasks)

    def start(
        self, work: Coroutine[object, object, Result], *, keeps_deadline: bool = False,
        is_of_request: bool = False,
    ) -> asyncio.Task[Result]:  # fmt: skip
        """Run `work` as a task of its own.

        It has no deadline, for nobody waits for it, unless it belongs to a request's own work.
        What belongs to a request is lost in a crash in any case.
        """
        surroundings = copy_context()
        if not keeps_deadline:
            surroundings.run(deadline.work_until, None)
        task = asyncio.get_running_loop().create_task(work, context=surroundings)
        self._tasks[task] = is_of_request or keeps_deadline or not self.is_kept
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[object]) -> None:
        del self._tasks[task]

    def crash(self) -> None:
        """Lose what is not on disk."""
        for task, is_lost in list(self._tasks.items()):
            if is_lost:
                task.cancel()

    def cancel(self) -> None:
        """Drop what is on its way: the link is stopping, or its disk is gone."""
        self.is_kept = False
        for task in list(self._tasks):
            task.cancel()
