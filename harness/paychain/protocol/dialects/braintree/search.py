"""The search for transactions: first the ids of all matches, then the transactions by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from paychain.payments.money import decimal_of
from paychain.protocol.dates import seconds_of
from paychain.protocol.dialects.braintree.account import Account, inside
from paychain.protocol.dialects.braintree.documents import Rows, read
from paychain.protocol.dialects.braintree.errors import NotFound, document
from paychain.protocol.dialects.braintree.objects import amount, shown, status_of
from paychain.protocol.dialects.braintree.records import IdTarget
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_nothing import NOTHING, execute_nothing
from paychain.wire.http import HttpResponse

PAGE_SIZE = 50  # transactions fetched at a time by the SDKs
MAX_FOUND = 20_000  # Braintree's limit on a search; docs: general/searching
_Matcher = Callable[[str, Any], bool]
_TEXT: dict[str, _Matcher] = {
    "is": lambda value, wanted: value == wanted,
    "is_not": lambda value, wanted: value != wanted,
    "starts_with": lambda value, wanted: value.startswith(wanted),
    "ends_with": lambda value, wanted: value.endswith(wanted),
    "contains": lambda value, wanted: wanted in value,
}
_TEXTS = ("customer_id", "id", "order_id", "payment_method_token", "status", "type")
_USED = frozenset({*_TEXTS, "amount", "created_at", "ids"})
Criteria = dict[str, Any]


async def ids(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /transactions/advanced_search_ids`."""
    criteria = _criteria(call)
    await look(call, criteria)
    matching = [id_of(named) for named in found_by(account, criteria)]
    return document(
        200,
        "search_results",
        {"page_size": PAGE_SIZE, "ids": Rows("item", matching[:MAX_FOUND])},
    )


async def transactions(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /transactions/advanced_search`: those of the given ids that still match."""
    criteria = _criteria(call)
    await look(call, criteria)
    found = [shown(account, named) for named in found_by(account, criteria)][:PAGE_SIZE]
    return document(
        200, "credit_card_transactions", Rows("transaction", found, page_size=PAGE_SIZE)
    )


async def look(call: VendorCall, criteria: Criteria) -> None:
    """A search asks about the payment whose order it names."""
    order = inside(criteria, "order_id").get("is")
    payment = ""
    if isinstance(order, str):
        evidence = Evidence(headers=call.http.headers, texts=(order,), makes_attempt=False)
        payment = call.attribute(evidence).payment
    await execute_nothing(call, replace(NOTHING, payment=payment))


def _criteria(call: VendorCall) -> Criteria:
    given = read(call.http.body, call.http.headers.get("content-type", ""))
    criteria = inside(given, "search")
    for name in criteria.keys() - _USED:
        # Transactions that do not match must not be taken for some that do.
        call.not_served(f"a search for transactions by {name}")
        raise NotFound
    return criteria


def id_of(named: IdTarget) -> str:
    """The id of a transaction or credit."""
    transaction, part = named.transaction, named.part
    return transaction.id_of(part) if part is not None else transaction.id


def found_by(account: Account, criteria: Criteria) -> Iterator[IdTarget]:
    """The transactions and credits that a search finds, newest first."""
    wanted = criteria.get("ids")
    for named in _all(account) if wanted is None else _by_id(account, wanted):
        if _matches(account, named, criteria):
            yield named


def _by_id(account: Account, wanted: Any) -> Iterator[IdTarget]:
    for name in wanted if isinstance(wanted, list) else [wanted]:
        named = account.registry.named(str(name))
        if named is not None:
            yield named


def _all(account: Account) -> Iterator[IdTarget]:
    for transaction in account.registry.newest_first():
        entry = account.entry(transaction.reference)
        # A request that was never executed has created nothing.
        if entry is None and transaction.answer is None and not transaction.rejection:
            continue
        for part in (*transaction.refunded(entry), *transaction.settled(entry)):
            if part.is_own:
                yield IdTarget(transaction=transaction, part=part)
        yield IdTarget(transaction=transaction)


def _matches(account: Account, named: IdTarget, criteria: Criteria) -> bool:
    transaction, part = named.transaction, named.part
    values = {
        "id": id_of(named),
        "order_id": (part.order_id if part is not None else "") or transaction.order_id,
        "status": status_of(account, named),
        "type": "credit" if part in transaction.refunds else "sale",
        "customer_id": str(inside(transaction.shown, "customer").get("id") or ""),
        "payment_method_token": str(inside(transaction.shown, "card").get("token") or ""),
    }
    for name, value in values.items():
        term = criteria.get(name)
        if not fits(value, term):
            return False
    created_s = part.created_s if part is not None else transaction.created_s
    if not _is_in_time(created_s, inside(criteria, "created_at")):
        return False
    minor = part.amount_minor if part is not None else transaction.request.amount_minor
    written = amount(minor, transaction.request.currency)
    return _is_within(Decimal(written), inside(criteria, "amount"))


def fits(value: str, term: Any) -> bool:
    """Whether a text is one of a list, or as a search says (`is`, `contains`, …)."""
    if isinstance(term, list):
        return value in term
    if not isinstance(term, dict):
        return True
    return all(_TEXT[how](value, wanted) for how, wanted in term.items() if how in _TEXT)


def _is_in_time(created_s: int, term: dict[str, Any]) -> bool:
    try:
        # The SDKs write every time in UTC.
        bounds = {how: seconds_of(str(wanted), UTC) for how, wanted in term.items()}
    except ValueError:
        return False
    least, most = bounds.get("min", created_s), bounds.get("max", created_s)
    return least <= created_s <= most and bounds.get("is", created_s) == created_s


def _is_within(value: Decimal, term: dict[str, Any]) -> bool:
    bounds: dict[str, Decimal] = {}
    for how, wanted in term.items():
        bound = decimal_of(str(wanted))
        if bound is None:
            return False
        bounds[how] = bound
    return bounds.get("is", value) == value and bounds.get("min", value) <= value <= bounds.get(
        "max", value
    )
