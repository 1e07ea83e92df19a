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
from paychain.protocol.dialects.square import payments, reading
from paychain.protocol.dialects.square.account import Account, PaymentLink, payment_id, status
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
    number_in,
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
    new = partial(_link_from, account, body)
    keyed = account.begin(account.links_by_key, call.http, body, new)
    link = keyed.made
    account.ignored.note(call, body, _USED)

    def keep() -> None:
        # A repeat must not bring back what was deleted since.
        if keyed.done():
            account.links[link.id] = link

    await _attribute(call, account, link, change=keep)
    shown = _link_shown(call, link)
    related = {"orders": [_order_shown(account, link)]}
    return json_response(200, {"payment_link": shown, "related_resources": related})


async def show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/online-checkout/payment-links/{id}`."""
    link = _found(account, name)
    await _attribute(call, account, link)
    return json_response(200, {"payment_link": _link_shown(call, link)})


async def delete(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`DELETE /v2/online-checkout/payment-links/{id}`: it can no longer be paid."""
    link = _found(account, name)
    await _attribute(call, account, link, change=lambda: account.links.pop(name, None))
    return json_response(200, {"id": name, "cancelled_order_id": link.order_id})


async def list_links(call: VendorCall, account: Account) -> HttpResponse:
    """`GET /v2/online-checkout/payment-links`, by `limit` and `cursor`: the newest first."""
    await execute_nothing(call)
    newest = list(reversed(account.links.values()))
    part, more = reading.page_of(newest, query_of(call.http), MAX_LISTED)
    return json_response(200, {"payment_links": [_link_shown(call, link) for link in part], **more})


async def show_order(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/orders/{id}`, of a payment link. Raises Invalid."""
    link = next((link for link in account.links.values() if link.order_id == name), None)
    if link is None:
        raise Invalid("not_found", what=f"order with id: {name}")
    await _attribute(call, account, link)
    return json_response(200, {"order": _order_shown(account, link)})


async def visit(call: VendorCall, account: Account) -> HttpResponse:
    """The customer pays on the page. Raises Invalid for an unknown link."""
    link = _found(account, _name_in(call.http.target))
    paid = _paid(account, link)
    if paid:
        await _attribute(call, account, link)
        return _back(link, paid)
    body = {
        "source_id": query_of(call.http).get("card") or token_of(TEST_CARDS[0]),
        "idempotency_key": key_of(account, call.http.target),
        "amount_money": {"amount": link.amount_minor, "currency": link.currency},
        "order_id": link.order_id,
        "note": link.echoed.get("payment_note", ""),
        "reference_id": str(link.order.get("reference_id") or ""),
    }
    answer = await payments.pay_by(call, account, body, link.references.append)
    if answer.status >= 400:
        return customers_page(answer.status, "Your card was declined.", answer.body)
    if decoded(answer.body)["payment"]["status"] == "PENDING":
        return customers_page(200, "Your payment is being processed.", answer.body)
    return _back(link, link.references[-1])


def key_of(account: Account, target: str) -> str:
    """The key under which the page pays: one press of its button charges once."""
    link = account.links.get(_name_in(target))
    return key_of_press(target, len(link.references)) if link is not None else ""


def _name_in(target: str) -> str:
    return target.partition("?")[0].removeprefix(PAGE)


def _back(link: PaymentLink, reference: str) -> HttpResponse:
    if not link.redirect_url:
        return customers_page(200, "Thank you for your order.", b"{}")
    query = {"orderId": link.order_id, "transactionId": payment_id(reference)}
    if link.order.get("reference_id"):
        query["referenceId"] = str(link.order["reference_id"])
    return sent_to(link.redirect_url, query)


def _paid(account: Account, link: PaymentLink) -> str:
    """Our reference of the link's payment in the book, "" if it has not been paid."""
    for reference in link.references:
        if status(account.backend.entry(reference)) in ("APPROVED", "COMPLETED"):
            return reference
    return ""


def _found(account: Account, name: str) -> PaymentLink:
    link = account.links.get(name)
    if link is None:
        raise Invalid("not_found", what=f"payment link with id: {name}")
    return link


def _link_from(account: Account, body: dict[str, Any]) -> PaymentLink:
    """The link that a request body describes. Raises Invalid."""
    quick, order, options = (_inside(body, name) for name in ("quick_pay", "order", _SHOWN[0]))
    if bool(quick) == bool(order):
        raise Invalid("missing", field="quick_pay")
    if quick:
        reading.text(quick, "name")
        price = reading.amount(quick, "price_money", "quick_pay.")
        line = {"name": quick["name"], "quantity": "1", "base_price_money": quick["price_money"]}
        order = {"location_id": reading.text(quick, "location_id"), "line_items": [line]}
        total_minor, currency = price.minor, price.currency
    else:
        total_minor, currency = _sum_of(order)
    account.ids_made += 1
    now_s = account.backend.now_s()
    name = f"{account.ids_made}/{now_s}/"
    return PaymentLink(
        id=encode(f"{name}{account.backend.link}"[:MAX_NAMED]),
        order_id=encode(f"{name}o"),
        order=order,
        echoed={each: body[each] for each in _SHOWN if body.get(each)},
        redirect_url=str(options.get("redirect_url") or ""),
        amount_minor=total_minor,
        currency=currency,
        created_s=now_s,
    )


def _sum_of(order: dict[str, Any]) -> tuple[int, str]:
    """The total of an order's lines in minor units, and its currency. Raises Invalid."""
    reading.text(order, "location_id")
    lines = order.get("line_items")
    if (
        not isinstance(lines, list)
        or not lines
        or not all(isinstance(each, dict) for each in lines)
    ):
        raise Invalid("missing", field="order.line_items")
    total_minor, currencies = 0, set()
    for number, line in enumerate(lines):
        at = f"order.line_items[{number}]."
        quantity = reading.text(line, "quantity")
        if not number_in(quantity, 0):
            raise Invalid("integer", field=f"{at}quantity")
        price = reading.amount(line, "base_price_money", at)
        total_minor += price.minor * int(quantity)
        currencies.add(price.currency)
    if len(currencies) > 1:
        raise Invalid("other_currency", field="order.line_items")
    return total_minor, currencies.pop()


def _inside(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise Invalid("object", field=name)
    return value


async def _attribute(
    call: VendorCall,
    account: Account,
    link: PaymentLink,
    change: Callable[[], object] | None = None,
) -> None:
    """Faults and capacity apply to what moves no money, too."""
    texts = [link.order.get("reference_id"), *(link.echoed.get(name) for name in _SHOWN[1:3])]
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
    url = f"{base_of(call.http)}{PAGE}{link.id}"
    return {
        "id": link.id,
        "version": 1,
        "order_id": link.order_id,
        **link.echoed,
        "url": url,
        "long_url": url,
        "created_at": when(link.created_s),
    }


def _order_shown(account: Account, link: PaymentLink) -> dict[str, Any]:
    paid, money = _paid(account, link), {"amount": link.amount_minor, "currency": link.currency}
    shown: dict[str, Any] = {
        **link.order,
        "id": link.order_id,
        "state": "COMPLETED" if paid else "OPEN",
        "total_money": money,
        "net_amount_due_money": {**money, "amount": 0 if paid else link.amount_minor},
        "created_at": when(link.created_s),
        "version": 1,
    }
    if paid:
        tender = {"id": payment_id(paid), "payment_id": payment_id(paid), "type": "CARD"}
        shown["tenders"] = [{**tender, "amount_money": money}]
    return shown
