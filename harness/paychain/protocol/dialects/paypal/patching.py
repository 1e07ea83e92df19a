"""`PATCH /v2/checkout/orders/{id}`: what a shop changes of an order before it is paid.

Operations are those of RFC 6902, and a path names the only purchase unit by its reference id:
`/purchase_units/@reference_id=='default'/amount`. Source: the SDK's documentation of `patch_order`.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from paychain.protocol.dialects.paypal.account import Account, Given, inside, money, text
from paychain.protocol.dialects.paypal.errors import Invalid
from paychain.protocol.dialects.paypal.objects import COMPLETED, status_of_order
from paychain.protocol.dialects.paypal.orders import CAPTURES_OR_AUTHORISES, found_order, unit_of
from paychain.protocol.json_text import decoded
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpRequest, HttpResponse

NO_CONTENT = 204
_UNIT = re.compile(r"/purchase_units/(?:0|@reference_id=='([^']*)')(?:/(.+))?")
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
    unit: dict[str, Any]


async def patch(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """Change an order that is not paid yet. Raises Invalid."""
    order = found_order(call, account, name)
    steps = operations_of(call.http)
    if status_of_order(account, order) == COMPLETED:
        raise Invalid("ORDER_COMPLETED_OR_VOIDED")
    patched = _Patched(order.intent, deepcopy(order.unit))
    for number, step in enumerate(steps):
        _apply(call, account, patched, step, f"/@{number}")
    where = "/purchase_units/@0/amount"
    minor, currency = money(inside(patched.unit, "amount"), where)

    def apply() -> None:
        order.intent, order.unit = patched.intent, patched.unit
        order.request = replace(order.request, amount_minor=minor, currency=currency)

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
    inner = (found[2] or "") if found is not None else path
    if inner.startswith(_IGNORED):
        account.ignored.note(call, {f"patch of {inner.strip('/')}": True}, frozenset())
        return
    if found is None:
        raise Invalid("INVALID_JSON_POINTER_FORMAT", f"{where}/path", path)
    if found[1] not in (None, patched.unit.get("reference_id", "default")):
        raise Invalid("REFERENCE_ID_NOT_FOUND", f"{where}/path", path)
    if op not in _PATCHABLE.get(inner, ()):
        raise Invalid("NOT_PATCHABLE", f"{where}/path", path)
    if inner:
        _write(patched.unit, inner.split("/"), step, where)
    elif isinstance(step["value"], dict):
        patched.unit = _unit(call, account, patched.unit, step["value"], where)
    else:
        raise Invalid("INVALID_PARAMETER_SYNTAX", f"{where}/value")


def _unit(call: VendorCall, account: Account, before: Given, given: Given, where: str) -> Given:
    """A unit in place of another one, whose reference id it keeps. Raises Invalid."""
    name = before.get("reference_id", "default")
    if given.get("reference_id", name) != name:
        raise Invalid("NOT_PATCHABLE", f"{where}/value/reference_id")
    if not inside(given, "amount"):
        raise Invalid("MISSING_REQUIRED_PARAMETER", f"{where}/value/amount")
    kept = {each: before[each] for each in before if each == "reference_id"}
    return {**kept, **unit_of(call, account, given)}


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
