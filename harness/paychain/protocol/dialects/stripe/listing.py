"""Lists with their pages, and objects inside objects (`expand`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import islice
from typing import Any

from paychain.protocol.dialects.stripe import disputes, setup_objects
from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import Invalid, invalid, missing
from paychain.protocol.dialects.stripe.ids import read
from paychain.protocol.dialects.stripe.parameters import integer, text
from paychain.protocol.dialects.stripe.records import SESSION

MAX_OBJECTS, DEFAULT_OBJECTS = 100, 10  # objects of a page
MAX_EXPANDED = 4  # levels of one expansion
_BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda made, bound: made > bound,
    "gte": lambda made, bound: made >= bound,
    "lt": lambda made, bound: made < bound,
    "lte": lambda made, bound: made <= bound,
}


def page(
    account: Account, asked: RoutedRequest, found: Iterable[Shown], filters: Sequence[str] = ()
) -> Plan:
    """A page of the objects that were found, which are newest first. Raises Invalid.

    `filters`: parameters, each of which has to equal the field of its name if it is given; objects
    here do not belong to what they have no field for.
    """
    wanted = {name: value for name in filters if (value := text(asked.given, name))}
    matching = (
        shown for shown in found if all(shown.get(name) == value for name, value in wanted.items())
    )
    return account.looked_up(lambda: _page(asked, matching))


def _page(asked: RoutedRequest, found: Iterable[Shown]) -> Shown:
    given = asked.given
    limit = integer(given, "limit") or DEFAULT_OBJECTS
    if limit > MAX_OBJECTS:
        raise invalid("This value must be less than or equal to 100.", param="limit")
    all_found: Iterator[Shown] = (shown for shown in found if _is_made_in_time(shown, given))
    after, before = text(given, "starting_after"), text(given, "ending_before")
    if after and before:
        raise invalid(
            "Received both starting_after and ending_before parameters. Please pass in only one."
        )
    if after:
        all_found = _after(all_found, after)
    data = list(islice(all_found, limit + 1)) if not before else _before(all_found, before, limit)
    has_more = len(data) > limit
    if has_more:
        data = data[1:] if before else data[:limit]
    path, _, _ = asked.call.http.target.partition("?")
    return {"object": "list", "data": data, "has_more": has_more, "url": path}


def _after(found: Iterator[Shown], name: str) -> Iterator[Shown]:
    for shown in found:
        if shown["id"] == name:
            return found
    raise _no_such(name, "starting_after")


def _before(found: Iterator[Shown], name: str, limit: int) -> list[Shown]:
    """The objects just newer than a named one, and one more if there are more."""
    newer: list[Shown] = []
    for shown in found:
        if shown["id"] == name:
            return newer
        newer = [*newer[-limit:], shown]
    raise _no_such(name, "ending_before")


def _no_such(name: str, param: str) -> Invalid:
    refusal = missing("object", name, param)
    refusal.status = 400
    return refusal


def _is_made_in_time(shown: Shown, given: dict[str, Any]) -> bool:
    bounds = given.get("created")
    if not bounds:
        return True
    made = int(shown["created"])
    if not isinstance(bounds, dict):
        return made == integer(given, "created", least=0)
    return all(_BOUNDS[name](made, _time(bounds, name)) for name in bounds if name in _BOUNDS)


def _time(bounds: dict[str, Any], name: str) -> int:
    try:
        return int(bounds[name])
    except (TypeError, ValueError) as error:
        raise invalid(f"Invalid timestamp: {bounds[name]}", param=f"created[{name}]") from error


def intents(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/payment_intents`."""
    customer = text(asked.given, "customer")
    return page(
        account,
        asked,
        (
            account.objects.intent(intent)
            for intent in account.intents.newest_first()
            if not customer or intent.fields.get("customer") == customer
        ),
        ("customer_account",),
    )


