"""Deliver one request: send it again until its reply is final, or until its sender gives up.

    send ──▶ final? ── yes ──▶ delivered
      ▲        │ no
      └─ pause ┴─ no pause left ──▶ given up

Reversals, follow-ups, webhooks, stored requests and queries are all delivered by this loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from paychain.protocol.reply import Reply

MAX_RETRY_AFTER_S = 60.0  # no payment waits longer: a call ends, a delivery waits this long


class Backoff(Protocol):
    """A declared backoff."""

    @property
    def backoff(self) -> float:
        """Seconds before the second try."""

    @property
    def max_backoff(self) -> float:
        """Seconds: no pause is longer."""


class DeliveryEnd(msgspec.Struct, frozen=True):
    """How a delivery ended, after how many tries.

    `is_final`: `reply` ended it; otherwise its sender gave up. `is_unknown`: some try may have been
    executed although no final reply came.
    """

    reply: Reply
    tries: int
    is_final: bool
    is_unknown: bool


async def deliver(
    send: Callable[[int], Awaitable[Reply]],
    *,
    is_final: Callable[[Reply], bool],
    pause_s: Callable[[int], float | None],
) -> DeliveryEnd:
    """Deliver a request. Both callables are given the number of the try, from 1.

    `pause_s` is asked after a try whose reply is not final: the seconds before the next one, or
    None to give up. A receiver that asks for a longer pause (`Retry-After`) gets it.
    """
    tries = 0
    is_unknown = False
    while True:
        tries += 1
        reply = await send(tries)
        if is_final(reply):
            return DeliveryEnd(reply, tries, True, is_unknown)
        is_unknown = is_unknown or reply.result.leaves_unknown
        pause = pause_s(tries)
        if pause is None:
            return DeliveryEnd(reply, tries, False, is_unknown)
        await asyncio.sleep(max(pause, min(reply.retry_after_s, MAX_RETRY_AFTER_S)))


def backoff_s(declared: Backoff, tries: int) -> float:
    """Seconds to wait after `tries` tries before jitter: doubled each time, up to the maximum."""
    return min(declared.backoff * 2.0 ** (tries - 1), declared.max_backoff)


def jittered_s(declared: Backoff, tries: int, chance: float) -> float:
    """The backoff with half of it drawn, so that many senders do not repeat in step.

    `tries` were made so far; `chance` is drawn from [0, 1).
    """
    return backoff_s(declared, tries) * (0.5 + chance / 2)
