"""What a payment provider does about its own unknown outcomes, behind its API."""

from __future__ import annotations

import json

import pytest

from paychain.payments.journal import DecisionKind
from paychain.protocol.dialects.vendors import VENDORS
from paychain.wire.http import HttpResponse
from tests.support.chains import checked
from tests.support.vendor_links import PSP, chain_of, payment
from tests.support.vendor_virtual import VendorVirtual, on_vendor


async def pay(links: VendorVirtual) -> HttpResponse:
    body = {
        "amount": {"value": 1000, "currency": "EUR"},
        "merchantAccount": "Shop",
        "reference": payment(1),
        "returnUrl": "https://shop.example/back",
        "paymentMethod": {"type": "scheme", "number": "4111111111111111", "cvc": "737"}
        | {"expiryMonth": "03", "expiryYear": "2030", "holderName": "Test"},
    }
    headers = {"x-api-key": "k", "content-type": "application/json"}
    links.inject("lost_answer", link="issuer", share="100%")
    answer = await links.ask("POST", "/v72/payments", json.dumps(body).encode(), headers, 30.0)
    links.heal("lost_answer")
    return answer


def run(dialect: str, psp: str = "") -> VendorVirtual:
    async def scenario(links: VendorVirtual) -> None:
        await pay(links)

    made: VendorVirtual = on_vendor(VendorVirtual, scenario, dialect, psp=psp)
    return made


def test_a_provider_reverses_what_timed_out_behind_it() -> None:
    links = run("adyen")
    assert links.booked("issuer") == [("authorised", 1000), ("voided", 1000)]
    assert DecisionKind.REVERSAL_ACKNOWLEDGED in links.decided()


def onward(text: str) -> str:
    return checked(text).links[PSP].calls["authorise"].on_unknown


@pytest.mark.parametrize("dialect", sorted(VENDORS))
def test_that_is_the_default_of_every_provider_and_of_no_other_link(dialect: str) -> None:
    assert onward(chain_of(dialect)) == "reverse"
    assert onward(chain_of("paychain")) == "give_up"


def test_a_provider_that_is_declared_to_leave_it_leaves_it() -> None:
    text = chain_of("adyen").replace("{to: issuer}", "{to: issuer, on_unknown: give_up}")
    assert onward(text) == "give_up"


def test_a_default_is_not_taken_for_a_declaration() -> None:
    call = checked(chain_of("stripe")).links[PSP].calls["authorise"]
    assert not call.declares("on_unknown")
