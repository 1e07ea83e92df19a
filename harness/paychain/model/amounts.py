"""Every declared amount is one of the chain's currency: it has no more digits than that has.

Prices are finer: in millionths.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from types import NoneType
from typing import Any

from pydantic import BaseModel

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.text import KeyPath
from paychain.model.crypto import PriceBounds, Prices
from paychain.payments.money import PRICE_UNIT, assets, to_minor


def check_currency(currency: str, at: KeyPath) -> Iterator[Problem]:
    """An unknown currency or asset."""
    if currency not in assets():
        yield unknown(at, "currency", currency, sorted(assets()))


# What most of a file is: no amount, and nothing with an amount in it.
_PLAIN = (str, int, float, bool, NoneType)


def check_amounts(declared: Any, currency: str, at: KeyPath = ()) -> Iterator[Problem]:
    """Each amount anywhere in what is declared that the currency cannot write.

    Nothing is said where the currency is unknown: that is a mistake of its own.
    """
    if currency not in assets():
        return
    match declared:
        case Decimal() if declared.is_finite():
            try:
                to_minor(str(declared), currency)
            except ValueError as error:
                what, _, hint = str(error).partition("; ")
                yield Problem(at, what, hint or f"write {_nearest(declared, currency)}")
        case Prices():
            yield from _price(declared.of, (*at, "of"))
        case PriceBounds():
            yield from _price(declared.lowest, (*at, "lowest"))
            yield from _price(declared.highest, (*at, "highest"))
        case BaseModel():
            for name, field in type(declared).model_fields.items():
                value = getattr(declared, name)
                if not isinstance(value, _PLAIN):
                    key = (*at, field.alias or name)
                    yield from check_amounts(value, currency, key)
        case dict():
            for key, value in declared.items():
                if not isinstance(value, _PLAIN):
                    yield from check_amounts(value, currency, (*at, key))
        case list() | tuple():
            for number, value in enumerate(declared):
                if not isinstance(value, _PLAIN):
                    yield from check_amounts(value, currency, (*at, number))
        case _:
            pass


def _nearest(amount: Decimal, currency: str) -> Decimal:
    """The nearest amount that the currency can write, and not nothing."""
    smallest = Decimal(1).scaleb(-assets()[currency])
    return max(amount.quantize(smallest), smallest)


def _price(price: Decimal, at: KeyPath) -> Iterator[Problem]:
    if price * PRICE_UNIT % 1:
        what = f"'{price}' has more digits than a price has"
        yield Problem(at, what, f"write {price:.6f}")
