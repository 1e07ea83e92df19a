"""Braintree's GraphQL API: the same transactions, asked for in other words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.payments.exchanges import ReceivedRequest
from paychain.protocol.dialects.braintree import Braintree
from paychain.wire.http import HttpResponse
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.stripe_links import Shown
from tests.support.vendor_links import payment

SHOWN = """
  id legacyId orderId status amount { value currencyIsoCode }
  paymentMethodSnapshot { __typename ... on CreditCardDetails { brandCode last4 } }
  statusHistory { status terminal ... on ProcessorDeclinedEvent { declineType } }
"""
PAY = f"mutation ($input: I!) {{ %s(input: $input) {{ transaction {{ {SHOWN} }} }} }}"
CHARGE, AUTHORIZE = PAY % "chargePaymentMethod", PAY % "authorizePaymentMethod"
CAPTURE = PAY % "captureTransaction"
REFUND = "mutation ($input: I!) { refundTransaction(input: $input) { refund { id status } } }"
REVERSE = """
mutation ($input: ReverseTransactionInput!) {
  reverseTransaction(input: $input) {
    clientMutationId
    reversal { __typename ... on Transaction { id status } ... on Refund { id status } }
  }
}
"""
NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on Transaction {{ {SHOWN} }} }} }}"


async def ask(links: JsonLinks, query: str, **variables: Any) -> Shown:
    answer = await links.post("/graphql", {"query": query, "variables": variables})
    assert answer.status == 200
    return answer


def wanted(number: int = 1, card: str = "fake-valid-visa-nonce", **more: Any) -> dict[str, Any]:
    order = {"amount": "10.00", "orderId": payment(number), **more}
    return {"paymentMethodId": card, "transaction": order}


def braintree(dialect: str = "braintree", **further: str) -> JsonLinks:
    return JsonLinks(dialect, **further)


def test_a_hold_is_captured_in_part_and_read_back() -> None:
    names: list[str] = []

    async def scenario(links: JsonLinks) -> None:
        held = (await ask(links, AUTHORIZE, input=wanted()))["data"]["authorizePaymentMethod"]
        made = held["transaction"]
        assert (made["status"], made["orderId"]) == ("AUTHORIZED", payment(1))
        assert made["amount"] == {"value": "10.00", "currencyIsoCode": "EUR"}
        card = made["paymentMethodSnapshot"]
        assert (card["__typename"], card["brandCode"]) == ("CreditCardDetails", "VISA")
        assert made["id"] != made["legacyId"]
        names.append(made["legacyId"])
        part = {"transactionId": made["id"], "transaction": {"amount": "6.00"}}
        taken = (await ask(links, CAPTURE, input=part))["data"]["captureTransaction"]["transaction"]
        assert (taken["status"], taken["amount"]["value"]) == ("SUBMITTED_FOR_SETTLEMENT", "6.00")
        seen = (await ask(links, NODE, id=made["id"]))["data"]["node"]
        assert seen == taken

    links = on_vendor(braintree(), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [600]
    assert {hop[0] for hop in links.hops() if hop[0]} == {payment(1)}
    received = [each for each in links.journal if isinstance(each, ReceivedRequest)]
    assert {each.named for each in received if each.named} == set(names)


def test_a_decline_is_a_transaction_and_a_refusal_an_error() -> None:
    async def scenario(links: JsonLinks) -> None:
        card = "fake-processor-declined-visa-nonce"
        declined = await ask(links, CHARGE, input=wanted(card=card))
        shown = declined["data"]["chargePaymentMethod"]["transaction"]
        assert (shown["status"], shown["statusHistory"][0]["terminal"]) == (
            "PROCESSOR_DECLINED",
            True,
        )
        assert shown["statusHistory"][0]["declineType"] == "SOFT_DECLINE"
        refused = await ask(links, CHARGE, input=wanted(amount="-1"))
        assert refused["data"] == {"chargePaymentMethod": None}
        (error,) = refused["errors"]
        assert error["extensions"]["errorClass"] == "VALIDATION"
        assert error["extensions"]["legacyCode"] == "81531"
        gone = await ask(links, NODE, id="dHJhbnNhY3Rpb25fbm9ib2R5")
        assert gone["errors"][0]["extensions"]["errorClass"] == "NOT_FOUND"

    links = on_vendor(braintree(), scenario)
    assert not [kind for kind, _, _ in links.booked() if kind == "captured"]


def test_a_charge_is_voided_before_it_settles_and_refunded_afterwards() -> None:
    async def scenario(links: JsonLinks) -> None:
        for number, settles in ((1, False), (2, True)):
            paid = await ask(links, CHARGE, input=wanted(number))
            made = paid["data"]["chargePaymentMethod"]["transaction"]
            assert made["status"] == "SUBMITTED_FOR_SETTLEMENT"
            if settles:
                await links.ask("PUT", f"/merchants/m/transactions/{made['legacyId']}/settle")
                some = {"transactionId": made["id"], "refund": {"amount": "3.00"}}
                back = (await ask(links, REFUND, input=some))["data"]["refundTransaction"]
                assert back["refund"]["id"] != made["id"]
            asked = {"transactionId": made["id"], "clientMutationId": "c1"}
            undone = (await ask(links, REVERSE, input=asked))["data"]["reverseTransaction"]
            assert undone["clientMutationId"] == "c1"
            kind = "Refund" if settles else "Transaction"
            assert undone["reversal"]["__typename"] == kind
        assert (await ask(links, "{ ping }"))["data"] == {"ping": "pong"}

    links = on_vendor(braintree(), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "refunded"] == [1000, 300, 700]


@pytest.mark.parametrize(
    ("declines", "ends_as"), [("0%", "SUBMITTED_FOR_SETTLEMENT"), ("100%", "PROCESSOR_DECLINED")]
)
def test_what_is_pending_is_no_decline_and_has_no_event_yet(declines: str, ends_as: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        links.inject("stuck_pending")
        paid = await ask(links, CHARGE, input=wanted())
        made = paid["data"]["chargePaymentMethod"]["transaction"]
        assert (made["status"], made["statusHistory"]) == ("AUTHORIZING", [])
        links.heal("stuck_pending")
        await asyncio.sleep(1)
        seen = (await ask(links, NODE, id=made["id"]))["data"]["node"]
        assert seen["status"] == seen["statusHistory"][0]["status"] == ends_as

    on_vendor(braintree(issuer=f"declines: {{share: {declines}, code: '05'}}"), scenario)


def test_what_is_not_served_is_refused_and_an_unknown_field_is_null() -> None:
    async def scenario(links: JsonLinks) -> None:
        for query in ("{ viewer { id } }", "mutation { createClientToken { x } }", "{ a b }", "{"):
            assert (await ask(links, query))["errors"]
        fields = "chargePaymentMethod(input: $input) { transaction { tip } }"
        query = f"mutation ($input: I!) {{ {fields} }}"
        paid = await ask(links, query, input=wanted())
        assert paid["data"] == {"chargePaymentMethod": {"transaction": {"tip": None}}}
        assert (await links.ask("POST", "/graphql", b"{")).status == 200

    on_vendor(braintree(), scenario)


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (b'{"data":{"chargePaymentMethod":{"transaction":{"id":"x"}}}}', "approved"),
        (b'{"data":{"c":{"transaction":{"status":"PROCESSOR_DECLINED"}}}}', "declined"),
        (b'{"data":{"c":{"transaction":{"status":"AUTHORIZING"}}}}', "unknown"),
        (b'{"data":null,"errors":[{"extensions":{"legacyCode":"91564"}}]}', "rejected"),
        (b'{"data":{"node":{"status":"SETTLED"}}}', "approved"),
        (b'{"data":{"chargePaymentMethod":null}}', "malformed"),
        (b'{"data":null}', "malformed"),
        (b"{}", "malformed"),
        (b'{"errors":5}', "malformed"),
        (b'{"data":', "malformed"),
        (b"[]", "malformed"),
    ],
)
def test_an_answer_is_read_as_what_it_proves(body: bytes, result: str) -> None:
    answer = HttpResponse(200, body, {"content-type": "application/json"})
    assert Braintree.classify(answer).result.value == result
