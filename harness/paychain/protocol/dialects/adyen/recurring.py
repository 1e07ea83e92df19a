"""Adyen's Recurring API, which older integrations manage stored cards with: `disable`, the list.

Its cards are those of `storedPaymentMethods`. Source: the models of Adyen/python (recurring); the
error codes are from docs.adyen.com, from memory.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from paychain.protocol.dialects.adyen import bodies, stored
from paychain.protocol.dialects.adyen.account import Account
from paychain.protocol.dialects.adyen.errors import Invalid
from paychain.protocol.dialects.adyen.records import StoredCard
from paychain.protocol.dialects.adyen.tables import brand_of_scheme
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse, json_response

_USED = frozenset({"merchantAccount", "shopperReference", "recurringDetailReference"})


async def disable(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /disable`: a card, or all cards, of a shopper can no longer pay. Raises Invalid."""
    body = bodies.read(call.http.body, "DisableRequest")
    bodies.account(body, account.merchant)
    account.ignored.note(call, body, _USED)
    cards = stored.of_shopper(account, bodies.text(body, "shopperReference", "no_shopper"))
    name = body.get("recurringDetailReference")
    disabled = [card for card in cards if name in (None, "", card.id)]
    if not disabled:
        raise Invalid("no_detail" if cards else "no_contract")

    def forget() -> None:
        for card in disabled:
            account.stored.pop(card.id, None)

    await execute_nothing(call, change=forget)
    what = "detail" if name else "all-details"
    return json_response(200, {"response": f"[{what}-successfully-disabled]"})


async def listed(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /listRecurringDetails`, of one shopper; an empty object for one who has no cards."""
    body = bodies.read(call.http.body, "RecurringDetailsRequest")
    bodies.account(body, account.merchant)
    account.ignored.note(call, body, _USED)
    shopper = bodies.text(body, "shopperReference", "no_shopper")
    await execute_nothing(call)
    details = [_detail(card) for card in stored.of_shopper(account, shopper)]
    if not details:
        return json_response(200, {})
    now = datetime.fromtimestamp(account.backend.now_s(), UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    shown = {"creationDate": now, "shopperReference": shopper, "details": details}
    return json_response(200, shown)


def _detail(card: StoredCard) -> dict[str, Any]:
    month, _, year = card.expiry.partition("/")
    return {
        "RecurringDetail": {
            "recurringDetailReference": card.id,
            "contractTypes": ["RECURRING", "ONECLICK"],
            "paymentMethodVariant": brand_of_scheme(card.instrument.group),
            "variant": brand_of_scheme(card.instrument.group),
            "card": {
                "expiryMonth": month,
                "expiryYear": year,
                "holderName": card.holder,
                "number": card.instrument.identity[-4:],
            },
        }
    }
