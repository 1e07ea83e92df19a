"""What a link keeps of every payment is nothing that a collection of cycles has to look at."""

from __future__ import annotations

import gc
import tracemalloc

from tests.support.chains import shop
from tests.support.virtual_links import VirtualLinks, on_links

MANY, FEW = 60, 20
MAX_BYTES = 3_000  # of a payment that is over, on the links of the shop


def test_a_payment_leaves_no_object_that_is_tracked_behind() -> None:
    async def pay(links: VirtualLinks) -> list[int]:
        tracked = []
        for payments in (range(FEW), range(FEW, FEW + MANY)):
            for number in payments:
                await links.pay(f"p{number}")
            links.journal.clear()  # a process writes it to its file
            gc.collect()
            tracked.append(len(gc.get_objects()))
        return tracked

    _, (before, after) = on_links(shop(answers_at_once=True), pay)
    # Two dictionaries of each link grow, and keep as many objects as they had.
    assert after - before < MANY


def test_a_payment_leaves_little_memory_behind() -> None:
    async def pay(links: VirtualLinks) -> list[int]:
        sizes = []
        for payments in (range(MANY), range(MANY, 600)):
            for number in payments:
                await links.pay(f"p{number}")
            links.journal.clear()
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        return sizes

    tracemalloc.start()
    try:
        _, (before, after) = on_links(shop(answers_at_once=True), pay)
    finally:
        tracemalloc.stop()
    assert after - before < MAX_BYTES * (600 - MANY)
