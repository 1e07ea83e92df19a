"""Pages where a shopper pays, for a session in hosted mode or for a payment link.

`GET /hosted/{id}?card=…` pays as `/payments` does, through the bank's page if the card requires
authentication, and leads back to the merchant's returnUrl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from paychain.payments.cards import TEST_CARDS
from paychain.payments.checkout_card import token_of
from paychain.protocol.dialects.adyen import authentication, bodies, outcomes, payments
from paychain.protocol.dialects.adyen.account import Account
from paychain.protocol.dialects.adyen.checkout import about_nothing
from paychain.protocol.dialects.adyen.errors import Invalid
from paychain.protocol.dialects.adyen.records import Page
from paychain.protocol.json_text import decoded
from paychain.protocol.message import ErrorKind
from paychain.protocol.vendor import CallFailed, VendorCall
from paychain.protocol.vendor_ids import UPPER, encode
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import (
    PAID,
    customers_page,
    key_of_press,
    query_of,
    sent_to,
)
from paychain.wire.http import HttpResponse

PAGE = "/hosted/"
SESSION, LINK = "CS", "PL"  # the beginnings of their ids
DATA = "Ab02b4c0!"  # the beginning of Adyen's session data
OF_PAYMENT = (
    *("additionalData", "amount", "captureDelayHours", "merchantAccount"),
    *("merchantOrderReference", "metadata", "reference"),
    *("recurringProcessingModel", "shopperInteraction", "shopperReference"),
)
_PAID = (outcomes.AUTHORISED, outcomes.PARTIALLY_AUTHORISED, outcomes.PENDING, outcomes.RECEIVED)


async def visit(call: VendorCall, account: Account) -> HttpResponse:
    """The shopper pays on the page. Raises Invalid for a page that is no longer open."""
    given = query_of(call.http)
    page = _at(account, call.http.target)
    if page is None or status_of(account, page) == "expired":
        raise Invalid("not_found")
    if status_of(account, page) in ("completed", "paymentPending"):
        await look(call, account, page)
        return _back(page)
    # It may be long before the book has the payment: another press waits for it all the same.
    page.in_progress += 1
    try:
        answer = await _pay(call, account, page, given)
    except CallFailed as failed:
        # The next press is no repeat of one on which the link has not worked.
        is_over = failed.error.kind is not ErrorKind.KEY_IN_FLIGHT
        page.failed += is_over and not failed.error.is_after_work
        raise
    finally:
        page.in_progress -= 1
    shown = decoded(answer.body)
    result = shown.get("resultCode")
    if result in _PAID:
        return _back(page)
    if action := shown.get("action"):
        _, _, token = action["url"].partition("redirectResult=")
        return sent_to(f"{PAGE}{page.id}?redirectResult={quote(token)}")
    text = f"Your payment was not completed: {shown.get('refusalReason') or result}."
    return customers_page(402 if answer.status == 200 else answer.status, text, answer.body)


async def _pay(
    call: VendorCall, account: Account, page: Page, given: dict[str, str]
) -> HttpResponse:
    """Begin a payment on the page, or continue one whose shopper comes from the bank."""
    if brought := given.get("redirectResult"):
        details: dict[str, Any] = {"details": {"redirectResult": brought}}
        return await payments.go_on_with(call, account, details)
    if given.get("card"):
        call.card_given()
    card = given.get("card") or token_of(TEST_CARDS[0])
    return await payments.pay_by(call, account, _payment(page, card), page.references.append)


async def authenticate(call: VendorCall, account: Account) -> HttpResponse:
    """The bank's page of a payment that redirects: the shopper authenticates and goes back.

    The page returns `redirectResult`, for `/payments/details`. Raises Invalid.
    """
    brought = query_of(call.http).get("redirectResult", "")
    details: dict[str, Any] = {"details": {"redirectResult": brought}}
    payment = account.registry.payment(authentication.named(details))
    if payment is None:
        raise Invalid("details")
    await execute_nothing(call, payment.request)
    return sent_to(payment.return_url, {"redirectResult": brought})


def key_of(account: Account, target: str) -> str:
    """The key under which the page pays: one press of its button is charged once."""
    page = _at(account, target)
    return key_of_press(target, len(page.references) + page.failed) if page is not None else ""


def _at(account: Account, target: str) -> Page | None:
    return account.pages.get(target.partition("?")[0].removeprefix(PAGE))


def _payment(page: Page, card: str) -> dict[str, Any]:
    """The payment that the page requests, as a front end does."""
    body = {name: page.body[name] for name in OF_PAYMENT if name in page.body}
    if "manualCapture" in page.body:
        manual = str(bool(page.body["manualCapture"])).lower()
        body["additionalData"] = {**bodies.part(body, "additionalData"), "manualCapture": manual}
    body["returnUrl"] = page.body.get("returnUrl") or page.id
    body["paymentMethod"] = {"type": "scheme", "encryptedCardNumber": card}
    return body


def _back(page: Page) -> HttpResponse:
    """A redirect to the merchant; a payment link may do without one."""
    url = page.body.get("returnUrl")
    if not url:
        return customers_page(200, "Thank you, your payment was received.", b"{}")
    if page.id.startswith(LINK):
        return sent_to(url)
    return sent_to(url, {"sessionId": page.id, "sessionResult": result_of(page)})


def result_of(page: Page) -> str:
    """The `sessionResult` that the shopper brings back from a session."""
    return f"{DATA}{encode(page.id, UPPER)}"


async def look(
    call: VendorCall, account: Account, page: Page, change: Callable[[], object] | None = None
) -> None:
    """Attribute a request that moves no money, and let faults and capacity apply to it."""
    await execute_nothing(call, about_nothing(call, account, page.body), change=change)


def status_of(account: Account, page: Page) -> str:
    """active, paymentPending, completed or expired, according to the books."""
    entries = [account.backend.entry(reference) for reference in page.references]
    states = [entry.state for entry in entries if entry is not None]
    if not PAID.isdisjoint(states):
        return "completed"
    if page.in_progress or "in_flight" in states:
        return "paymentPending"
    is_over = page.is_expired or account.backend.now_s() >= page.expires_s
    return "expired" if is_over else "active"
