"""A merchant's requests about pages where shoppers pay: `/sessions` and `/paymentLinks`.

POST ─▶ url ─ the shopper visits it (pages.py) ─▶ an authorisation ─▶ returnUrl
"""

from __future__ import annotations

from functools import partial
from typing import Any

from paychain.protocol.dates import iso_utc, seconds_of
from paychain.protocol.dialects.adyen import bodies
from paychain.protocol.dialects.adyen.account import HOSTS, Account
from paychain.protocol.dialects.adyen.checkout import about_nothing
from paychain.protocol.dialects.adyen.errors import Invalid
from paychain.protocol.dialects.adyen.pages import (
    DATA,
    LINK,
    OF_PAYMENT,
    PAGE,
    SESSION,
    look,
    result_of,
    status_of,
)
from paychain.protocol.dialects.adyen.records import Page
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_ids import UPPER, encode
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import base_of, query_of
from paychain.wire.http import HttpResponse, json_response

SESSION_S, LINK_S = 3_600, 86_400  # how long they can be paid by default (docs.adyen.com)
_USED = frozenset({*OF_PAYMENT, "expiresAt", "manualCapture", "mode", "returnUrl"})


async def create_session(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /sessions`. Raises Invalid."""
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
        "sessionData": f"{DATA}{page.id}",
    }
    if shown["mode"] == "hosted":
        shown["url"] = f"{base_of(call.http, HOSTS)}{PAGE}{page.id}"
    return json_response(201, shown)


async def show_session(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /sessions/{id}`, with the `sessionResult` that the shopper brought back.

    Raises Invalid.
    """
    page = _found(account, name, SESSION)
    brought = query_of(call.http).get("sessionResult", "")
    if brought != result_of(page):
        raise Invalid("details")
    await look(call, account, page)
    status = status_of(account, page)
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
    await look(call, account, page)
    return json_response(200, _link(call, account, page))


async def expire_link(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`PATCH /paymentLinks/{id}` with `status: expired`: from then on nobody can pay.

    Raises Invalid.
    """
    body = bodies.read(call.http.body, "UpdatePaymentLinkRequest")
    if body.get("status") != "expired":
        raise Invalid("wrong_type", fields="status")
    page = _found(account, name, LINK)
    await look(call, account, page, change=partial(setattr, page, "is_expired", True))
    return json_response(200, _link(call, account, page))


async def _create(
    call: VendorCall, account: Account, body: dict[str, Any], kind: str, lasts_s: int
) -> Page:
    """A page for the payment that a body describes. Raises Invalid."""
    bodies.account(body, account.merchant)
    bodies.money(body)
    reference = bodies.text(body, "reference", "no_reference")
    account.captures_at_once(body, bodies.part(body, "additionalData"))
    account.ignored.note(call, body, _USED)

    def new() -> Page:
        now_s = account.backend.now_s()
        # Ids must be distinct, and the same whenever the same run is repeated.
        name = f"{account.pages_made}-{now_s}-{reference}".encode("ascii", "replace").decode()[:40]
        account.pages_made += 1
        return Page(
            id=f"{kind}{encode(name, UPPER)}",
            body=body,
            made_s=now_s,
            expires_s=_time(body.get("expiresAt")) or now_s + lasts_s,
        )

    keyed = account.pages_by_key.begin(account.known_key(call.http), body, new)

    def keep() -> None:
        if keyed.done():
            account.pages[keyed.made.id] = keyed.made

    about = about_nothing(call, account, body)
    await execute_nothing(call, about, is_keyed=True, change=keep)
    return keyed.made


def _time(value: Any) -> int:
    """Seconds since 1970, 0 for none. Raises Invalid."""
    if value is None:
        return 0
    try:
        return int(seconds_of(str(value)))
    except ValueError:
        raise Invalid("wrong_type", fields="expiresAt") from None


def _found(account: Account, name: str, kind: str) -> Page:
    page = account.pages.get(name)
    if page is None or not name.startswith(kind):
        raise Invalid("not_found")
    return page


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
        "status": status_of(account, page),
        "url": f"{base_of(call.http, HOSTS)}{PAGE}{page.id}",
    }
    for name in ("description", "metadata", "returnUrl"):
        if name in body:
            shown[name] = body[name]
    return shown
