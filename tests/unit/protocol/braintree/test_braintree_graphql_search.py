"""What is found over Braintree's GraphQL API: the way out of an unknown outcome, without keys."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.payments.journal import Decision, DecisionKind
from paychain.protocol.dialects.braintree import graphql_search
from paychain.wire.http import WireError
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.vendor_links import payment
from tests.unit.protocol.braintree.test_braintree_graphql import (
    AUTHORIZE,
    CHARGE,
    REFUND,
    ask,
    braintree,
    wanted,
)

FOUND = """
query ($input: I!, $first: Int, $after: String) {
  search {
    %s(input: $input, first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      edges { cursor node { __typename id orderId status amount { value } } }
    }
  }
}
"""
BOTH = "query ($input: I!) { search { transactions(input: $input) refunds(input: $input) } }"
TRANSACTIONS, REFUNDS = FOUND % "transactions", FOUND % "refunds"


async def found(links: JsonLinks, wanted_by: dict[str, Any], **page: Any) -> list[tuple[str, str]]:
    """The order and status of each transaction that a search finds."""
    body = (await ask(links, TRANSACTIONS, input=wanted_by, **page))["data"]
    nodes = [edge["node"] for edge in body["search"]["transactions"]["edges"]]
    assert {node["__typename"] for node in nodes} <= {"Transaction"}
    return [(node["orderId"], node["status"]) for node in nodes]


def test_what_was_charged_for_an_order_is_found_although_its_answer_was_lost() -> None:
    async def scenario(links: JsonLinks) -> None:
        by_order = {"orderId": {"is": payment(2)}}
        assert await found(links, by_order) == []
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await ask(links, CHARGE, input=wanted(2))
        links.heal("lost_answer")
        await ask(links, AUTHORIZE, input=wanted(3))
        assert await found(links, by_order) == [(payment(2), "SUBMITTED_FOR_SETTLEMENT")]

    links = on_vendor(braintree(), scenario)
    asked = [hop for hop in links.hops() if hop[2] == "query"]
    assert {hop[0] for hop in asked} == {payment(2)}


def test_a_search_finds_by_all_that_it_says_and_in_pages() -> None:
    async def scenario(links: JsonLinks) -> None:
        for number, value in ((1, "5.00"), (2, "10.00"), (3, "15.00")):
            made = wanted(number, amount=value)
            await ask(links, CHARGE if number > 1 else AUTHORIZE, input=made)
        held, taken = "AUTHORIZED", "SUBMITTED_FOR_SETTLEMENT"
        for by, numbers in (
            ({}, [3, 2, 1]),
            ({"status": {"in": [held, "VOIDED"]}}, [1]),
            ({"status": {"is": taken}, "amount": {"value": {"lessThanOrEqualTo": "10.00"}}}, [2]),
            ({"orderId": {"endsWith": "3"}}, [3]),
            ({"createdAt": {"lessThanOrEqualTo": "2001-01-01T00:00:00Z"}}, []),
            ({"id": {"in": ["unknown"]}}, []),
        ):
            assert [order for order, _ in await found(links, by)] == list(map(payment, numbers))
        first = (await ask(links, TRANSACTIONS, input={}, first=2))["data"]["search"]
        page = first["transactions"]["pageInfo"]
        assert page["hasNextPage"] is True
        last = await found(links, {}, first=2, after=page["endCursor"])
        assert [order for order, _ in last] == [payment(1)]

    on_vendor(braintree(), scenario)


def test_a_page_costs_what_it_shows_and_not_what_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A link that writes thousands of transactions for each page answers nothing else meanwhile."""
    written: list[str] = []
    shown = graphql_search.payment

    def counted(transaction: dict[str, Any]) -> dict[str, Any]:
        written.append(transaction["order_id"])
        return shown(transaction)

    monkeypatch.setattr(graphql_search, "payment", counted)

    async def scenario(links: JsonLinks) -> None:
        for number in (1, 2, 3):
            await ask(links, CHARGE, input=wanted(number))
        assert [order for order, _ in await found(links, {}, first=1)] == [payment(3)]

    on_vendor(braintree(), scenario)
    assert written == [payment(3)]


def test_refunds_are_found_apart() -> None:
    async def scenario(links: JsonLinks) -> None:
        made = (await ask(links, CHARGE, input=wanted()))["data"]["chargePaymentMethod"]
        name = made["transaction"]["id"]
        await ask(links, REFUND, input={"transactionId": name, "refund": {"amount": "4.00"}})
        body = (await ask(links, REFUNDS, input={}))["data"]["search"]["refunds"]["edges"]
        assert [(edge["node"]["__typename"], edge["node"]["amount"]["value"]) for edge in body] == [
            ("Refund", "4.00")
        ]
        assert len(await found(links, {"id": {"is": name}})) == 1

    on_vendor(braintree("{braintree: {settlement: at_once}}"), scenario)


@pytest.mark.parametrize(
    ("query", "by", "what"),
    [
        (TRANSACTIONS, {"source": {"is": "API"}}, "transactions by source"),
        (TRANSACTIONS, {"orderId": {"matches": "x"}}, "transactions by matches"),
        (FOUND % "disputes", {}, "disputes"),
        (BOTH, {}, "transactions and refunds at once"),
    ],
)
def test_a_search_that_is_not_served_is_an_error_that_says_what_is(
    query: str, by: dict[str, Any], what: str
) -> None:
    async def scenario(links: JsonLinks) -> None:
        refused = await ask(links, query, input=by)
        (error,) = refused["errors"]
        assert error["message"] == (
            f"A search for {what} is not served; this mock finds transactions or refunds by id, "
            "status, orderId, amount, createdAt, customer"
        )

    links = on_vendor(braintree(), scenario)
    unserved = [
        each.detail
        for each in links.journal
        if isinstance(each, Decision) and each.kind is DecisionKind.NOT_SERVED
    ]
    assert unserved == [f"a search of GraphQL for {what}"]


def test_a_criterion_that_is_null_is_as_good_as_none() -> None:
    """Clients with types of their own write null for what they leave out."""

    async def scenario(links: JsonLinks) -> None:
        await ask(links, CHARGE, input=wanted(2))
        for by in (
            {"orderId": {"is": payment(2), "contains": None}, "id": None, "status": None},
            {"id": {"is": None, "in": None}, "customer": {"id": None}, "createdAt": None},
            {"amount": {"value": {"is": None, "greaterThanOrEqualTo": "1.00"}}, "source": None},
        ):
            assert [order for order, _ in await found(links, by)] == [payment(2)]

    on_vendor(braintree(), scenario)
