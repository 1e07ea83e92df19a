"""Shipments of what an order sold: `POST …/{id}/track`, `PATCH …/{id}/trackers/{tracker}`.

Source: the SDK's models OrderTrackerRequest and OrderTrackerResponse.
"""

from __future__ import annotations

from paychain.protocol.dialects.paypal.account import Account, body_of, text
from paychain.protocol.dialects.paypal.errors import Invalid
from paychain.protocol.dialects.paypal.objects import COMPLETED, order_shown, status_of_capture
from paychain.protocol.dialects.paypal.orders import CREATED, found_order
from paychain.protocol.dialects.paypal.patching import NO_CONTENT, operations_of
from paychain.protocol.dialects.paypal.records import Tracker
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse, json_response

_USED = frozenset({"capture_id", "tracking_number", "items"})
_SHIPPED = (COMPLETED, "PARTIALLY_REFUNDED")
_STATUSES = ("CANCELLED", "SHIPPED")


async def track(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /v2/checkout/orders/{id}/track`. Raises Invalid."""
    order = found_order(call, account, name)
    given = body_of(call.http)
    capture = text(given, "capture_id")
    if not capture:
        raise Invalid("MISSING_REQUIRED_PARAMETER", "/capture_id")
    found = account.registry.payment(capture, "c")
    if found is None or found.order is not order or found.part is None:
        raise Invalid("CAPTURE_ID_NOT_FOUND", "/capture_id", capture)
    if status_of_capture(account, found.charge, found.part) not in _SHIPPED:
        raise Invalid("CAPTURE_STATUS_NOT_VALID", "/capture_id", capture)
    account.ignored.note(call, given, _USED)
    items, now_s = given.get("items"), account.backend.now_s()
    tracker = Tracker(
        unit=order.unit_of(found.part.item),
        id=f"{capture}-{text(given, 'tracking_number') or 'NOTRACKER'}",
        items=items if isinstance(items, list) else [],
        created_s=now_s,
        updated_s=now_s,
    )

    def ship() -> None:
        # A shipment is one thing, however often it is reported.
        order.trackers = [each for each in order.trackers if each.id != tracker.id]
        order.trackers.append(tracker)

    await execute_nothing(call, order.request, is_keyed=True, change=ship)
    return json_response(CREATED, order_shown(account, order))


async def update(call: VendorCall, account: Account, name: str, tracker_id: str) -> HttpResponse:
    """`PATCH /v2/checkout/orders/{id}/trackers/{tracker}`: its status, or its items.

    Raises Invalid.
    """
    order = found_order(call, account, name)
    tracker = next((each for each in order.trackers if each.id == tracker_id), None)
    if tracker is None:
        raise Invalid("INVALID_RESOURCE_ID")
    status, items = tracker.status, tracker.items
    for number, step in enumerate(operations_of(call.http)):
        path, value = step["path"], step.get("value")
        if path == "/status" and value in _STATUSES:
            status = value
        elif path == "/items" and isinstance(value, list):
            items = value
        elif path in ("/status", "/items"):
            raise Invalid("INVALID_PARAMETER_VALUE", f"/@{number}/value", str(value))
        elif path != "/notify_payer":
            raise Invalid("NOT_PATCHABLE", f"/@{number}/path", path)

    def apply() -> None:
        tracker.status, tracker.items = status, items
        tracker.updated_s = account.backend.now_s()

    await execute_nothing(call, order.request, change=apply)
    return HttpResponse(NO_CONTENT)
