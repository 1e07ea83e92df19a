"""Requests at a vendor's API that move no money: reads, pages, tokens, changes to its objects."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from paychain.payments.cards import TEST_CARDS
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import VendorCall

NOTHING = PaymentRequest("", 0, "EUR", TEST_CARDS[0])  # a request that is about no payment


async def execute_nothing(
    call: VendorCall,
    about: PaymentRequest = NOTHING,
    *,
    is_keyed: bool = False,
    change: Callable[[], object] | None = None,
    undo: Callable[[], object] | None = None,
) -> None:
    """Let faults, capacity and service time apply to a request that moves no money.

    `about`: the payment that it reads or changes. The other parameters, and what is raised, are
    those of `VendorCall.execute`.
    """
    request = replace(about, is_sale=False, declined_as="")
    await call.execute("query", request, is_keyed=is_keyed, change=change, undo=undo)
