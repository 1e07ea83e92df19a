"""`PATCH /v2/checkout/orders/{id}`: what a shop changes of an order before it is paid.

Operations are those of RFC 6902, and a path names a purchase unit by its reference id:
`/purchase_units/@reference_id=='default'/amount`. Source: the SDK's documentation of `patch_order`.
Deduced: a unit that is added under a new reference id is one more of the order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from paychain.protocol.dialects.paypal.account import Account, Given, inside, text
from paychain.protocol.dialects.paypal.errors import Invalid
from paychain.protocol.dialects.paypal.objects import COMPLETED, status_of_order
from paychain.protocol.dialects.paypal.orders import CAPTURES_OR_AUTHORISES, found_order
from paychain.protocol.dialects.paypal.purchase_units import (
    MAX_UNITS,
    ONLY,
    amounts_of,
    note_ignored,
    shown_unit,
)
from paychain.protocol.json_text import decoded
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpRequest, HttpResponse

NO_CONTENT = 204
_UNIT = re.compile(r"/purchase_units/(?:(\d)|@reference_id=='([^']*)')(?:/(.+))?")
_OPERATIONS = ("add", "replace", "remove")
# What of a unit can be patched, and by which operations.
_PATCHABLE = {
    "": ("replace", "add"),
    "amount": ("replace",),
    "custom_id": _OPERATIONS,
    "description": _OPERATIONS,
    "invoice_id": _OPERATIONS,
    "items": _OPERATIONS,
    "soft_descriptor": ("replace", "add", "remove"),
    "shipping": ("replace", "add"),
    "shipping/address": ("replace", "add"),
    "shipping/email_address": ("replace", "add"),
    "shipping/name": ("replace", "add"),
    "shipping/options": ("replace", "add"),
    "shipping/phone_number": ("replace", "add"),
    "shipping/type": ("replace", "add"),
}
# What an order may have, and the mock does nothing with.
_IGNORED = ("/payer", "/application_context", "payee/", "payment_instruction", "supplementary_data")


@dataclass(slots=True)
class _Patched:
    """What a patch makes of an order."""

    intent: str
    units: list[dict[str, Any]]


async def patch(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """Change an order that is not paid yet. Raises Invalid."""
    order = found_order(call, account, name)
    steps = operations_of(call.http)
    if status_of_order(account, order) == COMPLETED:
        raise Invalid("ORDER_COMPLETED_OR_VOIDED")
    patched = _Patched(order.intent, deepcopy(order.units))
    for number, step in enumerate(steps):
        _apply(call, account, patched, step, f"/@{number}")
    minors, currency = amounts_of(patched.units, patched.intent)

    def apply() -> None:
        order.intent, order.units = patched.intent, patched.units
        order.request = replace(order.request, amount_minor=sum(minors), currency=currency)

    await execute_nothing(call, order.request, change=apply)
    return HttpResponse(NO_CONTENT)


def operations_of(http: HttpRequest) -> list[dict[str, Any]]:
    """The operations of a patch. Raises Invalid."""
    try:
        steps = decoded(http.body)
    except msgspec.MsgspecError:
        raise Invalid("MALFORMED_REQUEST_JSON") from None
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise Invalid("MALFORMED_REQUEST_JSON")
    for number, step in enumerate(steps):
        if text(step, "op") not in _OPERATIONS:
            raise Invalid("INVALID_PARAMETER_VALUE", f"/@{number}/op", text(step, "op"))
        if not text(step, "path"):
            raise Invalid("MISSING_REQUIRED_PARAMETER", f"/@{number}/path")
        if step["op"] != "remove" and "value" not in step:
            raise Invalid("MISSING_REQUIRED_PARAMETER", f"/@{number}/value")
    return steps


def _apply(
    call: VendorCall, account: Account, patched: _Patched, step: dict[str, Any], where: str
) -> None:
    op, path = step["op"], step["path"]
    if path == "/intent":
        if op != "replace" or step["value"] not in CAPTURES_OR_AUTHORISES:
            raise Invalid("NOT_PATCHABLE", f"{where}/path", path)
        patched.intent = step["value"]
        return
    found = _UNIT.fullmatch(path)
    inner = (found[3] or "") if found is not None else path
    if inner.startswith(_IGNORED):
        account.ignored.note(call, {f"patch of {inner.strip('/')}": True}, frozenset())
        return
    if found is None:
        raise Invalid("INVALID_JSON_POINTER_FORMAT", f"{where}/path", path)
    number = _number(patched.units, found)
    is_new = number is None and op == "add" and not inner and len(patched.units) < MAX_UNITS
    if number is None and not is_new:
        raise Invalid("REFERENCE_ID_NOT_FOUND", f"{where}/path", path)
    if op not in _PATCHABLE.get(inner, ()):
        raise Invalid("NOT_PATCHABLE", f"{where}/path", path)
    if inner and number is not None:
        _write(patched.units[number], inner.split("/"), step, where)
        return
    if not isinstance(step["value"], dict):
        raise Invalid("INVALID_PARAMETER_SYNTAX", f"{where}/value")
    if number is None:
        # The only unit so far may have been given without one.
        patched.units[0].setdefault("reference_id", ONLY)
        named = {"reference_id": found[2]}
        patched.units.append(_unit(call, account, named, step["value"], where))
    else:
        patched.units[number] = _unit(call, account, patched.units[number], step["value"], where)


def _number(units: Sequence[Given], found: re.Match[str]) -> int | None:
    """Which unit a path names, None for none of them."""
    if found[1] is not None:
        return int(found[1]) if int(found[1]) < len(units) else None
    names = [unit.get("reference_id", ONLY) for unit in units]
    return names.index(found[2]) if found[2] in names else None


def _unit(call: VendorCall, account: Account, before: Given, given: Given, where: str) -> Given:
    """A unit in place of another one, whose reference id it keeps. Raises Invalid."""
    name = before.get("reference_id", ONLY)
    if given.get("reference_id", name) != name:
        raise Invalid("NOT_PATCHABLE", f"{where}/value/reference_id")
    if not inside(given, "amount"):
        raise Invalid("MISSING_REQUIRED_PARAMETER", f"{where}/value/amount")
    kept = {each: before[each] for each in before if each == "reference_id"}
    note_ignored(call, account, given)
    return {**kept, **shown_unit(given)}


def _write(unit: dict[str, Any], path: list[str], step: dict[str, Any], where: str) -> None:
    *outer, name = path
    holder: Any = unit
    for part in outer:
        # Only what is added may lack an object around it.
        holder = holder.setdefault(part, {}) if step["op"] == "add" else holder.get(part, {})
        if not isinstance(holder, dict):
            raise Invalid("INVALID_PATCH_OPERATION", f"{where}/path", step["path"])
    if step["op"] != "add" and name not in holder:
        raise Invalid("INVALID_PATCH_OPERATION", f"{where}/path", step["path"])
    if step["op"] == "remove":
        del holder[name]
    else:
        holder[name] = step["value"]
