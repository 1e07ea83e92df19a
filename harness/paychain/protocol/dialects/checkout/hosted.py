"""Pages where customers pay: `/hosted-payments`, `/payment-links`, `/payment-sessions` (Flow).

`GET /hosted/{id}?card=…` pays and redirects the customer to `success_url` or `failure_url`, with
`3ds.enabled` through the bank's page; `?result=canceled` redirects to `cancel_url`. The front end
of a payment session (Flow) is not simulated: its page stands in for it.
Source: the models of checkout-sdk (python) 4.8.1; statuses of a payment link are from memory.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.checkout_card import token_of
from paychain.protocol.dialects.checkout import attempts, payments, reading, views
from paychain.protocol.dialects.checkout.account import Account, Page, payment_id
from paychain.protocol.dialects.checkout.errors import Invalid
from paychain.protocol.json_text import decoded
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_ids import BASE32, encode
from paychain.protocol.vendor_nothing import NOTHING, execute_nothing
from paychain.protocol.vendor_pages import (
    customers_page,
    key_of_press,
    processing_page,
    query_of,
    sent_to,
)
from paychain.wire.http import HttpResponse, json_response

PAGE = "hosted"
_PAYMENT_FIELDS = (
    *("3ds", "amount", "capture", "currency", "description"),
    *("customer", "failure_url", "metadata", "reference", "success_url"),
)
LINK_S = 86_400  # how long a payment link is valid, unless `expires_in` says otherwise
_MAX_LINK_S = 10 * 365 * 86_400  # beyond any payment link
_PAID = "Payment Received"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One kind of page. `urls`: where its customers are sent, which a request has to say.

    `pending`: its status before it is paid.
    """

    path: str
    prefix: str
    urls: tuple[str, ...] = ()
    used: frozenset[str] = frozenset()
    pending: str = ""


_HOSTED = _Kind(
    path="hosted-payments",
    prefix="hpp_",
    urls=("success_url", "failure_url", "cancel_url"),
    used=frozenset({"cancel_url"}),
    pending="Payment Pending",
)
_LINK = _Kind(
    path="payment-links",
    prefix="pl_",
    used=frozenset({"return_url", "expires_in"}),
    pending="Active",
)
_SESSION = _Kind(path="payment-sessions", prefix="ps_", urls=("success_url", "failure_url"))
_KINDS = {each.prefix: each for each in (_HOSTED, _LINK, _SESSION)}


