"""How long a provider's mock waits for the answer to a webhook, and what a slow shop gets of it."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from paychain.protocol.dialects.vendors import VENDORS
from paychain.services.vendor_declared import webhooks_of
from paychain.simulation.simulate import simulate
from paychain.wire.http import HttpRequest, HttpResponse
from tests.support.chains import checked
from tests.support.stripe_links import StripeLinks
from tests.support.vendor_links import PSP, chain_of


class SlowShop(StripeLinks):
    """Takes its time over each webhook, and answers 200."""

    async def _receive(self, http: HttpRequest) -> HttpResponse:
        self.received.append(http)
        await asyncio.sleep(4.0)
        return HttpResponse(200)


def received_by_slow_shop(**further: str) -> Counter[str]:
    """How often each event came."""

    async def whole() -> SlowShop:
        links = SlowShop(**further)
        await links.start()
        await links.pay()
        await asyncio.sleep(20.0)
        await links.stop()
        return links

    links = simulate(lambda _loop: whole())
    return Counter(event["id"] for event in links.events)


def test_a_slow_shop_that_answers_gets_each_event_once() -> None:
    assert set(received_by_slow_shop().values()) == {1}


def test_a_wait_that_is_declared_holds() -> None:
    assert min(received_by_slow_shop(webhooks="timeout: 1s, backoff: 1s").values()) > 1


@pytest.mark.parametrize("vendor", list(VENDORS))
def test_every_provider_waits_as_long_as_it_does_in_life(vendor: str) -> None:
    link = checked(chain_of(vendor)).links[PSP]
    sent = webhooks_of(link)
    assert sent is not None
    assert link.webhooks is not None
    assert sent.timeout >= 10.0 > link.webhooks.timeout
    assert sent == link.webhooks.model_copy(update={"timeout": sent.timeout})
