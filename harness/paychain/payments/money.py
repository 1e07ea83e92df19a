"""Amounts of money: decimal where people write them, integer minor units everywhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from functools import cache
from itertools import pairwise

import msgspec

from paychain.payments.packaged import packaged_yaml

USUAL_DIGITS = 2
PRICE_UNIT = 1_000_000  # a price is in millionths of a unit of the currency, for one coin
MAX_MINOR = 2**63 - 1  # minor units are 64-bit integers in records and in run.db
MAX_SHOWN = 40  # characters of a number that a message quotes
# A number of 60 digits and an exponent of two can be computed with exactly, and at once.
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,60}(?:\.[0-9]{0,60})?|\.[0-9]{1,60})(?:[eE][+-]?[0-9]{1,2})?"
)
_EXACT = Context(prec=250)


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    digits: dict[int, str]


class _Asset(msgspec.Struct, forbid_unknown_fields=True):
    digits: int
    title: str
    par: str = ""


class _Assets(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    assets: dict[str, _Asset]


@cache
def currencies() -> dict[str, int]:
    """Every currency in use, with its digits after the decimal point.

    Source: ISO 4217, list one; see data/currencies.yaml.
    """
    table = msgspec.convert(packaged_yaml(__package__, "data/currencies.yaml"), _Table)
    return {code: digits for digits, codes in table.digits.items() for code in codes.split()}


@cache
def crypto_assets() -> dict[str, int]:
    """Every asset that moves on a ledger, with its digits after the decimal point.

    See data/assets.yaml.
    """
    return {code: asset.digits for code, asset in _assets().items()}


@cache
def _assets() -> dict[str, _Asset]:
    return msgspec.convert(packaged_yaml(__package__, "data/assets.yaml"), _Assets).assets


@cache
def pegged(currency: str) -> tuple[str, ...]:
    """The assets of which one unit is meant to be worth one of a currency."""
    return tuple(code for code, asset in _assets().items() if asset.par == currency)


@cache
def assets() -> dict[str, int]:
    """All that a payment can be made in: currencies, and assets that move on a ledger."""
    return {**currencies(), **crypto_assets()}


def exponent(asset: str) -> int:
    """Digits after the decimal point of a currency or another asset.

    An unknown one is a mistake in a declaration; what a file of results says is shown all the same.
    """
    return assets().get(asset, USUAL_DIGITS)


def decimal_of(text: str) -> Decimal | None:
    """A number as JSON and people write it; None for anything else.

    Not so `Decimal`: it also takes NaN, `1_000` and the digits of every script, and computes for
    hours with `1e999999999`.
    """
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def minor_of(text: str) -> int:
    """Minor units as a service writes them: `1250`, also `1250.0`.

    Raises ValueError for what is none, and for more than a 64-bit integer holds.
    """
    value = decimal_of(text)
    if value is None or value != value.to_integral_value():
        raise ValueError(f"'{_cut(text)}' is not a whole number of minor units")
    if abs(value) > MAX_MINOR:
        raise ValueError(f"'{_cut(text)}' is too large; the largest is {MAX_MINOR}")
    return int(value)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def to_minor(amount: str, currency: str) -> int:
    """Minor units of a written amount such as `10.00`.

    Raises ValueError when it is not a number, has more digits than the currency, or is more than a
    64-bit integer holds.
    """
    value = decimal_of(amount)
    if value is None:
        raise ValueError(f"'{_cut(amount)}' is not an amount")
    digits = exponent(currency)
    scaled = value.scaleb(digits, _EXACT)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"'{amount}' has more decimal places than {currency} allows")
    if abs(scaled) > MAX_MINOR:
        largest = Decimal(MAX_MINOR).scaleb(-digits).to_integral_value(ROUND_DOWN)
        raise ValueError(f"'{amount}' {currency} is too large; write at most {largest}")
    return int(scaled)


def share_of(amount_minor: int, share: float) -> int:
    """A declared share of an amount in minor units, half up: 5 of 9 for `50%`.

    In decimal, because `115%` of 10000 is 11499.999… in floating point.
    """
    exact = amount_minor * Decimal(repr(share))
    return int(exact.to_integral_value(rounding=ROUND_HALF_UP))


def repeated_share(amount_minor: int, share: float, times: int) -> list[int]:
    """A declared share of an amount several times: 46.16 and 46.15 for `50%` of 92.31 twice.

    The first ones together are as many shares, half up: two halves are the whole, and no more.
    """
    exact = amount_minor * Decimal(repr(share))
    upto = [int((exact * n).to_integral_value(rounding=ROUND_HALF_UP)) for n in range(times + 1)]
    return [later - sooner for sooner, later in pairwise(upto)]


def parts_of(amount_minor: int, shares: Sequence[float]) -> list[int]:
    """An amount in declared shares, each half up, and what is left of it as the last part.

    The shares together are at most 1. Where rounding up would take more than the whole, a later
    share is what is left.
    """
    parts = []
    left_minor = amount_minor
    for share in shares:
        parts.append(min(share_of(amount_minor, share), left_minor))
        left_minor -= parts[-1]
    assert left_minor >= 0
    return [*parts, left_minor]


def coins_for(amount_minor: int, scale: int, price: int) -> int:
    """Minor units of an asset that an amount buys, rounded down.

    `scale`: minor units of the asset in one of the currency at par; `price`: in PRICE_UNIT.
    """
    return amount_minor * scale * PRICE_UNIT // price


def worth_of(coins_minor: int, scale: int, price: int) -> int:
    """What minor units of an asset were sold for, in minor units, rounded half up.

    `scale`, `price`: as for `coins_for`.
    """
    unit = scale * PRICE_UNIT
    return (2 * coins_minor * price + unit) // (2 * unit)


def written(amount_minor: int, currency: str) -> str:
    """`8,212.40 EUR` for 821240 minor units."""
    digits = exponent(currency)
    return f"{Decimal(amount_minor).scaleb(-digits):,.{digits}f} {currency}"
