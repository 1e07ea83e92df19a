"""Hosted payments pages: `/hosted-payments`, and the page where the customer pays.

`GET /hosted/{id}?card=…` pays and redirects the customer to `success_url` or `failure_url`, with
`3ds.enabled` through the bank's page; `?result=canceled` redirects to `cancel_url`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.checkout_card import token_of
from paychain.protocol.dialects.checkout import payments, reading, views
from paychain.protocol.dialects.checkout.account import Account, Page, payment_id
from paychain.protocol.dialects.checkout.errors import Invalid
from paychain.protocol.json_text import decoded
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_ids import BASE32, encode
from paychain.protocol.vendor_nothing import NOTHING, execute_nothing
from paychain.protocol.vendor_pages import PAID, customers_page, key_of_press, query_of, sent_to
from paychain.wire.http import HttpResponse, json_response

PAGE = "hosted"
_PAYMENT_FIELDS = (
    *("3ds", "amount", "capture", "currency", "description"),
    *("failure_url", "metadata", "reference", "success_url"),
)
_USED = frozenset({*_PAYMENT_FIELDS, "cancel_url"})
_URLS = ("success_url", "failure_url", "cancel_url")


async def create(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /hosted-payments`. Raises Invalid."""
    body = reading.read(call.http.body)
    if reading.amount(body) is None:
        raise Invalid("amount")
    reading.currency(body)
    if not all(isinstance(body.get(name), str) and body[name] for name in _URLS):
        raise Invalid("return_url")
    account.ignored.note(call, body, _USED)
    name = f"{account.pages_created}-{account.backend.now_s()}-{body.get('reference') or ''}"
    account.pages_created += 1
    page = Page(
        id=f"hpp_{encode(name.encode('ascii', 'replace').decode()[:40], BASE32)}", body=body
    )
    await _attribute(call, account, body, lambda: account.pages.setdefault(page.id, page))
    base = views.base_url(call.http)
    shown = {
        "id": page.id,
        "reference": str(body.get("reference") or ""),
        "_links": {
            "self": {"href": f"{base}/hosted-payments/{page.id}"},
            "redirect": {"href": f"{base}/{PAGE}/{page.id}"},
        },
    }
    return json_response(201, shown)


async def show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /hosted-payments/{id}`."""
    page = _found(account, name)
    await _attribute(call, account, page.body)
    paid = _paid(account, page)
    shown: dict[str, Any] = {
        "id": page.id,
        "status": "Payment Received" if paid else "Payment Pending",
        "reference": str(page.body.get("reference") or ""),
        "amount": page.body["amount"],
        "currency": page.body["currency"],
        "_links": {"self": {"href": f"{views.base_url(call.http)}/hosted-payments/{page.id}"}},
    }
    if paid:
        shown["payment_id"] = payment_id(paid)
    return json_response(200, shown)


async def visit(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """The customer pays on the page, or leaves it. Raises Invalid for an unknown page."""
    page = _found(account, name)
    given = query_of(call.http)
    paid = _paid(account, page)
    if paid or given.get("result") == "canceled":
        await _attribute(call, account, page.body)
        return _back(page, "success_url", paid) if paid else sent_to(page.body["cancel_url"])
    body = {each: page.body[each] for each in _PAYMENT_FIELDS if each in page.body}
    card = given.get("card") or token_of(TEST_CARDS[0])
    body["source"] = {"type": "token", "token": card}
    answer = await payments.pay_by(call, account, body, page.references.append)
    shown = decoded(answer.body)
    if redirect := shown.get("_links", {}).get("redirect"):
        return sent_to(redirect["href"])
    if shown.get("status") == "Pending":
        return customers_page(200, "Your payment is being processed.", answer.body)
    way = "success_url" if shown.get("approved") else "failure_url"
    return _back(page, way, page.references[-1])


def key_of(account: Account, target: str) -> str:
    """The key under which the page pays: one press of its button charges once."""
    page = account.pages.get(target.partition("?")[0].rpartition("/")[2])
    return key_of_press(target, len(page.references)) if page is not None else ""


def _back(page: Page, way: str, reference: str) -> HttpResponse:
    return sent_to(str(page.body[way]), {"cko-payment-id": payment_id(reference)})


def _found(account: Account, name: str) -> Page:
    page = account.pages.get(name)
    if page is None:
        raise Invalid("not_found")
    return page


def _paid(account: Account, page: Page) -> str:
    """Our reference of the page's payment in the book, "" if it has not been paid."""
    for reference in page.references:
        entry = account.backend.entry(reference)
        if entry is not None and entry.state in PAID:
            return reference
    return ""


async def _attribute(
    call: VendorCall,
    account: Account,
    body: dict[str, Any],
    change: Callable[[], object] | None = None,
) -> None:
    """Faults and capacity apply to what moves no money, too."""
    found = call.attribute(
        Evidence(
            headers=call.http.headers,
            texts=(str(body.get("reference") or ""), *reading.texts(body.get("metadata"))),
            key=account.key(call.http),
            makes_attempt=False,
        )
    )
    request = NOTHING
    if found.payment:
        fields = {"payment": found.payment, "attempt": found.attempt, "reference": found.reference}
        request = msgspec.structs.replace(request, **fields)
    await execute_nothing(call, request, change=change)
