"""The page where a payer approves an order with a wallet: the link `approve`, or `payer-action`.

`GET /checkoutnow?token=ORDER` approves it and sends the payer to `return_url`; `&card=…` chooses
the card in the wallet, and `&result=canceled` sends the payer to `cancel_url`.
"""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from paychain.protocol.dialects.paypal.account import Account
from paychain.protocol.dialects.paypal.objects import APPROVAL
from paychain.protocol.dialects.paypal.orders import approved, found_order
from paychain.protocol.dialects.paypal.records import Order
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_cards import card_of_token
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import customers_page, query_of, sent_to
from paychain.wire.http import HttpResponse

PAGE = APPROVAL


async def visit(call: VendorCall, account: Account) -> HttpResponse:
    """The payer approves an order, or cancels. Raises Invalid for an unknown order."""
    given = query_of(call.http)
    order = found_order(call, account, given.get("token", ""))
    if given.get("result") == "canceled":
        await execute_nothing(call, order.request)
        return _sent(order, order.cancel_url)

    def approve() -> None:
        if order.charge is not None:
            return
        card = card_of_token(given.get("card", ""))
        if card is not None and not order.is_card:
            order.request = replace(order.request, instrument=card)
            call.card_given()
        if not order.source:
            order.source = {"paypal": {"account_id": "PAYCHAIN12345"}}
        approved(account, order)

    await execute_nothing(call, order.request, change=approve)
    return _sent(order, order.return_url)


def _sent(order: Order, url: str) -> HttpResponse:
    if not url:
        return customers_page(200, "You may close this window.", b"{}")
    payer = hashlib.sha256(order.id.encode()).hexdigest()[:13].upper()
    return sent_to(url, {"token": order.id, "PayerID": payer})
