"""Hedge: a second request while the first has no answer; the first final answer wins."""

from __future__ import annotations

import asyncio

from harness.services.call_end import Tried

Tries = asyncio.Task[Tried]


async def race(first: Tries, second: Tries) -> tuple[Tries, Tries]:
    """Winner and loser: whichever worked first; the first one when neither worked."""
    while True:
        await asyncio.wait(
            [one for one in (first, second) if not one.done()], return_when=asyncio.FIRST_COMPLETED
        )
        if first.done() and first.result().worked:
            return first, second
        if second.done() and second.result().worked:
            return second, first
        if first.done() and second.done():
            return first, second
