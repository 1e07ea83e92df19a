"""Pages where a shopper pays: `/sessions` in hosted mode, and `/paymentLinks`.

    POST ─▶ url ─ the shopper visits it ─▶ an authorisation as `/payments` makes it ─▶ returnUrl

`GET /hosted/{id}?card=…` pays, by way of the bank's page where the card has to authenticate.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.checkout_card import token_of
from paychain.protocol.dates import iso_utc
from paychain.protocol.dialects.adyen import authentication, bodies, outcomes, payments
from paychain.protocol.dialects.adyen.account import Account
from paychain.protocol.dialects.adyen.checkout import about_nothing
from paychain.protocol.dialects.adyen.errors import Invalid
from paychain.protocol.dialects.adyen.registry import Page
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_ids import UPPER, encode
from paychain.protocol.vendor_pages import (
    PAID,
    base_of,
    customers_page,
    key_of_press,
    query_of,
    sent_to,
)
from paychain.wire.http import HttpResponse, json_response

PAGE = "/hosted/"
MAX_PAGES = 100_000
SESSION, LINK = "CS", "PL"  # what the ids begin with
SESSION_S, LINK_S = 3_600, 86_400  # how long they can be paid, as at Adyen by default
_DATA = "Ab02b4c0!"  # what Adyen's session data begins with
_OF_PAYMENT = (
    *("additionalData", "amount", "captureDelayHours", "merchantAccount"),
    *("merchantOrderReference", "metadata", "reference"),
)
_USED = frozenset({*_OF_PAYMENT, "expiresAt", "manualCapture", "mode", "returnUrl"})
_PAID = (outcomes.AUTHORISED, outcomes.PARTIALLY_AUTHORISED, outcomes.PENDING, outcomes.RECEIVED)


async def create_session(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /sessions`."""
    body = bodies.read(call.http.body, "CreateCheckoutSessionRequest")
    bodies.text(body, "returnUrl", "no_return_url")
    if body.get("mode", "embedded") not in ("embedded", "hosted"):
        raise Invalid("wrong_type", fields="mode")
    page = await _create(call, account, body, SESSION, SESSION_S)
    amount = bodies.money(body)
    shown: dict[str, Any] = {
        "amount": bodies.amount_object(amount.minor, amount.currency),
        "expiresAt": iso_utc(page.expires_s),
        "id": page.id,
        "merchantAccount": body["merchantAccount"],
        "mode": body.get("mode", "embedded"),
        "reference": body["reference"],
        "returnUrl": body["returnUrl"],
        "sessionData": f"{_DATA}{page.id}",
    }
    if shown["mode"] == "hosted":
        shown["url"] = f"{base_of(call.http)}{PAGE}{page.id}"
    return json_response(201, shown)


