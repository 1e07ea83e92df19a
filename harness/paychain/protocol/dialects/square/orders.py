"""`/v2/orders`: what is sold, and what payments that name it have paid of it.

An order is paid by a payment of its whole amount that names it, or by several held ones, which
`POST …/pay` completes together. Source: the models and documentation of `squareup` (python) 46.0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

from paychain.protocol.dates import seconds_of
from paychain.protocol.dialects.square import order_views, payments, reading
from paychain.protocol.dialects.square.account import (
    Account,
    Order,
    reference_of,
    reference_of_order,
)
from paychain.protocol.dialects.square.errors import Invalid, failure
from paychain.protocol.dialects.square.order_sums import parts_of, sums_of
from paychain.protocol.dialects.square.order_updates import OURS, PARTS, name_parts, updated
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_attempts import Attempts
from paychain.protocol.vendor_ids import encode
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse, json_response

PATH = "v2/orders"
MAX_LISTED = 1_000  # orders in one page, as at Square
_ELSEWHERE = ("catalog_object_id", "rewards", "pricing_options")  # a catalog and a loyalty program
_USED_ORDER = frozenset(
    {
        *(
            "customer_id",
            "location_id",
            "metadata",
            "reference_id",
            "source",
            "state",
            "ticket_name",
        ),
        *PARTS,
    }
)
_SHOWN_PART = ("metadata", "name", "note", "uid")
_USED_PARTS = {
    "line_items": frozenset(
        {
            *_SHOWN_PART,
            *("applied_discounts", "applied_taxes", "base_price_money", "item_type", "modifiers"),
            *("quantity", "variation_name"),
        }
    ),
    "discounts": frozenset({*_SHOWN_PART, "amount_money", "percentage", "scope", "type"}),
    "taxes": frozenset({*_SHOWN_PART, "percentage", "scope", "type"}),
    # All are charged on the lines before taxes, and none is taxed.
    "service_charges": frozenset({*_SHOWN_PART, "amount_money", "percentage"}),
}
_USED_SEARCH = frozenset({"location_ids", "query", "cursor", "limit"})
_FILTERS = ("state_filter", "customer_filter", "date_time_filter")
Given = dict[str, Any]


async def create(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/orders`: a repeated key returns its order. Raises Invalid."""
    body = reading.read(call.http.body, "CreateOrder")
    wanted = reading.inside(body, "order")
    keyed = account.begin(
        account.orders_by_key, call.http, body, lambda: from_request(call, account, wanted)
    )
    order = keyed.made

    def keep() -> None:
        if keyed.done():
            account.orders[order.id] = order

    await _execute(call, account, order, keep)
    return _answer(account, order)


