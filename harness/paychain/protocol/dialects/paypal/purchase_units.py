"""The purchase units of an order: what it is for, each with an amount and a capture of its own.

Source: the SDK's documentation of PurchaseUnit and CheckoutPaymentIntent, and the errors of
Orders v2. An order of several is charged as one: all of its units are captured, or none.
"""

from __future__ import annotations

from collections.abc import Sequence

from paychain.protocol.dialects.paypal.account import Account, Given, inside, money, text
from paychain.protocol.dialects.paypal.errors import Invalid
from paychain.protocol.dialects.paypal.records import AUTHORIZE
from paychain.protocol.vendor import VendorCall

MAX_UNITS = 10
ONLY = "default"  # the reference id of a unit without one
_FIELD = "/purchase_units"
_SHOWN = (
    "reference_id",
    "amount",
    "payee",
    "description",
    "custom_id",
    "invoice_id",
    "items",
    "shipping",
    "soft_descriptor",
)
_USED = frozenset(_SHOWN)
_NAMING = ("custom_id", "invoice_id", "reference_id", "description")


def units_of(given: Given) -> list[Given]:
    """The purchase units in a request, as they are shown. Raises Invalid."""
    units = given.get("purchase_units")
    if not isinstance(units, list) or not units or not isinstance(units[0], dict):
        raise Invalid("MISSING_REQUIRED_PARAMETER", _FIELD)
    if len(units) > MAX_UNITS:
        raise Invalid("INVALID_ARRAY_MAX_ITEMS", _FIELD)
    if not all(isinstance(unit, dict) for unit in units):
        raise Invalid("MALFORMED_REQUEST_JSON")
    return [shown_unit(unit) for unit in units]


def shown_unit(given: Given) -> Given:
    """What an order keeps of a purchase unit."""
    return {name: given[name] for name in _SHOWN if name in given}


def note_ignored(call: VendorCall, account: Account, given: Given) -> None:
    """Report what an order does not keep of a purchase unit."""
    account.ignored.note(call, given, _USED, "purchase_units.")


def texts_of(units: Sequence[Given]) -> tuple[str, ...]:
    """What may name the merchant's order."""
    return tuple(text(unit, name) for unit in units for name in _NAMING)


def amounts_of(units: Sequence[Given], intent: str) -> tuple[list[int], str]:
    """What each unit asks for, in minor units, and the currency of all. Raises Invalid."""
    if len(units) > 1:
        _check_several(units, intent)
    minors: list[int] = []
    first = ""
    for number, unit in enumerate(units):
        where = f"{_FIELD}/@{number}/amount"
        minor, currency = money(inside(unit, "amount"), where)
        first = first or currency
        if currency != first:
            raise Invalid("MULTI_CURRENCY_ORDER", f"{where}/currency_code", currency)
        minors.append(minor)
    return minors, first


def _check_several(units: Sequence[Given], intent: str) -> None:
    if intent == AUTHORIZE:
        raise Invalid("UNSUPPORTED_INTENT", "/intent", intent)
    seen: set[str] = set()
    for number, unit in enumerate(units):
        name, where = text(unit, "reference_id"), f"{_FIELD}/@{number}/reference_id"
        if not name:
            raise Invalid("REFERENCE_ID_REQUIRED", where)
        if name in seen:
            raise Invalid("DUPLICATE_REFERENCE_ID", where, name)
        seen.add(name)
