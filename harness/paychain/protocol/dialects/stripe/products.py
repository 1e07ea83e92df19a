"""Products and their prices: what the lines of a Checkout Session name instead of an amount.

Source: the description in Stripe's stripe-mock v0.203.0 (2026-08-26.dahlia).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from paychain.payments.money import currencies
from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest, written
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import Invalid, invalid, missing
from paychain.protocol.dialects.stripe.listing import page
from paychain.protocol.dialects.stripe.parameters import (
    MAX_INTEGER,
    TOO_LARGE,
    boolean,
    choice,
    integer,
    mapping,
    required,
    text,
)
from paychain.protocol.dialects.stripe.searching import found

ONE_TIME, RECURRING = "one_time", "recurring"
_INTERVALS = ("day", "week", "month", "year")
_TEXTS = ("description", "statement_descriptor", "tax_code", "unit_label", "url")
_TAXES = ("exclusive", "inclusive", "unspecified")
_EXISTS = "resource_already_exists"


def create_product(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/products`, with its first price where `default_price_data` says so."""
    given = asked.given
    required(given, "name")
    name = text(given, "id") or account.new_id("prod", 14)
    _check_is_new(account, name, "id")
    product = new_product(account, name, text(given, "name"))
    write(product, given)
    first = mapping(given, "default_price_data")
    price = new_price(account, first, name, "default_price_data") if first else None

    def add() -> None:
        _check_is_new(account, name, "id")
        account.products[name] = product
        if price is not None:
            account.prices[price["id"]] = price
            product["default_price"] = price["id"]

    return account.looked_up(lambda: dict(product), change=add)


def _check_is_new(account: Account, product: str, param: str) -> None:
    """Raises Invalid for the id of a product that there is."""
    if product in account.products:
        raise invalid("Product already exists.", code=_EXISTS, param=param)


def new_product(account: Account, name: str, title: str) -> Shown:
    """A product that nobody knows yet."""
    now_s = account.backend.now_s()
    return {
        "id": name,
        "object": "product",
        "active": True,
        "created": now_s,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": title,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "unit_label": None,
        "updated": now_s,
        "url": None,
    }


