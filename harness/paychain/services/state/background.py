"""Work of a link that goes on after its answer: reversals, lost hedges, stored requests."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import NamedTuple, TypeVar

from paychain.services.pending_work import PendingWork
from paychain.services.policies import deadline

Result = TypeVar("Result")
# The payment that this task works on; what it starts in the background is for the same payment.
_payment: ContextVar[str] = ContextVar("payment", default="")


def work_for(payment: str) -> None:
    """Set the payment that this task works on from now on."""
    _payment.set(payment)


class _Work(NamedTuple):
    """What is known of a task, and whether a crash loses it."""

    pending: PendingWork
    is_lost: bool


class Background:
    """The tasks of one link that go on after its answers. A link is drained when none is left.

    `is_kept`: they are on disk. A crash then loses only what belongs to a request.
    """

    def __init__(self, *, is_kept: bool = False) -> None:
        self.is_kept = is_kept
        self._tasks: dict[asyncio.Task[object], _Work] = {}  # in the order they were started
        self._watching: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> list[PendingWork]:
        """Each task that is not done."""
        return [work.pending for work in self._tasks.values()]

    def start(
        self,
        work: Coroutine[object, object, Result],
        *,
        keeps_deadline: bool = False,
        is_of_request: bool = False,
        payment: str | None = None,
        gives_back: bool = True,
    ) -> asyncio.Task[Result]:
        """Run `work` as a task of its own, for the payment of the task that starts it.

        `payment`: for this one instead, "" for none. `gives_back`: see `PendingWork`.

        It has no deadline unless it belongs to a request's own work, which a caller waits for.
        What belongs to a request is lost in a crash in any case.
        """
        surroundings = copy_context()
        if not keeps_deadline:
            surroundings.run(deadline.work_until, None)
        task = asyncio.get_running_loop().create_task(work, context=surroundings)
        is_lost = is_of_request or keeps_deadline or not self.is_kept
        pending = PendingWork(_payment.get() if payment is None else payment, gives_back)
        self._tasks[task] = _Work(pending, is_lost)
        task.add_done_callback(self._ended)
        return task

    def watch(self, work: Coroutine[object, object, None]) -> None:
        """Run what goes on for as long as the link exists, for no payment: nobody waits for it."""
        surroundings = copy_context()
        surroundings.run(deadline.work_until, None)
        surroundings.run(_payment.set, "")
        task = asyncio.get_running_loop().create_task(work, context=surroundings)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    def _ended(self, task: asyncio.Task[object]) -> None:
        del self._tasks[task]

    def crash(self) -> None:
        """Lose what is not on disk."""
        for task, work in list(self._tasks.items()):
            if work.is_lost:
                task.cancel()

    def cancel(self) -> None:
        """Drop what is on its way: the link is stopping, or its disk is gone."""
        self.is_kept = False
        for task in [*self._tasks, *self._watching]:
            task.cancel()
