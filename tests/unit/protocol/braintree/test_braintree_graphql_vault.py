"""Braintree's vault over GraphQL: a customer's card, kept and charged again."""

from __future__ import annotations

from typing import Any

from paychain.wire.http import WireError
from tests.support.json_links import JsonLinks, on_vendor
from tests.unit.protocol.braintree.test_braintree_graphql import CHARGE, ask, braintree, wanted

VISA, DECLINED = "fake-valid-visa-nonce", "fake-processor-declined-visa-nonce"
CREATE = """
mutation ($input: CreateCustomerInput!) {
  createCustomer(input: $input) { customer { id legacyId firstName email } }
}
"""
KEEP = """
mutation ($input: VaultPaymentMethodInput!) {
  vaultPaymentMethod(input: $input) {
    paymentMethod {
      id legacyId usage customer { id } details { ... on CreditCardDetails { last4 brandCode } }
    }
    verification { status processorResponse { legacyCode } }
  }
}
"""
REMOVE = """
mutation ($input: DeletePaymentMethodFromVaultInput!) {
  deletePaymentMethodFromVault(input: $input) { clientMutationId }
}
"""


async def kept(links: JsonLinks, **given: Any) -> dict[str, Any]:
    shown: dict[str, Any] = (await ask(links, KEEP, input=given))["data"]["vaultPaymentMethod"]
    return shown


def test_a_customers_card_is_kept_charged_and_removed() -> None:
    async def scenario(links: JsonLinks) -> None:
        said = {"firstName": "Ada", "email": "ada@example.com"}
        made = (await ask(links, CREATE, input={"customer": said}))["data"]["createCustomer"]
        assert (made["customer"]["firstName"], made["customer"]["email"]) == tuple(said.values())
        owner = made["customer"]["id"]
        card = await kept(links, paymentMethodId=VISA, customerId=owner)
        method = card["paymentMethod"]
        assert (method["usage"], method["customer"]["id"]) == ("MULTI_USE", owner)
        assert method["details"]["brandCode"] == "VISA"
        verified = {"status": "VERIFIED", "processorResponse": {"legacyCode": "1000"}}
        assert card["verification"] == verified
        for number, name in ((1, method["id"]), (2, method["legacyId"])):
            paid = await ask(links, CHARGE, input=wanted(number, card=name))
            status = paid["data"]["chargePaymentMethod"]["transaction"]["status"]
            assert status == "SUBMITTED_FOR_SETTLEMENT"
        gone = await ask(links, REMOVE, input={"paymentMethodId": method["id"]})
        assert gone["data"]["deletePaymentMethodFromVault"] == {"clientMutationId": None}
        again = await ask(links, REMOVE, input={"paymentMethodId": method["id"]})
        assert again["errors"][0]["extensions"]["errorClass"] == "NOT_FOUND"
        assert (await ask(links, CHARGE, input=wanted(3, card=method["id"])))["errors"]

    captured = [move for move in on_vendor(braintree(), scenario).booked() if move[0] == "captured"]
    assert len(captured) == 2


def test_a_card_without_a_customer_is_a_new_ones_and_one_that_fails_is_not_kept() -> None:
    async def scenario(links: JsonLinks) -> None:
        card = await kept(links, paymentMethodId=VISA, verification={"skip": True})
        assert card["paymentMethod"]["customer"]["id"]
        assert card["verification"] is None
        failed = await kept(links, paymentMethodId=DECLINED)
        assert failed["paymentMethod"] is None
        assert failed["verification"]["status"] == "PROCESSOR_DECLINED"
        unknown = await ask(links, KEEP, input={"paymentMethodId": VISA, "customerId": "nobody"})
        assert unknown["errors"][0]["extensions"]["legacyCode"]
        assert (await ask(links, KEEP, input={}))["errors"]

    on_vendor(braintree(), scenario)


def test_a_card_is_kept_although_the_answer_was_lost_and_not_before_the_work() -> None:
    async def scenario(links: JsonLinks) -> None:
        made = (await ask(links, CREATE, input={}))["data"]["createCustomer"]["customer"]
        given = {"paymentMethodId": VISA, "customerId": made["id"]}
        for kind, more in (("http_error", {"status": 503}), ("lost_answer", {})):
            links.inject(kind, **more)
            try:
                refused = await links.post(
                    "/graphql", {"query": KEEP, "variables": {"input": given}}
                )
                assert refused.status == 503
            except WireError:
                assert kind == "lost_answer"
            links.heal(kind)
            path = f"/merchants/m/customers/{made['legacyId']}"
            basic = {"authorization": "Basic cGF5Y2hhaW46eA=="}
            seen = await links.pool.request("GET", path, b"", headers=basic, timeout_s=5.0)
            assert seen.body.count(b"<token>") == int(kind == "lost_answer")

    on_vendor(braintree(), scenario)
