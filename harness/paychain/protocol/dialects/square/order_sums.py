"""What an order comes to: its lines, discounts, taxes and service charges.

    gross ─ discounts of lines and of the order ─▶ + service charges ─ + taxes ─▶ total

Square applies percentages to each line and rounds half to even there; a fixed amount for the whole
order is spread over the lines in proportion. Percentages are taken off before amounts. Discounts
come before taxes, and an inclusive tax is in the price already. Source: developer.squareup.com,
Orders API, "How it works" (from memory).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from paychain.protocol.dialects.square import reading
from paychain.protocol.dialects.square.errors import Invalid
from paychain.protocol.vendor_money import Money

Asked = dict[str, Any]
MAX_LINES = 500  # of an order, as at Square
# Where a line names those that apply to it alone, and by what.
_DISCOUNTS = ("applied_discounts", "discount_uid")
_TAXES = ("applied_taxes", "tax_uid")
_PERCENT = Decimal(100)
_NUMBER = re.compile(r"[0-9]+(\.[0-9]{1,5})?")


@dataclass(slots=True, kw_only=True)
class LineSums:
    """What a line comes to, in minor units."""

    gross_minor: int
    discount_minor: int = 0
    tax_minor: int = 0  # on top of the price
    included_minor: int = 0  # tax that the price includes

    @property
    def net_minor(self) -> int:
        """After discounts, before taxes that are added."""
        return self.gross_minor - self.discount_minor


@dataclass(slots=True, kw_only=True)
class OrderSums:
    """What an order comes to, in minor units. `applied`: each discount, tax and charge, by uid."""

    currency: str
    lines: list[LineSums]
    service_minor: int = 0
    applied: dict[str, int] = field(default_factory=dict)

    @property
    def discount_minor(self) -> int:
        """All discounts."""
        return sum(line.discount_minor for line in self.lines)

    @property
    def tax_minor(self) -> int:
        """All taxes, those that prices include as well."""
        return sum(line.tax_minor + line.included_minor for line in self.lines)

    @property
    def total_minor(self) -> int:
        """What a customer pays."""
        return sum(line.net_minor + line.tax_minor for line in self.lines) + self.service_minor


def sums_of(order: Asked) -> OrderSums:
    """The sums of an order whose lines, discounts, taxes and charges have uids. Raises Invalid."""
    lines, currencies = [], set()
    for number, line in enumerate(parts_of(order, "line_items")):
        at = f"order.line_items[{number}]."
        price = reading.amount(line, "base_price_money", at)
        added = [_modifier(each, f"{at}modifiers.") for each in parts_of(line, "modifiers")]
        currencies |= {price.currency, *(money.currency for money, _ in added)}
        each_minor = price.minor + sum(money.minor * quantity for money, quantity in added)
        lines.append(LineSums(gross_minor=_rounded(each_minor * _quantity(line, at))))
    if not lines or len(lines) > MAX_LINES:
        raise Invalid("missing", field="order.line_items")
    if len(currencies) > 1:
        raise Invalid("other_currency", field="order.line_items")
    sums = OrderSums(currency=currencies.pop(), lines=lines)
    for each, at in sorted(_parts_at(order, "discounts"), key=_precedence):
        _discount(order, sums, each, at)
    for each, at in _parts_at(order, "service_charges"):
        minor = _minor_of(sums, each, at, sum(line.net_minor for line in sums.lines))
        sums.service_minor += minor
        sums.applied[each["uid"]] = minor
    for each, at in _parts_at(order, "taxes"):
        _tax(order, sums, each, at)
    return sums


def parts_of(order: Asked, name: str) -> list[Asked]:
    """The lines, discounts, taxes or charges of an order. Raises Invalid for anything else."""
    given = reading.listed(order, name, "order.")
    if not all(isinstance(each, dict) for each in given):
        raise Invalid("object", field=f"order.{name}")
    if not all(isinstance(each.get("uid", ""), str) for each in given):
        raise Invalid("string", field=f"order.{name}.uid")
    return given


def _parts_at(order: Asked, name: str) -> Iterator[tuple[Asked, str]]:
    for number, each in enumerate(parts_of(order, name)):
        yield each, f"order.{name}[{number}]."


def _precedence(discount: tuple[Asked, str]) -> tuple[bool, bool]:
    """Percentages before amounts, and of each those of lines before those of the order."""
    asked, _ = discount
    return asked.get("percentage") is None, asked.get("scope") != "LINE_ITEM"


def _discount(order: Asked, sums: OrderSums, discount: Asked, at: str) -> None:
    lines = _lines_of(order, sums, discount, _DISCOUNTS)
    nets = [line.net_minor for line in lines]
    if discount.get("percentage") is not None:
        share = _percentage(discount, at)
        parts = [_rounded(net * share) for net in nets]
    else:
        parts = _spread(min(_amount(sums, discount, at), sum(nets)), nets)
    for line, minor in zip(lines, parts, strict=True):
        line.discount_minor += minor
    sums.applied[discount["uid"]] = sum(parts)


def _tax(order: Asked, sums: OrderSums, tax: Asked, at: str) -> None:
    share, applied = _percentage(tax, at), 0
    for line in _lines_of(order, sums, tax, _TAXES):
        if tax.get("type") == "INCLUSIVE":
            minor = _rounded(line.net_minor - line.net_minor / (1 + share))
            line.included_minor += minor
        else:
            minor = _rounded(line.net_minor * share)
            line.tax_minor += minor
        applied += minor
    sums.applied[tax["uid"]] = applied


def _lines_of(
    order: Asked, sums: OrderSums, adjustment: Asked, names: tuple[str, str]
) -> list[LineSums]:
    """The lines that a discount or a tax applies to: all, or those that name it."""
    if adjustment.get("scope") != "LINE_ITEM":
        return sums.lines
    applied, wanted = names
    return [
        line
        for line, asked in zip(sums.lines, parts_of(order, "line_items"), strict=True)
        if any(
            isinstance(each, dict) and each.get(wanted) == adjustment["uid"]
            for each in reading.listed(asked, applied, "order.line_items.")
        )
    ]


def _minor_of(sums: OrderSums, charge: Asked, at: str, of_minor: int) -> int:
    """A service charge: a percentage of the lines, or an amount."""
    if charge.get("percentage") is not None:
        return _rounded(of_minor * _percentage(charge, at))
    return _amount(sums, charge, at)


def _amount(sums: OrderSums, part: Asked, at: str) -> int:
    price = reading.amount(part, "amount_money", at)
    if price.currency != sums.currency:
        raise Invalid("other_currency", field=f"{at}amount_money.currency")
    return price.minor


def _spread(minor: int, over: list[int]) -> list[int]:
    """An amount in parts that are proportional to others, and whose sum is the amount."""
    parts, whole, left = [], sum(over), minor
    for each in over:
        part = _rounded(Decimal(left) * each / whole) if whole else 0
        parts.append(part)
        left, whole = left - part, whole - each
    return parts


def _modifier(modifier: Asked, at: str) -> tuple[Money, Decimal]:
    """What a modifier (a topping) adds to the price of its line, and how often."""
    price = reading.money(modifier, "base_price_money", at)
    if price is None:
        raise Invalid("missing", field=f"{at}base_price_money")
    return price, _quantity({"quantity": "1", **modifier}, at)


def _quantity(line: Asked, at: str) -> Decimal:
    found = _number(reading.text(line, "quantity", at))
    if found is None or found <= 0:
        raise Invalid("integer", field=f"{at}quantity")
    return found


def _percentage(part: Asked, at: str) -> Decimal:
    """A percentage, which is a text at Square: `8.5` is 8.5 %."""
    found = _number(reading.text(part, "percentage", at))
    if found is None or not 0 <= found <= _PERCENT:
        raise Invalid("number", field=f"{at}percentage")
    return found / _PERCENT


def _number(text: str) -> Decimal | None:
    """A number with at most five decimal places, as Square accepts."""
    return Decimal(text) if len(text) <= 12 and _NUMBER.fullmatch(text) else None


def _rounded(value: Decimal | int) -> int:
    return int(Decimal(value).quantize(Decimal(1), ROUND_HALF_EVEN))
