"""What keeps work waiting while its link is down or stopped."""

from __future__ import annotations

import asyncio


class Gate:
    """Whoever finds it shut waits until it opens, even if it is shut again at once.

    Every request looks at it, and nearly always it is open: an event is made only when it is shut.
    """

    __slots__ = ("_opened", "is_open")

    def __init__(self) -> None:
        self.is_open = True
        self._opened: asyncio.Event | None = None  # None: it was never shut

    def shut(self) -> None:
        """Let nobody through from now on."""
        if self.is_open:
            self.is_open = False
            self._opened = asyncio.Event()

    def open(self) -> None:
        """Let everybody through, those that wait first."""
        self.is_open = True
        if self._opened is not None:
            self._opened.set()

    async def wait(self) -> None:
        """Return at once while it is open."""
        if not self.is_open:
            assert self._opened is not None  # it was shut
            await self._opened.wait()
