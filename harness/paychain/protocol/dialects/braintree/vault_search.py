"""The search for customers: first the ids of all matches, then the customers by id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from paychain.protocol.dialects.braintree.account import Account, inside
from paychain.protocol.dialects.braintree.documents import Rows, read
from paychain.protocol.dialects.braintree.errors import NotFound, document
from paychain.protocol.dialects.braintree.keeping import CONTACT
from paychain.protocol.dialects.braintree.search import MAX_FOUND, PAGE_SIZE, fits
from paychain.protocol.dialects.braintree.vault import customer_shown
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse

_SEARCHED = ("id", "payment_method_token", *CONTACT)


async def ids(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /customers/advanced_search_ids`."""
    criteria = _criteria(call)
    await execute_nothing(call)
    found = Rows("item", _matching(account, criteria)[:MAX_FOUND])
    return document(200, "search_results", {"page_size": PAGE_SIZE, "ids": found})


async def customers(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /customers/advanced_search`: those of the given ids that still match."""
    criteria = _criteria(call)
    await execute_nothing(call)
    known = account.vault.customers
    found = [
        customer_shown(account, name, known[name])
        for name in _matching(account, criteria)[:PAGE_SIZE]
    ]
    return document(200, "customers", Rows("customer", found, page_size=PAGE_SIZE))


HANDLERS: dict[str, Callable[..., Awaitable[HttpResponse]]] = {
    "POST customers/advanced_search_ids": ids,
    "POST customers/advanced_search": customers,
}


def _criteria(call: VendorCall) -> dict[str, Any]:
    given = read(call.http.body, call.http.headers.get("content-type", ""))
    criteria = inside(given, "search")
    for name in criteria.keys() - {*_SEARCHED, "ids"}:
        # Customers who do not match must not be taken for some that do.
        call.not_served(f"a search for customers by {name}")
        raise NotFound
    return criteria


def _matching(account: Account, criteria: dict[str, Any]) -> list[str]:
    wanted = criteria.get("ids")
    named = {str(name) for name in (wanted if isinstance(wanted, list) else [wanted])}
    return [
        name
        for name, said in reversed(account.vault.customers.items())
        if (wanted is None or name in named) and _is_wanted(account, name, said, criteria)
    ]


def _is_wanted(account: Account, name: str, said: dict[str, Any], criteria: dict[str, Any]) -> bool:
    tokens = [card.token for card in account.vault.cards_of(name)]
    values = {"id": [name], "payment_method_token": tokens}
    values |= {each: [str(said.get(each) or "")] for each in CONTACT}
    return all(
        any(fits(value, criteria.get(each)) for value in found)
        for each, found in values.items()
        if each in criteria
    )
