"""Amounts of money: decimal where people write them, integer minor units everywhere else."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

# ISO 4217 exponents that differ from the usual two digits.
_EXPONENTS = {
    "BHD": 3, "CLP": 0, "IQD": 3, "ISK": 0, "JOD": 3, "JPY": 0, "KRW": 0, "KWD": 3,
    "LYD": 3, "OMR": 3, "PYG": 0, "TND": 3, "UGX": 0, "VND": 0, "XAF": 0, "XOF": 0,
}  # fmt: skip


def exponent(currency: str) -> int:
    """Digits after the decimal point of an ISO 4217 currency."""
    return _EXPONENTS.get(currency, 2)


def to_minor(amount: str, currency: str) -> int:
    """Minor units of a written amount such as `10.00`.

    Raises ValueError when it is not a number or has more digits than the currency.
    """
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise ValueError(f"'{amount}' is not an amount") from None
    if not value.is_finite():
        raise ValueError(f"'{amount}' is not an amount")
    scaled = value.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"'{amount}' has more digits than {currency} has")
    return int(scaled)


def written(amount_minor: int, currency: str) -> str:
    """`8,212.40 EUR` for 821240 minor units."""
    digits = exponent(currency)
    return f"{Decimal(amount_minor).scaleb(-digits):,.{digits}f} {currency}"
