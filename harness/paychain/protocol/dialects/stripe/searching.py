"""Search: `metadata["order"]:"p1" AND status:"succeeded"`, as a cleanup job finds its orders.

At Stripe, results lag behind by up to a minute (docs.stripe.com/search); here they do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from paychain.payments.whole_number import MAX_DIGITS
from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import invalid
from paychain.protocol.dialects.stripe.listing import DEFAULT_OBJECTS, MAX_OBJECTS
from paychain.protocol.dialects.stripe.parameters import integer, required, text
from paychain.protocol.vendor_pages import number_in

_CLAUSE = re.compile(
    r"""(?P<not>-)?(?P<field>[a-z_]+)(?:\[["'](?P<key>[^"']+)["']\])?"""
    r"""(?P<sign>[:~]|[<>]=?)(?P<value>"[^"]*"|'[^']*'|[\w.-]+)"""
)
_JOIN = re.compile(r"\s+(AND\s+|OR\s+)?", re.IGNORECASE)


def intents(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/payment_intents/search`."""
    known = (account.objects.intent(intent) for intent in account.intents.newest_first())
    return found(account, asked, known)


def charges(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/charges/search`."""
    known = (
        account.objects.charge(intent, charge)
        for intent in account.intents.newest_first()
        for charge in reversed(intent.charges)
        if account.objects.is_made(charge)
    )
    return found(account, asked, known)


def customers(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/customers/search`."""
    return found(account, asked, map(dict, reversed(account.customers.values())))


def found(account: Account, asked: RoutedRequest, known: Iterable[Shown]) -> Plan:
    """A page of what fits the query, newest first."""
    required(asked.given, "query")
    clauses, is_any = _clauses(text(asked.given, "query"))
    limit = integer(asked.given, "limit") or DEFAULT_OBJECTS
    page = number_in(text(asked.given, "page"), 0)
    if limit > MAX_OBJECTS:
        raise invalid("This value must be less than or equal to 100.", param="limit")
    path = asked.call.http.target.partition("?")[0]

    def show() -> Shown:
        fits: Iterator[Shown] = (
            each for each in known if (any if is_any else all)(_fits(each, one) for one in clauses)
        )
        data = list(islice(fits, page * limit, (page + 1) * limit + 1))
        has_more = len(data) > limit
        return {
            "object": "search_result",
            "data": data[:limit],
            "has_more": has_more,
            "next_page": str(page + 1) if has_more else None,
            "url": path,
        }

    return account.looked_up(show)


def _clauses(query: str) -> tuple[list[re.Match[str]], bool]:
    """The clauses of a query, and whether any one of them is enough. Raises Invalid."""
    clauses: list[re.Match[str]] = []
    joins: set[str] = set()
    place = 0
    while place < len(query):
        found = _CLAUSE.match(query, place)
        if found is None:
            raise invalid(
                "We were unable to parse your search query. Try using the format "
                '`metadata["key"]:"value"` to query for metadata or key:"value" to query for other '
                "fields.",
                param="query",
            )
        clauses.append(found)
        join = _JOIN.match(query, found.end())
        joins.add((join[1] or "AND").strip().upper() if join is not None else "")
        place = join.end() if join is not None else found.end()
    joins.discard("")
    if joins == {"AND", "OR"}:
        raise invalid("You cannot combine AND and OR in the same query.", param="query")
    return clauses, joins == {"OR"}


def _fits(shown: Shown, clause: re.Match[str]) -> bool:
    """Whether an object matches a clause."""
    value: Any = shown.get(clause["field"])
    if clause["key"] is not None:
        value = value.get(clause["key"]) if isinstance(value, dict) else None
    wanted = clause["value"].strip("\"'")
    if clause["value"] == "null":
        is_fit = value is None
    elif clause["sign"] == "~":
        is_fit = wanted.lower() in str(value or "").lower()
    elif clause["sign"] == ":":
        is_fit = value is not None and str(value).lower() == wanted.lower()
    else:
        is_fit = _compares(value, clause["sign"], wanted)
    return is_fit != bool(clause["not"])


def _compares(value: Any, sign: str, wanted: str) -> bool:
    digits = wanted.removeprefix("-")
    if not isinstance(value, int) or not (digits.isascii() and digits.isdecimal()):
        return False
    bound = int(wanted[:MAX_DIGITS])
    match sign:
        case "<":
            return value < bound
        case "<=":
            return value <= bound
        case ">":
            return value > bound
        case _:
            return value >= bound
