"""`query { search { transactions(input: …) { edges { node { … } } } } }`, and `refunds`.

What is searched for is written in the words of the other API's search, which looks for it.
Source: TransactionSearchInput and RefundSearchInput in schema.graphql of
github.com/braintree/graphql-api, and its guide to searching.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from paychain.payments.whole_number import whole_number
from paychain.protocol.dialects.braintree import search
from paychain.protocol.dialects.braintree.account import Account, inside, text
from paychain.protocol.dialects.braintree.documents import read
from paychain.protocol.dialects.braintree.errors import XML, document
from paychain.protocol.dialects.braintree.graphql_objects import (
    CUSTOMER,
    REFUND,
    TRANSACTION,
    TYPES,
    legacy_id,
    payment,
)
from paychain.protocol.dialects.braintree.objects import shown
from paychain.protocol.dialects.braintree.records import IdTarget
from paychain.protocol.graphql import Selection
from paychain.protocol.vendor import VendorCall

MAX_PAGE = 50  # objects in one page
# By what is searched for: its type in the other API, and that of the answer here.
KINDS = {
    "transactions": ("sale", "TransactionConnection"),
    "refunds": ("credit", "RefundConnection"),
}
_BOUNDS = {"greaterThanOrEqualTo": "min", "lessThanOrEqualTo": "max", "is": "is"}
_WORDS = {
    "is": "is",
    "startsWith": "starts_with",
    "endsWith": "ends_with",
    "contains": "contains",
}


class NotServed(Exception):
    """A search that this mock cannot make: what it found would be too much."""


async def look(call: VendorCall, account: Account, asked: Selection) -> dict[str, Any]:
    """The page of what a search finds. Raises NotServed."""
    kind, types = KINDS[asked.name]
    criteria = _criteria(inside(asked.arguments, "input"), kind)
    await search.look(call, criteria)
    found = list(search.found_by(account, criteria))
    after = legacy_id(text(asked.arguments, "after"), TRANSACTION, REFUND)
    names = list(map(search.id_of, found)) if after else []
    begin = names.index(after) + 1 if after in names else 0
    size = min(whole_number(str(asked.arguments.get("first", MAX_PAGE))) or MAX_PAGE, MAX_PAGE)
    # Only what is shown is written: that takes much longer than to find it.
    page = [_node(account, named) for named in found[begin : begin + size]]
    return {
        TYPES: (types,),
        "edges": [{"cursor": node["id"], "node": node} for node in page],
        "pageInfo": {
            TYPES: ("PageInfo",),
            "hasNextPage": begin + size < len(found),
            "hasPreviousPage": begin > 0,
            "startCursor": page[0]["id"] if page else None,
            "endCursor": page[-1]["id"] if page else None,
        },
    }


def _node(account: Account, named: IdTarget) -> dict[str, Any]:
    """A transaction as a client of the other API reads it, in this one's words."""
    written = document(200, TRANSACTION, shown(account, named))
    return payment(read(written.body, XML, is_own=True)[TRANSACTION])


def _criteria(given: dict[str, Any], kind: str) -> search.Criteria:
    """A search in the other API's words. Raises NotServed."""
    criteria: search.Criteria = {"type": [kind]}
    for name, term in _without_nulls(given).items():
        term = term if isinstance(term, dict) else {}
        if name not in _CRITERIA:
            raise NotServed(name)
        known, translate = _CRITERIA[name]
        criteria[known] = translate(term)
    return criteria


def _without_nulls(given: dict[str, Any]) -> dict[str, Any]:
    """An input without what it leaves open: clients with types write null for that."""
    kept: dict[str, Any] = {}
    for name, value in given.items():
        value = _without_nulls(value) if isinstance(value, dict) else value
        if value is not None and value != {}:
            kept[name] = value
    return kept


def _one_of(term: dict[str, Any], *kinds: str) -> list[str]:
    _check(term, {"is", "in"})
    values = [term["is"]] if "is" in term else term.get("in")
    values = values if isinstance(values, list) else []
    return [legacy_id(str(each), *kinds) or str(each) for each in values]


def _ids(term: dict[str, Any]) -> list[str]:
    return _one_of(term, TRANSACTION, REFUND)


def _statuses(term: dict[str, Any]) -> list[str]:
    return [each.lower() for each in _one_of(term)]


def _customer(term: dict[str, Any]) -> list[str]:
    _check(term, {"id"})
    return _one_of(inside(term, "id"), CUSTOMER)


def _text(term: dict[str, Any]) -> dict[str, Any]:
    _check(term, _WORDS.keys())
    return {_WORDS[how]: str(wanted) for how, wanted in term.items()}


def _range(term: dict[str, Any]) -> dict[str, Any]:
    _check(term, _BOUNDS.keys())
    return {_BOUNDS[how]: wanted for how, wanted in term.items()}


def _amount(term: dict[str, Any]) -> dict[str, Any]:
    _check(term, {"value"})
    return _range(inside(term, "value"))


def _check(term: dict[str, Any], served: Container[str]) -> None:
    for how in term:
        if how not in served:
            raise NotServed(how)


_CRITERIA: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "id": ("ids", _ids),
    "status": ("status", _statuses),
    "orderId": ("order_id", _text),
    "amount": ("amount", _amount),
    "createdAt": ("created_at", _range),
    "customer": ("customer_id", _customer),
}
SERVED = tuple(_CRITERIA)
