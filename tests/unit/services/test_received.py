"""What a mock notes of requests for something that it has nothing of."""

from __future__ import annotations

import asyncio

import pytest

from paychain.payments.cards import TEST_CARDS
from paychain.payments.exchanges import ReceivedRequest
from paychain.payments.journal import Decision, DecisionKind, Record
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.envelope import Envelope
from paychain.protocol.message import Answer, Delivery, PaymentRequest
from paychain.services.context import Context
from paychain.services.transport import Listener
from tests.support.vendor_links import PSP, payment
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


class AnswersOnceMore:
    """A link that an own service asks, and that repeats what it said to an earlier request."""

    async def receive(self, _: str, request: PaymentRequest, __: Envelope) -> Delivery:
        return Delivery(Answer(Outcome.APPROVED, "00", PSP, request.reference), is_stale=True)

    def caller(self, _: Envelope) -> str:
        return "shop"

    def key_now(self, key: str) -> str:
        return key

    def undeliverable(self, *_: object) -> None:
        raise AssertionError("its caller waits")


def test_an_answer_to_an_earlier_request_is_noted_as_such_in_our_own_dialect() -> None:
    journal: list[Record] = []
    context = Context(link=PSP, seed=1, now_ns=lambda: 0, journal=journal, span_prefix="0001")
    dialect = DIALECTS["paychain"]
    listener = Listener(dialect, AnswersOnceMore(), context)
    request = PaymentRequest("p1", 100, "EUR", TEST_CARDS[0], reference="p1-1")
    answer = asyncio.run(listener.handle(dialect.ask("authorise", request)))
    assert answer is not None
    (noted,) = [each for each in journal if isinstance(each, ReceivedRequest)]
    assert noted.is_stale


def test_a_key_is_noted_by_its_window_in_our_own_dialect_too() -> None:
    async def scenario(links: VendorVirtual) -> None:
        for number, waits_s in ((1, 0.0), (1, 4.0), (2, 4.0)):
            await asyncio.sleep(waits_s)
            order = payment(number)
            request = PaymentRequest(
                order, 100, "EUR", TEST_CARDS[0], reference=f"{order}-1", key="k"
            )
            asked = DIALECTS["paychain"].ask("authorise", request)
            answer = await links.ask(asked.method, asked.target, asked.body, asked.headers)
            assert answer.status == 200

    windowed = "idempotency: {model: keyed, window: 5s}"
    links = on_vendor(VendorVirtual, scenario, "paychain", psp=windowed)
    noted = [record.key for record in links.journal if isinstance(record, ReceivedRequest)]
    assert noted == ["k", "k", "k (window 2)"]