async def calculate(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/orders/calculate`: what an order would come to. Raises Invalid."""
    body = reading.read(call.http.body, "CalculateOrder")
    account.ignored.note(call, body, frozenset({"order"}))
    order = from_request(call, account, reading.inside(body, "order"))
    await _execute(call, account, order)
    shown = order_views.order(account, order)
    return json_response(200, {"order": {name: shown[name] for name in shown if name != "id"}})


async def show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/orders/{id}`. Raises Invalid."""
    order = found(account, name)
    await _execute(call, account, order)
    return _answer(account, order)


async def retrieve(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/orders/batch-retrieve`: those that are known."""
    body = reading.read(call.http.body, "BatchRetrieveOrders")
    names = body.get("order_ids")
    if not isinstance(names, list) or not names:
        raise Invalid("missing", field="order_ids")
    await execute_nothing(call)
    known = (_known(account, str(name)) for name in names)
    shown = [order_views.order(account, order) for order in known if order is not None]
    return json_response(200, {"orders": shown} if shown else {})


async def update(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`PUT /v2/orders/{id}`: of the version that the request names. Raises Invalid."""
    body = reading.read(call.http.body, "UpdateOrder")
    order = found(account, name)

    def new() -> Order:
        return _changed(call, account, order, body)

    keyed = account.begin(account.orders_by_key, call.http, body, new)
    changed = keyed.made

    def apply() -> None:
        # Another update may have come between: the key of one that is too late stays unused.
        if not keyed.is_done and order.version != changed.version:
            return
        if keyed.done():
            # One that Square has made itself is kept from now on.
            account.orders.setdefault(order.id, order)
            order.asked, order.sums, order.is_canceled = (
                changed.asked,
                changed.sums,
                changed.is_canceled,
            )
            order.version += 1
            order.updated_s = account.backend.now_s()

    await _execute(call, account, order, apply)
    if not keyed.is_done:
        return failure("version", field="order.version")
    return _answer(account, order)


async def search(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/orders/search`: by location, state, customer and time of creation, newest first."""
    body = reading.read(call.http.body, "SearchOrders")
    if not isinstance(body.get("location_ids"), list):
        raise Invalid("missing", field="location_ids")
    account.ignored.note(call, body, _USED_SEARCH)
    query = reading.inside(body, "query")
    wanted = reading.inside(query, "filter", "query.")
    for name in wanted.keys() - set(_FILTERS):
        # Orders that do not match must not be taken for some that do.
        call.not_served(f"a search for orders by {name}")
        raise Invalid("bad_request", field=f"query.filter.{name}")
    fits = _filter(account, wanted)
    await execute_nothing(call)
    known = [each for each in account.orders.values() if fits(each)]
    if account.location not in body["location_ids"]:
        known = []
    if reading.inside(query, "sort", "query.").get("sort_order") != "ASC":
        known.reverse()
    paging: dict[str, str] = {name: str(body.get(name) or "") for name in ("cursor", "limit")}
    part, more = reading.page_of(known, paging, MAX_LISTED)
    shown = [order_views.order(account, order) for order in part]
    return json_response(200, {"orders": shown, **more} if shown else more)


async def pay(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /v2/orders/{id}/pay`: complete held payments that make up its total.

    One that costs nothing is marked as paid by no payment at all. Raises Invalid.
    """
    body = reading.read(call.http.body, "PayOrder")
    reading.text(body, "idempotency_key")
    account.ignored.note(call, body, frozenset({"idempotency_key", "payment_ids", "order_version"}))
    order = found(account, name)
    if (state := order_views.state(account, order)) == order_views.DRAFT:
        raise Invalid("order_closed", what=state)
    # Each once: a payment that is named twice is completed once.
    names = dict.fromkeys(map(str, reading.listed(body, "payment_ids")))
    held = [_held(account, order, name) for name in names]
    total_minor = sum(
        order_views.worth(payment)
        for payment, reference in order_views.paid_by(account, order, "APPROVED", "COMPLETED")
        if reference in held
    )
    if total_minor != order.sums.total_minor:
        raise Invalid("order_total", field="payment_ids")
    is_open = _is_open(account, held) or (not held and not order.is_marked_paid)
    if body.get("order_version") not in (None, order.version) and is_open:
        raise Invalid("version", field="order_version")
    if held:
        await payments.complete_all(call, account, held)
    else:
        await _execute(call, account, order, partial(setattr, order, "is_marked_paid", True))
    return _answer(account, order)


def found(account: Account, name: str) -> Order:
    """The order with an id. Raises Invalid."""
    order = _known(account, name)
    if order is None:
        raise Invalid("not_found", what=f"order with id: {name}")
    return order


def from_request(call: VendorCall, account: Account, wanted: Mapping[str, Any]) -> Order:
    """The order that a request describes. Raises Invalid."""
    asked = deepcopy({each: wanted[each] for each in wanted if each not in OURS})
    reading.text(asked, "location_id", "order.")
    _refuse_elsewhere(call, asked)
    _note_ignored(call, account, asked)
    name_parts(asked)
    account.ids_made += 1
    now_s = account.backend.now_s()
    return Order(
        id=encode(f"{account.ids_made}/{now_s}/o"),
        asked=asked,
        sums=sums_of(asked),
        created_s=now_s,
        updated_s=now_s,
        is_canceled=asked.get("state") == order_views.CANCELED,
    )


def _refuse_elsewhere(call: VendorCall, asked: Given) -> None:
    """Refuse what needs a catalog or a loyalty program, neither of which the mock has."""
    parts = [asked, *(each for name in PARTS for each in parts_of(asked, name))]
    parts += [
        each for line in parts_of(asked, "line_items") for each in parts_of(line, "modifiers")
    ]
    for name in _ELSEWHERE:
        if any(part.get(name) for part in parts):
            call.not_served(f"an order with {name}")
            raise Invalid("not_found", field=f"order.{name}", what="what it names")


def _note_ignored(call: VendorCall, account: Account, asked: Given) -> None:
    """Report what the mock shows again, and nothing more."""
    account.ignored.note(call, asked, _USED_ORDER, "order.")
    for name, used in _USED_PARTS.items():
        for each in parts_of(asked, name):
            account.ignored.note(call, each, used, f"order.{name}.")


def _known(account: Account, name: str) -> Order | None:
    """The order with an id, which Square makes itself for a payment that names none."""
    order = account.orders.get(name)
    if order is not None:
        return order
    payment = account.payment(reference_of_order(name))
    if payment is None or payment.echoed.get("order_id"):
        return None
    price = {"amount": order_views.worth(payment), "currency": payment.request.currency}
    line = {"uid": "line_items-1", "quantity": "1", "base_price_money": price}
    asked: Given = {"line_items": [{**line, "item_type": "CUSTOM_AMOUNT"}]}
    if payment.echoed.get("reference_id"):
        asked["reference_id"] = payment.echoed["reference_id"]
    return Order(
        id=name,
        asked=asked,
        sums=sums_of(asked),
        created_s=payment.requested_s,
        updated_s=payment.updated_s,
        attempts=Attempts([payment.reference]),
    )


def _changed(call: VendorCall, account: Account, order: Order, body: Given) -> Order:
    """An order as an update leaves it. Raises Invalid."""
    change = reading.inside(body, "order")
    if change.get("version") != order.version:
        raise Invalid("version", field="order.version")
    state = order_views.state(account, order)
    if state not in (order_views.DRAFT, order_views.OPEN):
        raise Invalid("order_closed", what=state)
    asked = updated(order.asked, body)
    _refuse_elsewhere(call, asked)
    name_parts(asked)
    is_canceled = change.get("state") == order_views.CANCELED
    changed = replace(order, asked=asked, sums=sums_of(asked), is_canceled=is_canceled)
    written = {name: value for name, value in change.items() if name not in (*OURS, "version")}
    _note_ignored(call, account, written)
    return changed


def _held(account: Account, order: Order, name: str) -> str:
    """Our reference of a payment that an order can be paid with. Raises Invalid."""
    reference = reference_of(name)
    states = ("APPROVED", "COMPLETED")
    if reference not in (each for _, each in order_views.paid_by(account, order, *states)):
        raise Invalid("order_payment", field="payment_ids")
    return reference


def _is_open(account: Account, references: Iterable[str]) -> bool:
    return any(payments.is_held(account, reference) for reference in references)


def _filter(account: Account, wanted: Given) -> Callable[[Order], bool]:
    """Whether an order is one that a search asks for. Raises Invalid."""
    by_state = reading.inside(wanted, "state_filter", "query.filter.")
    states = reading.listed(by_state, "states", "query.filter.state_filter.")
    by_owner = reading.inside(wanted, "customer_filter", "query.filter.")
    owners = reading.listed(by_owner, "customer_ids", "query.filter.customer_filter.")
    times = reading.inside(wanted, "date_time_filter", "query.filter.")
    window = reading.inside(times, "created_at", "query.filter.date_time_filter.")
    first_s, last_s = (_seconds(window, name) for name in ("start_at", "end_at"))

    def fits(order: Order) -> bool:
        return (
            (not states or order_views.state(account, order) in states)
            and (not owners or order.asked.get("customer_id") in owners)
            and (first_s is None or first_s <= order.created_s)
            and (last_s is None or order.created_s <= last_s)
        )

    return fits


def _seconds(window: Given, name: str) -> float | None:
    try:
        return seconds_of(str(window[name])) if window.get(name) else None
    except ValueError:
        raise Invalid("time", field=f"query.filter.date_time_filter.created_at.{name}") from None


async def _execute(
    call: VendorCall,
    account: Account,
    order: Order,
    change: Callable[[], object] | None = None,
) -> None:
    """Faults and capacity apply to what moves no money, too."""
    call.attribute(
        Evidence(
            headers=call.http.headers,
            texts=order.texts,
            key=account.key(call.http),
            makes_attempt=False,
        )
    )
    await execute_nothing(call, change=change)


def _answer(account: Account, order: Order) -> HttpResponse:
    return json_response(200, {"order": order_views.order(account, order)})