def charges(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/charges`."""
    customer, of_intent = text(asked.given, "customer"), text(asked.given, "payment_intent")
    return page(
        account,
        asked,
        (
            account.objects.charge(intent, charge)
            for intent in account.intents.newest_first()
            if (not customer or intent.fields.get("customer") == customer)
            and (not of_intent or intent.id == of_intent)
            for charge in reversed(intent.charges)
            if account.objects.is_made(charge)
        ),
        ("transfer_group",),
    )


def refunds(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/refunds`, and those of a charge: `GET /v1/charges/{charge}/refunds`."""
    of_intent = text(asked.given, "payment_intent")
    of_charge = asked.names[0] if asked.names else text(asked.given, "charge")
    return page(account, asked, _refunds(account, of_intent, of_charge))


def _refunds(account: Account, of_intent: str, of_charge: str) -> Iterator[Shown]:
    for intent in account.intents.newest_first():
        if of_intent and intent.id != of_intent:
            continue
        for charge in reversed(intent.charges):
            for part in reversed(charge.refunds):
                shown = account.objects.refund(intent, charge, part)
                if not of_charge or shown["charge"] == of_charge:
                    yield shown


def disputed(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/disputes`."""
    of_charge, of_intent = text(asked.given, "charge"), text(asked.given, "payment_intent")
    return page(
        account,
        asked,
        (
            shown
            for intent in account.intents.newest_first()
            for charge in reversed(intent.charges)
            if charge.dispute is not None and of_intent in ("", intent.id)
            if (shown := disputes.shown(intent, charge)) and of_charge in ("", shown["charge"])
        ),
    )


def balance(account: Account, _asked: RoutedRequest) -> Plan:
    """`GET /v1/balance`: what was captured and not refunded, all of it available at once."""
    return account.looked_up(lambda: _balance(account))


def _balance(account: Account) -> Shown:
    sums = Counter({account.backend.currency.lower(): 0})
    for shown in _movements(account):
        sums[shown["currency"]] += shown["net"]

    def parts(amounts: Mapping[str, int]) -> list[Shown]:
        return [
            {"amount": minor, "currency": currency, "source_types": {"card": minor}}
            for currency, minor in amounts.items()
        ]

    return {
        "object": "balance",
        "available": parts(sums),
        "livemode": False,
        "pending": parts(dict.fromkeys(sums, 0)),
    }


def movements(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/balance_transactions`."""
    source, kind = text(asked.given, "source"), text(asked.given, "type")
    return page(
        account,
        asked,
        (
            shown
            for shown in _movements(account)
            if (not source or shown["source"] == source) and (not kind or shown["type"] == kind)
        ),
        ("currency", "payout"),
    )


def _movements(account: Account) -> Iterator[Shown]:
    for intent in account.intents.newest_first():
        for charge in reversed(intent.charges):
            entry = account.backend.entry(charge.reference)
            for part in reversed(charge.refunded(entry)):
                yield account.objects.movement(intent, charge, part)
            if entry is not None and entry.captured_minor:
                yield account.objects.movement(intent, charge, None)


def customers(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/customers`."""
    email = text(asked.given, "email")
    known = reversed(account.customers.values())
    return page(
        account,
        asked,
        (dict(each) for each in known if not email or each["email"] == email),
        ("test_clock",),
    )


def methods(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/payment_methods`, and those of a customer."""
    customer = asked.names[0] if asked.names else text(asked.given, "customer")
    known = reversed(account.methods.values())
    return page(
        account,
        asked,
        (account.objects.method(each) for each in known if each.customer == customer),
        ("allow_redisplay", "customer_account"),
    )


def charge(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/charges/{charge}`."""
    name = asked.names[0]
    asked.concerns(name)
    found = account.intents.charge_named(name)
    if found is None:
        raise missing("charge", name)
    intent, made = found
    return account.looked_up(lambda: account.objects.charge(intent, made), made.request)


def movement(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/balance_transactions/{id}`."""
    name = asked.names[0]
    asked.concerns(name)
    shown = _shown(account, name)
    if shown is None or shown["object"] != "balance_transaction":
        raise missing("balance_transaction", name)
    return account.looked_up(lambda: shown)


def expanded(account: Account, shown: Shown, given: dict[str, Any]) -> Shown:
    """An object with the objects that `expand[]` names in place of their ids.

    Raises Invalid for what cannot be expanded.
    """
    paths = given.get("expand") or []
    if not isinstance(paths, list):
        raise invalid("Invalid array", param="expand")
    # What is kept shares its inner objects with what is shown.
    shown = deepcopy(shown) if paths else shown
    for path in paths:
        names = str(path).split(".")
        if len(names) > MAX_EXPANDED + 1:
            raise invalid(
                f"You can only expand {MAX_EXPANDED} levels of a property. Was given {path}.",
                param="expand",
            )
        _expand(account, shown, names, str(path))
    return shown


def _expand(account: Account, shown: Shown, names: list[str], path: str) -> None:
    name, *rest = names
    if shown.get("object") == "list":
        if name != "data":
            raise _not_expandable(path)
        for each in shown["data"]:
            _expand(account, each, rest, path)
        return
    if name == "refunds" and shown["object"] == "charge" and name not in shown:
        mine = list(_refunds(account, "", shown["id"]))
        url = f"/v1/charges/{shown['id']}/refunds"
        shown[name] = {"object": "list", "data": mine, "has_more": False, "url": url}
    if name == "line_items" and shown["object"] == "checkout.session":
        found = read(SESSION, shown["id"])
        items = deepcopy(account.sessions[found[0]].items) if found is not None else []
        url = f"/v1/checkout/sessions/{shown['id']}/line_items"
        shown[name] = {"object": "list", "data": items, "has_more": False, "url": url}
    value = shown.get(name, ...)
    if isinstance(value, str):
        inner = _shown(account, value)
        if inner is None:
            raise _not_expandable(path)
        shown[name] = value = inner
    elif value is ... or not (value is None or isinstance(value, dict)):
        raise _not_expandable(path)
    if rest and isinstance(value, dict):
        _expand(account, value, rest, path)


def _not_expandable(path: str) -> Invalid:
    return invalid(f"This property cannot be expanded ({path}).", param="expand")


def _shown(account: Account, name: str) -> Shown | None:
    """Any object by its id, None for an unknown id."""
    for kept in (
        account.customers,
        account.deleted,
        account.products,
        account.prices,
        account.sold_once,
    ):
        if name in kept:
            return deepcopy(kept[name])
    if name.startswith("pm_"):
        method = account.method(name)
        return account.objects.method(method) if method is not None else None
    if name in account.setups:
        return setup_objects.shown_of(account, account.setups[name])
    intent = account.intents.named(name)
    if intent is not None:
        return account.objects.intent(intent)
    refunded = account.intents.refund_named(name)
    if refunded is not None:
        if name.startswith("txn_"):
            return account.objects.movement(*refunded)
        return account.objects.refund(*refunded)
    charged = account.intents.charge_named(name)
    if charged is not None:
        if name.startswith("txn_"):
            return account.objects.movement(*charged, None)
        return account.objects.charge(*charged)
    return None
