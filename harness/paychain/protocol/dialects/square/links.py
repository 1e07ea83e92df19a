"""Payment links: a page of Square's where a customer pays, and the order that it completes.

`GET /square-checkout/{id}?card=…` pays and sends the customer to `redirect_url`.
Source: the models of `squareup` (python); the parameters of the redirect are from memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from paychain.payments.cards import TEST_CARDS
from paychain.payments.checkout_card import token_of
from paychain.protocol.dialects.square import order_views, orders, payments, reading
from paychain.protocol.dialects.square.account import HOSTS, Account, Order, PaymentLink, payment_id
from paychain.protocol.dialects.square.errors import Invalid
from paychain.protocol.dialects.square.views import when
from paychain.protocol.json_text import decoded
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_ids import encode
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import (
    base_of,
    customers_page,
    key_of_press,
    processing_page,
    query_of,
    sent_to,
)
from paychain.wire.http import HttpResponse, json_response

PATH, PAGE = "v2/online-checkout/payment-links", "/square-checkout/"
MAX_LISTED = 100  # links in one answer
MAX_NAMED = 24  # characters encoded in a link's id; its number and creation time come first
_USED = frozenset(
    {"checkout_options", "description", "idempotency_key", "order", "payment_note", "quick_pay"}
)
_SHOWN = ("checkout_options", "description", "payment_note", "pre_populated_data")


async def create(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/online-checkout/payment-links`: a repeated key returns its link."""
    body = reading.read(call.http.body, "CreatePaymentLink")
    new = partial(_link_from, call, account, body)
    keyed = account.begin(account.links_by_key, call.http, body, new)
    link = keyed.made
    account.ignored.note(call, body, _USED)

    def keep() -> None:
        # A repeat must not bring back what was deleted since.
        if keyed.done():
            account.links[link.id] = link
            account.orders[link.order.id] = link.order

    await _attribute(call, account, link, change=keep)
    shown = _link_shown(call, link)
    related = {"orders": [order_views.order(account, link.order)]}
    return json_response(200, {"payment_link": shown, "related_resources": related})


async def show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/online-checkout/payment-links/{id}`."""
    link = _found(account, name)
    await _attribute(call, account, link)
    return json_response(200, {"payment_link": _link_shown(call, link)})


async def delete(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`DELETE /v2/online-checkout/payment-links/{id}`: it can no longer be paid."""
    link = _found(account, name)

    def end() -> None:
        account.links.pop(name, None)
        link.order.is_canceled = True

    await _attribute(call, account, link, change=end)
    return json_response(200, {"id": name, "cancelled_order_id": link.order.id})


async def list_links(call: VendorCall, account: Account) -> HttpResponse:
    """`GET /v2/online-checkout/payment-links`, by `limit` and `cursor`: the newest first."""
    await execute_nothing(call)
    newest = list(reversed(account.links.values()))
    part, more = reading.page_of(newest, query_of(call.http), MAX_LISTED)
    return json_response(200, {"payment_links": [_link_shown(call, link) for link in part], **more})


async def visit(call: VendorCall, account: Account) -> HttpResponse:
    """The customer pays on the page. Raises Invalid for an unknown link."""
    link = _found(account, _name_in(call.http.target))
    paid = _paid(account, link)
    if paid:
        await _attribute(call, account, link)
        return _back(link, paid)
    if order_views.begun(account, link.order):
        await _attribute(call, account, link)
        return processing_page(b"{}")
    card = query_of(call.http).get("card")
    if card:
        call.card_given()
    body = {
        "source_id": card or token_of(TEST_CARDS[0]),
        "idempotency_key": key_of(account, call.http.target),
        "amount_money": {
            "amount": order_views.due_minor(account, link.order),
            "currency": link.order.sums.currency,
        },
        "order_id": link.order.id,
        "note": link.echoed.get("payment_note", ""),
        "reference_id": _reference_id(link.order),
    }
    answer = await payments.pay_by(call, account, body)
    if answer.status >= 400:
        return customers_page(answer.status, "Your card was declined.", answer.body)
    if decoded(answer.body)["payment"]["status"] == "PENDING":
        return processing_page(answer.body)
    return _back(link, link.order.attempts.references[-1])


def key_of(account: Account, target: str) -> str:
    """The key under which the page pays: one press of its button charges once."""
    link = account.links.get(_name_in(target))
    return key_of_press(target, len(link.order.attempts.references)) if link is not None else ""


def _name_in(target: str) -> str:
    return target.partition("?")[0].removeprefix(PAGE)


def _back(link: PaymentLink, reference: str) -> HttpResponse:
    if not link.redirect_url:
        return customers_page(200, "Thank you for your order.", b"{}")
    query = {"orderId": link.order.id, "transactionId": payment_id(reference)}
    if _reference_id(link.order):
        query["referenceId"] = _reference_id(link.order)
    return sent_to(link.redirect_url, query)


def _reference_id(order: Order) -> str:
    return str(order.asked.get("reference_id") or "")


def _paid(account: Account, link: PaymentLink) -> str:
    """Our reference of the link's payment in the book, "" if it has not been paid."""
    paid = order_views.paid_by(account, link.order, "APPROVED", "COMPLETED")
    return paid[0][1] if paid else ""


def _found(account: Account, name: str) -> PaymentLink:
    link = account.links.get(name)
    if link is None:
        raise Invalid("not_found", what=f"payment link with id: {name}")
    return link


def _link_from(call: VendorCall, account: Account, body: dict[str, Any]) -> PaymentLink:
    """The link that a request body describes. Raises Invalid."""
    quick, order, options = (
        reading.inside(body, name) for name in ("quick_pay", "order", _SHOWN[0])
    )
    if bool(quick) == bool(order):
        raise Invalid("missing", field="quick_pay")
    if quick:
        reading.text(quick, "name")
        reading.amount(quick, "price_money", "quick_pay.")
        line = {"name": quick["name"], "quantity": "1", "base_price_money": quick["price_money"]}
        order = {"location_id": reading.text(quick, "location_id"), "line_items": [line]}
    sold = orders.from_request(call, account, order)
    name = f"{account.ids_made}/{sold.created_s}/"
    return PaymentLink(
        id=encode(f"{name}{account.backend.link}"[:MAX_NAMED]),
        order=sold,
        echoed={each: body[each] for each in _SHOWN if body.get(each)},
        redirect_url=str(options.get("redirect_url") or ""),
        created_s=sold.created_s,
    )


async def _attribute(
    call: VendorCall,
    account: Account,
    link: PaymentLink,
    change: Callable[[], object] | None = None,
) -> None:
    """Faults and capacity apply to what moves no money, too."""
    texts = [*link.order.texts, *(link.echoed.get(name) for name in _SHOWN[1:3])]
    call.attribute(
        Evidence(
            headers=call.http.headers,
            texts=tuple(each for each in texts if isinstance(each, str)),
            key=account.key(call.http),
            makes_attempt=False,
        )
    )
    await execute_nothing(call, change=change)


def _link_shown(call: VendorCall, link: PaymentLink) -> dict[str, Any]:
    url = f"{base_of(call.http, HOSTS)}{PAGE}{link.id}"
    return {
        "id": link.id,
        "version": 1,
        "order_id": link.order.id,
        **link.echoed,
        "url": url,
        "long_url": url,
        "created_at": when(link.created_s),
    }
