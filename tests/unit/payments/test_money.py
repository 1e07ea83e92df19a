"""Currencies and their digits: ISO 4217, list one."""

from __future__ import annotations

import pytest

from paychain.payments.money import MAX_MINOR, assets, currencies, to_minor, written


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
    with pytest.raises(ValueError, match="has more decimal places than JPY allows"):
        to_minor("30.55", "JPY")


@pytest.mark.parametrize(
    ("asset", "amount", "minor"),
    [
        ("USDC", "1250.000001", 1_250_000_001),
        ("ETH", "0.000000001", 1),
        ("TON", "3.5", 3_500_000_000),
        ("BTC", "0.00000001", 1),
    ],
)
def test_an_asset_is_booked_in_units_of_64_bits(asset: str, amount: str, minor: int) -> None:
    assert to_minor(amount, asset) == minor
    assert to_minor(written(minor, asset).split()[0].replace(",", ""), asset) == minor
    assert asset in assets()
    assert asset not in currencies()


def test_more_than_64_bits_hold_is_refused_with_the_largest_amount() -> None:
    largest = MAX_MINOR // 10**9
    assert to_minor(str(largest), "ETH") == largest * 10**9
    with pytest.raises(ValueError, match=f"too large; write at most {largest}"):
        to_minor(str(largest + 1), "ETH")
    with pytest.raises(ValueError, match="has more decimal places than USDC allows"):
        to_minor("0.0000001", "USDC")


@pytest.mark.parametrize(
    "text", ["NaN", "-Infinity", "1_000", "١٢", "1e999999999", "1e9999999999", "9" * 5_000, "", "."]
)
def test_what_nobody_writes_as_an_amount_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount") as refused:
        to_minor(text, "EUR")
    assert len(str(refused.value)) < 100


def test_no_digit_of_an_amount_is_rounded_away() -> None:
    with pytest.raises(ValueError, match="more decimal places"):
        to_minor("1." + "0" * 40 + "1", "EUR")
