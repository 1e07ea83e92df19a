"""What an update makes of an order: `PUT /v2/orders/{id}` says what changes, and what is cleared.

Source: the documentation of `orders.update` in `squareup` (python) 46.0.0.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from paychain.protocol.dialects.square import reading
from paychain.protocol.dialects.square.errors import Invalid
from paychain.protocol.dialects.square.order_sums import parts_of

Given = dict[str, Any]
PARTS = ("line_items", "discounts", "taxes", "service_charges", "fulfillments")
# What an order shows and nobody writes.
OURS = ("id", "created_at", "updated_at", "closed_at", "tenders", "net_amounts")
_FIXED = (*OURS, "version", "location_id")
_PATH = re.compile(r"(\w+)(?:\[([^\]]+)\])?(?:\.(\w+))?")  # line_items[uid].note, metadata.name


def updated(asked: Given, body: Given) -> Given:
    """An order as it was asked for, with an update. Raises Invalid."""
    found = deepcopy(asked)
    for path in reading.listed(body, "fields_to_clear"):
        _clear(found, str(path))
    change = deepcopy(reading.inside(body, "order"))
    for name in change.keys() - set(_FIXED):
        if name in PARTS:
            found[name] = _merged(parts_of(found, name), parts_of(change, name))
        elif name == "metadata":
            found[name] = {
                **reading.inside(found, name),
                **reading.inside(change, name, "order."),
            }
        else:
            found[name] = change[name]
    return found


def name_parts(asked: Given) -> None:
    """Give every part of an order that has none a uid. Raises Invalid for one that two have."""
    for name in PARTS:
        parts = parts_of(asked, name)
        given = [each["uid"] for each in parts if each.get("uid")]
        if len(given) != len(set(given)):
            raise Invalid("bad_request", field=f"order.{name}.uid")
        free = (uid for n in range(1, 2 * len(parts) + 1) if (uid := f"{name}-{n}") not in given)
        for each in parts:
            if not each.get("uid"):
                each["uid"] = next(free)
            if name == "fulfillments":
                each.setdefault("state", "PROPOSED")


def _clear(found: Given, path: str) -> None:
    """Clear what a path names: a field, a part of the order by its uid, or a field of either."""
    read = _PATH.fullmatch(path)
    if read is None or read[1] in _FIXED:
        raise Invalid("bad_request", field="fields_to_clear")
    name, uid, inner = read.groups()
    if uid is None and inner is None:
        found.pop(name, None)
    elif uid is None:
        reading.inside(found, name).pop(inner, None)
    elif inner is None:
        found[name] = [each for each in parts_of(found, name) if each["uid"] != uid]
    else:
        for each in parts_of(found, name):
            if each["uid"] == uid:
                each.pop(inner, None)


def _merged(before: list[Given], change: list[Given]) -> list[Given]:
    """The parts of an order by uid, each with what an update says of it, and then new ones."""
    by_uid = {each["uid"]: each for each in before}
    added = []
    for each in change:
        if (uid := each.get("uid")) in by_uid:
            by_uid[uid] = {**by_uid[uid], **each}
        else:
            added.append(each)
    return [*by_uid.values(), *added]
