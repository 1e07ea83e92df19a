"""What Braintree's Python SDK does beyond a payment, and what it does on its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.braintree_shop import Shop, braintree, code_of
from tests.support.sdk_results import FAILED, OFFERED, PASSED, Cell, Column, keep
from tests.support.vendor_links import VendorLinks, vendor_links
from tests.support.vendor_shop import Scenarios

nonces = pytest.importorskip("braintree.test.nonces").Nonces
ERRORS = braintree.exceptions
CODES = braintree.ErrorCodes
SCENARIOS = Scenarios()


@SCENARIOS.add("customer")
def customer(shop: Shop) -> str:
    customers = shop.gateway.customer
    made = customers.create({"first_name": "Ada", "email": "a@b.example"}).customer
    assert customers.update(made.id, {"first_name": "Grace"}).customer.first_name == "Grace"
    found = customers.find(made.id)
    assert (found.first_name, found.email) == ("Grace", "a@b.example")
    assert code_of(customers.create({"id": made.id})) == CODES.Customer.IdIsInUse
    customers.delete(made.id)
    with pytest.raises(ERRORS.NotFoundError):
        customers.find(made.id)
    return "create, update, find; NotFoundError for a deleted one"


@SCENARIOS.add("stored card")
def stored_card(shop: Shop) -> str:
    gateway, order = shop.gateway, {"amount": "10.00", "order_id": shop.order}
    owner = gateway.customer.create({"first_name": "Ada"}).customer
    wanted = {"customer_id": owner.id, "payment_method_nonce": nonces.TransactableVisa}
    card = gateway.payment_method.create(wanted).payment_method
    assert isinstance(card, braintree.CreditCard)
    assert gateway.payment_method.find(card.token).last_4 == card.last_4
    kept = gateway.customer.find(owner.id).payment_methods
    assert [each.token for each in kept] == [card.token]
    sale = shop.transaction.sale({**order, "payment_method_token": card.token}).transaction
    assert (sale.credit_card_details.token, sale.customer_details.id) == (card.token, owner.id)
    assert shop.transaction.sale({**order, "customer_id": owner.id}).is_success
    declined = {"payment_method_nonce": nonces.ProcessorDeclinedVisa}
    checked = {**wanted, **declined, "options": {"verify_card": True}}
    refused = gateway.payment_method.create(checked)
    assert refused.credit_card_verification.processor_response_code == "2000"
    nobody = gateway.payment_method.create({**wanted, "customer_id": "nobody"})
    assert code_of(nobody) == CODES.CreditCard.CustomerIdIsInvalid
    # The SDK's gateway for credit cards has paths and names of its own for the same card.
    number = {"number": "4111111111111111", "expiration_date": "03/2030"}
    other = gateway.credit_card.create({"customer_id": owner.id, **number}).credit_card
    assert gateway.credit_card.find(other.token).bin == "411111"
    update = gateway.credit_card.update(other.token, {"cardholder_name": "Ada"})
    assert update.credit_card.cardholder_name == "Ada"
    gateway.credit_card.delete(other.token)
    keeps = {"options": {"store_in_vault_on_success": True}, "customer": {"first_name": "Grace"}}
    stored = shop.paid(**keeps)
    assert gateway.customer.find(stored.customer_details.id).first_name == "Grace"
    by_token = {"payment_method_token": stored.credit_card_details.token}
    assert shop.transaction.sale({**order, **by_token}).is_success
    gateway.payment_method.delete(card.token)
    with pytest.raises(ERRORS.NotFoundError):
        gateway.payment_method.find(card.token)
    gone = shop.transaction.sale({**order, "payment_method_token": card.token})
    assert code_of(gone) == CODES.Transaction.PaymentMethodTokenIsInvalid
    assert shop.booked("authorised") == [1000] * 4
    return "a token pays, or its customer's id; a sale keeps its card; 91518 once it is deleted"


@SCENARIOS.add("front end")
def front_end(shop: Shop) -> str:
    gateway, search = shop.gateway, braintree.CustomerSearch
    said = {"id": shop.order, "email": f"{shop.order}@shop.example"}
    owner = gateway.customer.create({**said, "payment_method_nonce": nonces.Transactable}).customer
    (card,) = owner.payment_methods
    assert gateway.client_token.generate({"customer_id": owner.id})
    nonce = gateway.payment_method_nonce.create(card.token).payment_method_nonce.nonce
    assert gateway.payment_method_nonce.find(nonce).details["last_four"] == card.last_4
    item = {"name": "Cap", "kind": "debit", "quantity": "1", "unit_amount": "10.00"}
    paid = shop.paid(
        payment_method_nonce=nonce,
        line_items=[{**item, "total_amount": "10.00"}],
        billing={"postal_code": "1010"},
    )
    assert [each.name for each in paid.line_items] == ["Cap"]
    assert paid.credit_card_details.token == card.token
    assert paid.billing_details.postal_code == "1010"
    authenticated = "fake-three-d-secure-visa-full-authentication-nonce"
    assert gateway.payment_method_nonce.find(authenticated).three_d_secure_info.liability_shifted
    secure = shop.paid(payment_method_nonce=authenticated).three_d_secure_info
    assert secure.status == "authenticate_successful"
    with pytest.raises(ERRORS.NotFoundError):
        gateway.payment_method_nonce.find("nobody")
    for term in (search.email == said["email"], search.payment_method_token == card.token):
        assert [each.id for each in gateway.customer.search(term).items] == [owner.id]
    assert shop.booked("authorised") == [1000, 1000]
    return "client tokens; a stored card's nonce pays; 3-D Secure of a nonce; customer search"


@SCENARIOS.add("lists")
def lists(shop: Shop) -> str:
    made = sorted(shop.paid().id for _ in range(51))  # a page has 50
    before = len(shop.links.exchanges)
    term = braintree.TransactionSearch.order_id
    found = shop.transaction.search(term == shop.order)
    assert sorted(found.ids) == sorted(each.id for each in found.items) == made
    targets = [http.target for http, _ in shop.links.exchanges[before:]]
    asked = [target.rpartition("/")[2] for target in targets]
    assert asked == ["advanced_search_ids", "advanced_search", "advanced_search"]
    assert shop.transaction.search(term == "nobody's").ids == []
    wanted = {"payment_method_nonce": nonces.Transactable}
    owner = shop.gateway.customer.create(wanted).customer.id
    sale = shop.paid(payment_method_nonce=None, customer_id=owner)
    fields, now = braintree.TransactionSearch, datetime.now(UTC)
    minute = timedelta(minutes=1)
    assert shop.transaction.search(fields.customer_id == owner).ids == [sale.id]
    recent = shop.transaction.search(term == shop.order, fields.created_at >= now - minute)
    assert len(recent.ids) == 52
    assert shop.transaction.search(fields.created_at >= now + minute).ids == []
    with pytest.raises(ERRORS.NotFoundError):
        shop.transaction.search(fields.billing_company == "x")
    return "a search reads ids first, then each page of transactions"


@SCENARIOS.add("GraphQL")
def graphql(shop: Shop) -> str:
    client = shop.gateway.graphql_client

    def ask(what: str, shows: str, **given: Any) -> Any:
        query = f"mutation ($input: Input!) {{ {what}(input: $input) {{ {shows} }} }}"
        return client.query(query, {"input": given})

    def pay(what: str, card: str = "fake-valid-nonce", amount: str = "10.00") -> Any:
        order = {"amount": amount, "orderId": shop.order}
        shows = "transaction { id legacyId status }"
        return ask(what, shows, paymentMethodId=card, transaction=order)

    held = pay("authorizePaymentMethod")["data"]["authorizePaymentMethod"]["transaction"]
    part = {"transactionId": held["id"], "transaction": {"amount": "6.00"}}
    taken = ask("captureTransaction", "transaction { status }", **part)["data"]
    assert taken["captureTransaction"]["transaction"]["status"] == "SUBMITTED_FOR_SETTLEMENT"
    assert shop.transaction.find(held["legacyId"]).status == "submitted_for_settlement"
    shop.gateway.testing.settle_transaction(held["legacyId"])
    some = {"transactionId": held["id"], "refund": {"amount": "2.00"}}
    assert ask("refundTransaction", "refund { id }", **some)["data"]["refundTransaction"]["refund"]
    paid = pay("chargePaymentMethod")["data"]["chargePaymentMethod"]["transaction"]
    undone = ask("reverseTransaction", "reversal { __typename }", transactionId=paid["id"])["data"]
    assert undone["reverseTransaction"]["reversal"]["__typename"] == "Transaction"
    card = "fake-processor-declined-visa-nonce"
    declined = pay("chargePaymentMethod", card)["data"]["chargePaymentMethod"]["transaction"]
    assert declined["status"] == "PROCESSOR_DECLINED"
    refused = client.get_validation_errors(pay("chargePaymentMethod", amount="-1"))["errors"]
    with pytest.raises(ERRORS.NotFoundError):
        client.query('{ node(id: "dHJhbnNhY3Rpb25fbm9ib2R5") { id } }')
    read = client.query("query ($id: ID!) { node(id: $id) { id } }", {"id": held["id"]})
    assert read["data"]["node"]["id"] == held["id"]
    nodes = "transactions(input: $input) { edges { node { id } } }"
    search = f"query ($input: TransactionSearchInput!) {{ search {{ {nodes} }} }}"
    wanted = {"orderId": {"is": shop.order}, "status": {"in": ["SETTLED", "VOIDED"]}}
    found = client.query(search, {"input": wanted})["data"]["search"]["transactions"]["edges"]
    assert {each["node"]["id"] for each in found} == {paid["id"], held["id"]}
    kept = ask("vaultPaymentMethod", "paymentMethod { id }", paymentMethodId="fake-valid-nonce")
    card = kept["data"]["vaultPaymentMethod"]["paymentMethod"]["id"]
    again = pay("chargePaymentMethod", card, "3.00")["data"]["chargePaymentMethod"]["transaction"]
    assert again["status"] == "SUBMITTED_FOR_SETTLEMENT"
    ask("deletePaymentMethodFromVault", "clientMutationId", paymentMethodId=card)
    assert shop.booked("captured") == [600, 1000, 300]
    return (
        f"a decline is a status; {refused[0]['code']} is an error beside data; NotFoundError; "
        "a search by order id finds what was charged; a vaulted card is charged and deleted"
    )


@SCENARIOS.add("errors")
def errors(shop: Shop) -> str:
    seen = []
    for status, kind in (
        (401, ERRORS.AuthenticationError),
        (403, ERRORS.AuthorizationError),
        (404, ERRORS.NotFoundError),
        (429, ERRORS.TooManyRequestsError),
        (500, ERRORS.ServerError),
        (502, ERRORS.UnexpectedError),
        (503, ERRORS.ServiceUnavailableError),
        (504, ERRORS.GatewayTimeoutError),
    ):
        shop.links.inject("http_error", status=status)
        with pytest.raises(kind) as caught:
            shop.pay()
        shop.links.heal("http_error")
        assert type(caught.value) is kind
        seen.append(f"{status} {kind.__name__}")
    shop.links.inject("malformed")
    with pytest.raises(Exception) as broken:  # noqa: PT011  (which one it is, is what is asked)
        shop.pay()
    shop.links.heal("malformed")
    return f"{', '.join(seen)}; broken XML is {type(broken.value).__name__}"


@SCENARIOS.add("headers")
def headers(shop: Shop) -> str:
    shop.pay()
    http, _ = shop.links.exchanges[-1]
    assert http.target == "/merchants/m/transactions"
    assert http.headers["authorization"].startswith("Basic ")
    assert "idempotency-key" not in http.headers
    version, agent = http.headers["x-apiversion"], http.headers["user-agent"]
    return f"X-ApiVersion {version}; names itself {agent}"


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links("braintree") as running:
        yield running


@pytest.mark.parametrize("name", OFFERED["braintree"])
def test_the_python_sdk_of_braintree_beyond_a_payment(name: str, links: VendorLinks) -> None:
    cell = Cell(scenario=name, result=FAILED)
    sdk = f"braintree {braintree.version.Version}"
    try:
        cell.detail = SCENARIOS[name](Shop(links))
        cell.result = PASSED
    finally:
        keep(Column(vendor="braintree", language="python", sdk=sdk, cells=[cell]))
        for kind in ("http_error", "malformed"):
            links.heal(kind)
