"""What a mock notes of requests for something that it has nothing of."""

from __future__ import annotations

import pytest

from paychain.payments.journal import Decision, DecisionKind
from paychain.payments.outcome import HopResult
from tests.support.vendor_links import PSP
from tests.support.vendor_virtual import VendorVirtual, on_vendor

# A path that the vendor has and the mock has not, as it is noted, and the words of its answer.
OTHER = {
    "adyen": ("POST /v72/orders", "POST", b"errorCode"),
    "braintree": ("GET /merchants/m/plans", "GET", b""),
    "checkout": ("GET /workflows/{id}/x", "GET", b""),
    "paypal": ("GET /v1/oauth2/plans/{id}", "GET", b"INVALID_RESOURCE_ID"),
    "square": ("POST /v2/invoices/{id}/publish", "POST", b"NOT_FOUND"),
    "stripe": ("POST /v1/invoices/{id}/pay", "POST", b"Unrecognized request URL"),
}


@pytest.mark.parametrize("dialect", sorted(OTHER))
def test_what_a_mock_does_not_have_is_answered_as_its_vendor_does_and_noted(dialect: str) -> None:
    noted, method, words = OTHER[dialect]
    headers = {"authorization": "Bearer sk_test_x", "x-api-key": "k"}
    answers = []

    async def scenario(links: VendorVirtual) -> None:
        for name in ("in_1PZ4aB", "9f86d081-884c", "42"):
            target = noted.partition(" ")[2].replace("{id}", name) + "?expand=x"
            answers.append(await links.ask(method, target, b"", headers))

    links = on_vendor(VendorVirtual, scenario, dialect)
    assert [answer.status for answer in answers] == [404] * 3
    assert words in answers[0].body
    details = [
        (record.link, record.detail)
        for record in links.journal
        if isinstance(record, Decision) and record.kind is DecisionKind.NOT_SERVED
    ]
    assert details == [(PSP, noted)] * 3
    assert [hop.result for hop in links.hops()] == [HopResult.REJECTED] * 3