def retrieve_product(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/products/{id}`."""
    product = _known(account, "product", asked.names[0])
    return account.looked_up(lambda: dict(product))


def update_product(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/products/{id}`."""
    product = _known(account, "product", asked.names[0])
    default = text(asked.given, "default_price")
    if default and _known(account, "price", default)["product"] != product["id"]:
        raise missing("price", default, "default_price")
    return _updated(account, asked, product)


def delete_product(account: Account, asked: RoutedRequest) -> Plan:
    """`DELETE /v1/products/{id}`, of a product without prices."""
    name = _known(account, "product", asked.names[0])["id"]
    if any(price["product"] == name for price in account.prices.values()):
        raise invalid(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    return account.looked_up(
        lambda: {"id": name, "object": "product", "deleted": True},
        change=lambda: account.products.pop(name, None),
    )


def list_products(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/products`."""
    given, names = asked.given, _texts(asked.given, "ids")
    known = reversed(account.products.values())
    return page(
        account,
        asked,
        (
            dict(each)
            for each in known
            if _is_active(each, given) and (not names or each["id"] in names)
        ),
        ("url",),
    )


def search_products(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/products/search`."""
    return found(account, asked, map(dict, reversed(account.products.values())))


def create_price(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/prices`, of a known product or of one that is made with it."""
    given = asked.given
    for name in ("tiers", "custom_unit_amount", "transform_quantity"):
        if given.get(name):
            asked.call.not_served(f"a price with {name}")
            raise invalid(f"This mock has no prices with {name}.", param=name)
    product: Shown | None = None
    if made := mapping(given, "product_data"):
        required(made, "name")
        name = text(made, "id") or account.new_id("prod", 14)
        _check_is_new(account, name, "product_data[id]")
        product = new_product(account, name, text(made, "name"))
        write(product, made)
    else:
        required(given, "product")
        name = _known(account, "product", text(given, "product"), "product")["id"]
    price = new_price(account, given, name)
    key, may_move = price["lookup_key"], boolean(given, "transfer_lookup_key")
    _owner_of(account, key, price, may_move=may_move)

    def add() -> None:
        owner = _owner_of(account, key, price, may_move=may_move)
        if product is not None:
            _check_is_new(account, product["id"], "product_data[id]")
        if owner is not None:
            owner["lookup_key"] = None
        if product is not None:
            account.products[product["id"]] = product
        account.prices[price["id"]] = price

    return account.looked_up(lambda: dict(price), change=add)


def new_price(
    account: Account, given: dict[str, Any], product: str, place: str = "", name: str = ""
) -> Shown:
    """A price that nobody knows yet. `place`: of its parameters. Raises Invalid."""
    required(given, "currency")
    recurring = mapping(given, "recurring")
    if recurring:
        required(recurring, "interval")
    at = f"{place}[{{}}]" if place else "{}"
    currency, each_minor = text(given, "currency"), _unit_amount(given, at)
    if currency.upper() not in currencies():
        raise invalid(f"Invalid currency: {currency}.", param=at.format("currency"))
    return {
        "id": name or account.new_id("price"),
        "object": "price",
        "active": boolean(given, "active", default=True),
        "billing_scheme": "per_unit",
        "created": account.backend.now_s(),
        "currency": currency.lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": text(given, "lookup_key") or None,
        "metadata": written({}, given),
        "nickname": text(given, "nickname") or None,
        "product": product,
        "recurring": {
            "interval": choice(recurring, "interval", _INTERVALS),
            "interval_count": integer(recurring, "interval_count") or 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        }
        if recurring
        else None,
        "tax_behavior": choice(given, "tax_behavior", _TAXES) or "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": RECURRING if recurring else ONE_TIME,
        "unit_amount": each_minor,
        "unit_amount_decimal": str(each_minor),
    }


def retrieve_price(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/prices/{price}`."""
    price = _known(account, "price", asked.names[0])
    return account.looked_up(lambda: dict(price))


def update_price(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/prices/{price}`: an amount never changes."""
    price = _known(account, "price", asked.names[0])
    return _updated(account, asked, price)


def list_prices(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/prices`."""
    given, keys = asked.given, _texts(asked.given, "lookup_keys")
    wanted = {name: text(given, name) for name in ("product", "type")}
    wanted["currency"] = text(given, "currency").lower()
    return page(
        account,
        asked,
        (
            dict(each)
            for each in reversed(account.prices.values())
            if _is_active(each, given)
            and (not keys or each["lookup_key"] in keys)
            and all(value in ("", each[name]) for name, value in wanted.items())
        ),
    )


def search_prices(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/prices/search`."""
    return found(account, asked, map(dict, reversed(account.prices.values())))


def sold_price(account: Account, name: str, place: str) -> Shown:
    """The price that a line names. Raises Invalid for one that cannot be paid at once."""
    price = _known(account, "price", name, place)
    if not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.", param=place
        )
    if price["type"] == RECURRING:
        raise recurring_refused(place)
    return price


def recurring_refused(place: str) -> Invalid:
    """A price of a subscription, in a session of a payment."""
    return invalid(
        "You specified `payment` mode but passed a recurring price. Either switch to "
        "`subscription` mode or use only one-time prices.",
        param=place,
    )


def _updated(account: Account, asked: RoutedRequest, shown: Shown) -> Plan:
    """Another request may change it, too, until this one does: what that wrote stays."""

    def changed() -> tuple[Shown, Shown | None]:
        copied, owner = dict(shown), None
        write(copied, asked.given)
        if "lookup_key" in asked.given:
            may_move = boolean(asked.given, "transfer_lookup_key")
            owner = _owner_of(account, copied["lookup_key"], shown, may_move=may_move)
        return copied, owner

    def change() -> None:
        copied, owner = changed()
        if owner is not None:
            owner["lookup_key"] = None
        shown.update(copied)

    changed()
    return account.looked_up(lambda: dict(shown), change=change)


def write(shown: Shown, given: dict[str, Any]) -> None:
    """What may be written into a product or a price. Raises Invalid."""
    for name in (*_TEXTS, "lookup_key", "nickname", "default_price"):
        if name in given and name in shown:
            shown[name] = text(given, name) or None
    if "name" in given and "name" in shown:
        required(given, "name")
        shown["name"] = text(given, "name")
    for name in ("active", "shippable"):
        if name in given and name in shown:
            shown[name] = boolean(given, name)
    if "images" in given:
        shown["images"] = list(_texts(given, "images"))
    if "metadata" in given:
        shown["metadata"] = written(shown["metadata"], given)
    if "tax_behavior" in given and "tax_behavior" in shown:
        shown["tax_behavior"] = choice(given, "tax_behavior", _TAXES)


def _owner_of(account: Account, key: str | None, price: Shown, *, may_move: bool) -> Shown | None:
    """Which other price has a lookup key. Raises Invalid unless it may be taken from that."""
    owners = (each for each in account.prices.values() if key and each["lookup_key"] == key)
    owner = next((each for each in owners if each is not price), None)
    if owner is not None and not may_move:
        raise invalid(
            f"A price (`{owner['id']}`) already uses that lookup key.",
            code=_EXISTS,
            param="lookup_key",
        )
    return owner


def _unit_amount(given: dict[str, Any], place: str) -> int:
    """The price of one piece in minor units. Raises Invalid."""
    if given.get("unit_amount") not in (None, ""):
        return integer(given, "unit_amount", least=0) or 0
    try:
        exact = Decimal(text(given, "unit_amount_decimal"))
    except InvalidOperation:
        raise parameter_missing(place.format("unit_amount")) from None
    where = place.format("unit_amount_decimal")
    if exact.is_finite() and exact > MAX_INTEGER:
        raise invalid(TOO_LARGE, code="amount_too_large", param=where)
    if not exact.is_finite() or exact != exact.to_integral_value() or exact < 0:
        raise invalid("Invalid decimal", param=where)
    return int(exact)


def parameter_missing(param: str) -> Invalid:
    """What a request lacks."""
    return invalid(f"Missing required param: {param}.", code="parameter_missing", param=param)


def _known(account: Account, kind: str, name: str, param: str = "") -> Shown:
    kept = (account.products if kind == "product" else account.prices).get(name)
    shown = kept or account.sold_once.get(name, {})
    if shown.get("object") != kind:
        refusal = missing(kind, name, param)
        refusal.status = 400 if param else 404
        raise refusal
    return shown


def _is_active(shown: Shown, given: dict[str, Any]) -> bool:
    return "active" not in given or shown["active"] == boolean(given, "active")


def _texts(given: dict[str, Any], name: str) -> Iterable[str]:
    values = given.get(name) or []
    if not isinstance(values, list):
        raise invalid("Invalid array", param=name)
    return [str(each) for each in values]


HANDLERS: dict[str, Callable[[Account, RoutedRequest], Plan]] = {
    "POST /v1/products": create_product,
    "GET /v1/products": list_products,
    "GET /v1/products/search": search_products,
    "GET /v1/products/{id}": retrieve_product,
    "POST /v1/products/{id}": update_product,
    "DELETE /v1/products/{id}": delete_product,
    "POST /v1/prices": create_price,
    "GET /v1/prices": list_prices,
    "GET /v1/prices/search": search_prices,
    "GET /v1/prices/{price}": retrieve_price,
    "POST /v1/prices/{price}": update_price,
}
