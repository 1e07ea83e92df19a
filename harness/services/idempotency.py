"""What a link does with a repeated request: answer it again, or work again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from harness.services.message import Answer


class Keyed:
    """Repeats of a key get the first answer; a repeat while it is in flight waits for it."""

    def __init__(self) -> None:
        self._answers: dict[str, asyncio.Future[Answer]] = {}

    async def once(self, key: str, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer of `work`, done once for this key."""
        if not key:
            return await work()
        known = self._answers.get(key)
        if known is not None:
            return await asyncio.shield(known)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[key] = future
        try:
            answer = await work()
        except BaseException as error:
            del self._answers[key]
            future.set_exception(error)
            future.exception()  # somebody may wait or nobody: it is not lost either way
            raise
        future.set_result(answer)
        return answer


class Unkeyed:
    """Every request is new work: the model of a provider without idempotency keys."""

    async def once(self, key: str, work: Callable[[], Awaitable[Answer]]) -> Answer:  # noqa: ARG002
        """The answer of `work`, done again every time."""
        return await work()


MODELS: dict[str, type[Keyed] | type[Unkeyed]] = {"keyed": Keyed, "none": Unkeyed}
