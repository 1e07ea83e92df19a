"""`/v2/locations`: the only location of the account, which orders and payments name."""

from __future__ import annotations

from typing import Any

from paychain.protocol.dialects.square.account import Account, merchant_id
from paychain.protocol.dialects.square.errors import Invalid
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse, json_response

PATH = "v2/locations"
MAIN = "main"  # any account's first location
_COUNTRIES = {"USD": "US", "GBP": "GB", "CAD": "CA", "AUD": "AU", "JPY": "JP", "EUR": "IE"}


async def listed(call: VendorCall, account: Account) -> HttpResponse:
    """`GET /v2/locations`."""
    await execute_nothing(call)
    return json_response(200, {"locations": [_shown(account)]})


async def show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/locations/{id}`. Raises Invalid."""
    if name not in (MAIN, account.location):
        raise Invalid("not_found", what=f"location with id: {name}")
    await execute_nothing(call)
    return json_response(200, {"location": _shown(account)})


def _shown(account: Account) -> dict[str, Any]:
    currency = account.backend.currency
    return {
        "id": account.location,
        "name": "paychain",
        "business_name": "paychain",
        "merchant_id": merchant_id(account),
        "status": "ACTIVE",
        "type": "PHYSICAL",
        "capabilities": ["CREDIT_CARD_PROCESSING", "AUTOMATIC_TRANSFERS"],
        "country": _COUNTRIES.get(currency, "US"),
        "currency": currency,
        "language_code": "en-US",
        "timezone": "UTC",
        "created_at": "2026-01-01T00:00:00Z",
    }
