"""What a drain that ends too early leaves open: what may give money back, what only collects."""

from __future__ import annotations

import pytest

from paychain.environment.running_chain import unfinished_payments
from paychain.services.pending_work import PendingWork
from tests.support.chains import corner_shop
from tests.support.virtual_links import VirtualLinks, on_links

LATER = {"captures": {"after": "5s"}}


@pytest.mark.parametrize(
    ("gateway", "gives_back"),
    [
        (LATER, False),
        ({**LATER, "refunds": {"share": "0.000001%"}}, False),  # refunded are others
        ({**LATER, "refunds": {"share": "100%", "after": "1s"}}, True),
        ({"cancels": {"share": "100%", "after": "5s"}}, True),
    ],
)
def test_only_what_waits_for_its_captures_alone_gives_nothing_back(
    gateway: dict[str, object], gives_back: bool
) -> None:
    async def work(links: VirtualLinks) -> list[PendingWork]:
        await links.pay()
        pending = await links.host.drain(1.0)
        await links.drain()
        return pending

    _, pending = on_links(corner_shop(answers_at_once=True, gateway=gateway), work)
    assert set(pending) == {PendingWork("p1", gives_back)}


def test_what_is_for_no_payment_may_be_for_any() -> None:
    captures = [PendingWork("p1", gives_back=False), PendingWork("p2", gives_back=False)]
    assert unfinished_payments(captures) == (["p1", "p2"], ["p1", "p2"])
    assert unfinished_payments([*captures, PendingWork("p2")]) == (["p1", "p2"], ["p1"])
    assert unfinished_payments([*captures, PendingWork("")]) == (["p1", "p2"], [])
