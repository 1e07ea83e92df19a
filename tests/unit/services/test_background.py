"""Work that goes on after answers: what a drain waits for, and what it does not."""

from __future__ import annotations

import asyncio

from paychain.services.state.background import Background


def test_nobody_waits_for_what_goes_on_for_ever_and_a_crash_leaves_it() -> None:
    looks = 0

    async def look() -> None:
        nonlocal looks
        while True:
            looks += 1
            await asyncio.sleep(0)

    async def play() -> None:
        background = Background()
        background.watch(look())
        await asyncio.sleep(0)
        assert background.pending == []
        background.crash()
        before = looks
        await asyncio.sleep(0)
        assert looks > before > 0
        background.cancel()
        await asyncio.sleep(0)
        after = looks
        await asyncio.sleep(0)
        assert looks == after

    asyncio.run(play())