async def create(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /hosted-payments`. Raises Invalid."""
    page = await _create(call, account, _HOSTED)
    return json_response(201, _shown_new(call, page, _HOSTED))


async def create_link(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /payment-links`. Raises Invalid."""
    page = await _create(call, account, _LINK)
    shown = _shown_new(call, page, _LINK)
    return json_response(201, {**shown, "expires_on": views.when(_expires_s(page))})


async def create_session(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /payment-sessions`: what a front end begins Flow with. Raises Invalid."""
    page = await _create(call, account, _SESSION)
    shown = _shown_new(call, page, _SESSION)
    del shown["reference"], shown["_links"]["redirect"]
    token = base64.b64encode(page.id.encode()).decode()
    secret = f"pss_{page.id.partition('_')[2]}"
    return json_response(
        201, {**shown, "payment_session_token": token, "payment_session_secret": secret}
    )


async def submit(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /payment-sessions/{id}/submit`: pay with what Flow has collected. Raises Invalid.

    `session_data` is a token of a card, as from `/tokens`. A session is paid once, under whatever
    key; after a decline it can be submitted again.
    """
    page, given = _found(account, name, _SESSION), reading.read(call.http.body)
    return await _pay_session(call, account, {**page.body, **given}, page)


async def complete(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /payment-sessions/complete`: a session, and its payment at once. Raises Invalid."""
    return await _pay_session(call, account, reading.read(call.http.body))


async def _pay_session(
    call: VendorCall, account: Account, asked: dict[str, Any], page: Page | None = None
) -> HttpResponse:
    token = asked.get("session_data")
    if not isinstance(token, str) or not token:
        raise Invalid("no_session_data")
    body = {name: asked[name] for name in _PAYMENT_FIELDS if name in asked}
    body["source"] = {"type": "token", "token": token}
    named_before = page.body if page is not None else {}
    account.ignored.note(call, asked, frozenset({*_PAYMENT_FIELDS, *named_before, "session_data"}))
    answer = await payments.pay_by(call, account, body, page)
    return json_response(answer.status, {**decoded(answer.body), "type": "card"})


async def _create(call: VendorCall, account: Account, kind: _Kind) -> Page:
    body = reading.read(call.http.body)
    if reading.amount(body) is None:
        raise Invalid("amount")
    reading.currency(body)
    if not all(isinstance(body.get(name), str) and body[name] for name in kind.urls):
        raise Invalid("return_url")
    if "expires_in" in kind.used and not 0 < _lasts_s(body) <= _MAX_LINK_S:
        raise Invalid("expires_in")
    account.ignored.note(call, body, frozenset(_PAYMENT_FIELDS) | kind.used)
    now_s = account.backend.now_s()
    name = f"{account.pages_created}-{now_s}-{body.get('reference') or ''}"
    account.pages_created += 1
    digits = encode(name.encode("ascii", "replace").decode()[:40], BASE32)
    page = Page(id=f"{kind.prefix}{digits}", body=body, created_s=now_s)
    await _attribute(call, account, body, lambda: account.pages.setdefault(page.id, page))
    return page


def _shown_new(call: VendorCall, page: Page, kind: _Kind) -> dict[str, Any]:
    base = views.base_url(call.http)
    return {
        "id": page.id,
        "reference": str(page.body.get("reference") or ""),
        "_links": {
            "self": {"href": f"{base}/{kind.path}/{page.id}"},
            "redirect": {"href": f"{base}/{PAGE}/{page.id}"},
        },
    }


async def show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /hosted-payments/{id}`, `GET /payment-links/{id}`."""
    asked_at = call.http.target.strip("/").partition("/")[0]
    kind = next(each for each in _KINDS.values() if each.path == asked_at)
    page = _found(account, name, kind)
    await _attribute(call, account, page.body)
    paid = attempts.paid_by(account, page)
    pending = "Expired" if _is_over(account, page) else kind.pending
    shown: dict[str, Any] = {
        "id": page.id,
        "status": _PAID if paid else pending,
        "reference": str(page.body.get("reference") or ""),
        "amount": page.body["amount"],
        "currency": page.body["currency"],
        "_links": {"self": {"href": f"{views.base_url(call.http)}/{kind.path}/{page.id}"}},
    }
    if kind is _LINK:
        shown["created_on"] = views.when(page.created_s)
        shown["expires_on"] = views.when(_expires_s(page))
    if paid:
        shown["payment_id"] = payment_id(paid)
    return json_response(200, shown)


def _kind_of(page: Page) -> _Kind:
    return _KINDS[page.id.partition("_")[0] + "_"]


def _lasts_s(body: dict[str, Any]) -> int:
    """How long a link is valid; 0 for what says no time."""
    asked = body.get("expires_in", LINK_S)
    return asked if isinstance(asked, int) and not isinstance(asked, bool) else 0


def _expires_s(page: Page) -> int:
    return page.created_s + _lasts_s(page.body)


def _is_over(account: Account, page: Page) -> bool:
    return _kind_of(page) is _LINK and account.backend.now_s() >= _expires_s(page)


async def visit(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """The customer pays on the page, or leaves it. Raises Invalid for an unknown page."""
    page = _found(account, name)
    given = query_of(call.http)
    paid = attempts.paid_by(account, page)
    if paid or given.get("result") == "canceled":
        await _attribute(call, account, page.body)
        return _back(page, "success_url", paid) if paid else _left(page)
    if _is_over(account, page):
        raise Invalid("not_found")
    if page.attempts.begun(account.backend):
        await _attribute(call, account, page.body)
        return processing_page(b"{}")
    body = {each: page.body[each] for each in _PAYMENT_FIELDS if each in page.body}
    if given.get("card"):
        call.card_given()
    card = given.get("card") or token_of(TEST_CARDS[0])
    body["source"] = {"type": "token", "token": card}
    answer = await payments.pay_by(call, account, body, page)
    shown = decoded(answer.body)
    if redirect := shown.get("_links", {}).get("redirect"):
        return sent_to(redirect["href"])
    if shown.get("status") == "Pending":
        return processing_page(answer.body)
    way = "success_url" if shown.get("approved") else "failure_url"
    return _back(page, way, page.attempts.references[-1])


def key_of(account: Account, target: str) -> str:
    """The key under which the page pays: one press of its button charges once."""
    page = account.pages.get(target.partition("?")[0].rpartition("/")[2])
    return key_of_press(target, len(page.attempts.references)) if page is not None else ""


def _back(page: Page, way: str, reference: str) -> HttpResponse:
    url = page.body.get(way) or page.body.get("return_url")
    if not url:
        text = "Thank you for your order." if way == "success_url" else "Your card was declined."
        return customers_page(200 if way == "success_url" else 402, text, b"{}")
    return sent_to(str(url), {"cko-payment-id": payment_id(reference)})


def _left(page: Page) -> HttpResponse:
    """The customer leaves the page without paying."""
    url = page.body.get("cancel_url") or page.body.get("return_url")
    return sent_to(str(url)) if url else customers_page(200, "You may close this window.", b"{}")


def _found(account: Account, name: str, kind: _Kind | None = None) -> Page:
    """The page with an id, of any kind or of this one. Raises Invalid."""
    page = account.pages.get(name)
    if page is None or kind not in (None, _kind_of(page)):
        raise Invalid("not_found")
    return page


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
