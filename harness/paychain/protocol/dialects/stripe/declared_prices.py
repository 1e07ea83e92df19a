"""The prices that a chain declares: a shop has their ids in its settings."""

from __future__ import annotations

from collections import Counter

from paychain.protocol.dialects.stripe.account import Account
from paychain.protocol.dialects.stripe.products import new_price, new_product


def stock(account: Account, setting: str) -> None:
    """The prices that a chain declares: `price_shirt=1000, price_cap=250`, in minor units."""
    for name, minor in _declared(setting):
        product = new_product(account, account.new_id("prod", 14), name)
        given = {"currency": account.backend.currency, "unit_amount": minor}
        price = new_price(account, given, product["id"], name=name)
        product["default_price"] = name
        account.products[product["id"]], account.prices[name] = product, price


def _declared(setting: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in setting.split(",") if part.strip())
    return [(name.strip(), minor.strip()) for name, _, minor in pairs]


def stock_problem(setting: str) -> str:
    """Why a chain's prices cannot be read, "" if they can."""
    names = Counter(name for name, _ in _declared(setting))
    for name, minor in _declared(setting):
        if names[name] > 1:
            return f"'{name}' is in it {names[name]} times"
        if not name.removeprefix("price_") or not name.startswith("price_"):
            return f"'{name}' is not a price's id, such as price_shirt"
        if not (minor.isascii() and minor.isdigit() and len(minor) < 9):
            return f"'{minor}' is not an amount of {name} in minor units, such as 1000"
    return "" if _declared(setting) else "no price is in it"
