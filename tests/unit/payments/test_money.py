"""Currencies and their digits: ISO 4217, list one."""

from __future__ import annotations

import pytest

from paychain.payments.money import currencies, to_minor, written


@pytest.mark.parametrize(
    ("digits", "codes"),
    [
        (0, "XPF RWF BIF DJF GNF KMF VUV UYI JPY KRW CLP ISK UGX VND PYG XAF XOF"),
        (2, "EUR USD GBP BRL INR HUF IDR XCG ZWG SLE"),
        (3, "BHD KWD JOD OMR TND IQD LYD"),
        (4, "CLF UYW"),
    ],
)
def test_a_currency_has_the_digits_of_the_standard(digits: int, codes: str) -> None:
    assert {code: currencies()[code] for code in codes.split()} == dict.fromkeys(
        codes.split(), digits
    )


@pytest.mark.parametrize("code", ["EUX", "XXX", "ZZZ", "BTC", "XAU", "XTS"])
def test_what_pays_for_nothing_is_no_currency(code: str) -> None:
    assert code not in currencies()


def test_amounts_are_written_with_the_digits_of_their_currency() -> None:
    assert to_minor("1.2345", "CLF") == 12_345
    assert to_minor("7794", "XPF") == 7_794
    assert written(779_425, "XPF") == "779,425 XPF"
    with pytest.raises(ValueError, match="has more digits than JPY has"):
        to_minor("30.55", "JPY")