async def show_session(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /sessions/{id}`, with the `sessionResult` that the shopper brought back."""
    page = _found(account, name, SESSION)
    brought = query_of(call.http).get("sessionResult", "")
    if brought != _result(page):
        raise Invalid("details")
    await _look(call, account, page)
    status = _status(account, page)
    shown = {"id": page.id, "reference": page.body["reference"], "status": status}
    return json_response(200, shown)


async def create_link(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /paymentLinks`."""
    body = bodies.read(call.http.body, "PaymentLinkRequest")
    page = await _create(call, account, body, LINK, LINK_S)
    return json_response(201, _link(call, account, page))


async def show_link(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /paymentLinks/{id}`."""
    page = _found(account, name, LINK)
    await _look(call, account, page)
    return json_response(200, _link(call, account, page))


async def expire_link(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`PATCH /paymentLinks/{id}` with `status: expired`: nobody can pay any more."""
    body = bodies.read(call.http.body, "UpdatePaymentLinkRequest")
    if body.get("status") != "expired":
        raise Invalid("wrong_type", fields="status")
    page = _found(account, name, LINK)
    await _look(call, account, page)
    page.is_expired = True
    return json_response(200, _link(call, account, page))


async def visit(call: VendorCall, account: Account) -> HttpResponse:
    """The shopper pays on the page. Raises Invalid for a page that is no more."""
    given = query_of(call.http)
    page = _at(account, call.http.target)
    if page is None or _status(account, page) == "expired":
        raise Invalid("not_found")
    if _status(account, page) in ("completed", "paymentPending"):
        await _look(call, account, page)
        return _back(page)
    if brought := given.get("redirectResult"):
        body: dict[str, Any] = {"details": {"redirectResult": brought}}
        answer = await payments.go_on_with(call, account, body)
    else:
        card = given.get("card") or token_of(TEST_CARDS[0])
        body = _payment(page, card)
        answer = await payments.pay_by(call, account, body, page.references.append)
    shown = msgspec.json.decode(answer.body)
    result = shown.get("resultCode")
    if result in _PAID:
        return _back(page)
    if action := shown.get("action"):
        _, _, token = action["url"].partition("redirectResult=")
        return sent_to(f"{PAGE}{page.id}?redirectResult={quote(token)}")
    text = f"Your payment was not completed: {shown.get('refusalReason') or result}."
    return customers_page(402 if answer.status == 200 else answer.status, text, answer.body)


async def authenticate(call: VendorCall, account: Account) -> HttpResponse:
    """The bank's page of a payment that redirects: the shopper authenticates and goes back.

    What it brings back, `redirectResult`, is for `/payments/details`. Raises Invalid.
    """
    brought = query_of(call.http).get("redirectResult", "")
    details: dict[str, Any] = {"details": {"redirectResult": brought}}
    payment = account.registry.payment(authentication.named(details))
    if payment is None:
        raise Invalid("details")
    await account.execute_nothing(call, payment.request)
    return sent_to(payment.return_url, {"redirectResult": brought})


def key_of(account: Account, target: str) -> str:
    """The key under which the page pays: Adyen charges for one press of its button once."""
    page = _at(account, target)
    return key_of_press(target, len(page.references)) if page is not None else ""


def _at(account: Account, target: str) -> Page | None:
    return account.pages.get(target.partition("?")[0].removeprefix(PAGE))


def _payment(page: Page, card: str) -> dict[str, Any]:
    """What the page asks for as a front end does."""
    body = {name: page.body[name] for name in _OF_PAYMENT if name in page.body}
    if "manualCapture" in page.body:
        manual = str(bool(page.body["manualCapture"])).lower()
        body["additionalData"] = {**bodies.part(body, "additionalData"), "manualCapture": manual}
    body["returnUrl"] = page.body.get("returnUrl") or page.id
    body["paymentMethod"] = {"type": "scheme", "encryptedCardNumber": card}
    return body


def _back(page: Page) -> HttpResponse:
    """Back to the merchant, where a link need not lead."""
    url = page.body.get("returnUrl")
    if not url:
        return customers_page(200, "Thank you, your payment was received.", b"{}")
    if page.id.startswith(LINK):
        return sent_to(url)
    return sent_to(url, {"sessionId": page.id, "sessionResult": _result(page)})


def _result(page: Page) -> str:
    return f"{_DATA}{encode(page.id, UPPER)}"


async def _create(
    call: VendorCall, account: Account, body: dict[str, Any], kind: str, lasts_s: int
) -> Page:
    """A page for what a body asks for. Raises Invalid."""
    bodies.account(body, account.merchant)
    bodies.money(body)
    reference = bodies.text(body, "reference", "no_reference")
    account.captures_at_once(body, bodies.part(body, "additionalData"))
    account.ignored.note(call, body, _USED)
    now_s = account.backend.now_s()
    page = Page(
        id="", body=body, made_s=now_s, expires_s=_time(body.get("expiresAt")) or now_s + lasts_s
    )
    await account.execute_nothing(call, about_nothing(call, account, body), is_keyed=True)
    # Ids have to differ, and be the same whenever the same run is made again.
    name = f"{len(account.pages)}-{now_s}-{reference}".encode("ascii", "replace").decode()[:40]
    page.id = f"{kind}{encode(name, UPPER)}"
    account.pages[page.id] = page
    if len(account.pages) > MAX_PAGES:
        account.pages.popitem(last=False)
    return page


def _time(value: Any) -> int:
    """Seconds since 1970, 0 for none. Raises Invalid."""
    if value is None:
        return 0
    try:
        return int(datetime.fromisoformat(str(value)).timestamp())
    except ValueError:
        raise Invalid("wrong_type", fields="expiresAt") from None


def _found(account: Account, name: str, kind: str) -> Page:
    page = account.pages.get(name)
    if page is None or not name.startswith(kind):
        raise Invalid("not_found")
    return page


async def _look(call: VendorCall, account: Account, page: Page) -> None:
    """Faults and capacity apply to a look, too."""
    await account.execute_nothing(call, about_nothing(call, account, page.body))


def _status(account: Account, page: Page) -> str:
    """active, paymentPending, completed or expired, as the books have it."""
    entries = [account.backend.entry(reference) for reference in page.references]
    states = [entry.state for entry in entries if entry is not None]
    if not PAID.isdisjoint(states):
        return "completed"
    if "in_flight" in states:
        return "paymentPending"
    is_over = page.is_expired or account.backend.now_s() >= page.expires_s
    return "expired" if is_over else "active"


def _link(call: VendorCall, account: Account, page: Page) -> dict[str, Any]:
    body = page.body
    amount = bodies.money(body)
    shown: dict[str, Any] = {
        "amount": bodies.amount_object(amount.minor, amount.currency),
        "expiresAt": iso_utc(page.expires_s),
        "id": page.id,
        "merchantAccount": body["merchantAccount"],
        "reference": body["reference"],
        "reusable": False,
        "status": _status(account, page),
        "url": f"{base_of(call.http)}{PAGE}{page.id}",
    }
    for name in ("description", "metadata", "returnUrl"):
        if name in body:
            shown[name] = body[name]
    return shown
