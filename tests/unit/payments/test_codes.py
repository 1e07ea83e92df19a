"""What a response code means, and how often a declined card may be presented again."""

from __future__ import annotations

import pytest

from paychain.payments.codes import (
    advice,
    asks_for_authentication,
    is_forbidden,
    is_technical,
    lookup,
    table,
)
from paychain.payments.retry_limits import DAY_NS, Presentation, forbids_reattempt, retry_limits

EVERY_CODE = (  # noqa: SIM905  (a list of them would take fifty lines)
    "00 10 85 01 02 03 04 07 41 43 05 06 09 12 14 15 46 57 13 19 1A 25 28 30 51 54 55 82 N7 70 6P "
    "59 62 61 65 68 75 78 86 91 92 93 94 96 5C 9G R0 R1 R3 "
    "08 11 16 17 18 20 21 22 23 24 26 27 29 31 32 33 34 35 36 37 38 39 40 42 44 52 53 56 58 60 63 "
    "64 66 67 71 74 76 77 79 80 81 83 84 87 88 89 90 95 97 98 99"
).split()


def test_every_code_of_the_domain_has_an_entry() -> None:
    assert sorted(table()) == sorted(EVERY_CODE)


def test_technical_codes_are_exactly_those_that_speak_of_the_chains_health() -> None:
    technical = {code for code in table() if is_technical(code)}
    assert technical == {
        *("06", "09", "28", "68", "91", "92", "96"),
        *("20", "22", "81", "88", "90", "95", "97", "98", "99"),
    }


def test_a_code_may_be_technical_at_one_scheme_only() -> None:
    assert lookup("81", "visa").kind == "technical"  # type: ignore[union-attr]  # it is known
    assert lookup("81", "mastercard").kind == "business"  # type: ignore[union-attr]  # it is known


def test_08_is_an_approval_and_58_no_failure_of_the_chain() -> None:
    assert lookup("08").kind == "approval"  # type: ignore[union-attr]  # it is known
    assert not is_technical("58")
    assert lookup("58").retry != "soon"  # type: ignore[union-attr]  # it is known


def test_an_unknown_code_is_a_business_answer() -> None:
    assert not is_technical("ZZ")
    assert lookup("ZZ") is None


def test_65_is_a_soft_decline_at_mastercard_and_a_limit_at_visa() -> None:
    assert asks_for_authentication("65", "mastercard")
    assert not asks_for_authentication("65", "visa")
    assert asks_for_authentication("1A", "visa")


def test_category_1_is_never_presented_again_and_what_is_technical_is() -> None:
    first = {code for code, entry in table().items() if entry.visa == 1}
    assert all(is_forbidden(code) for code in first)
    assert {code for code in table() if is_forbidden(code)} == first
    assert lookup("91").retry == "soon"  # type: ignore[union-attr]  # it is known
    # An unknown outcome: reverse or query first.
    assert lookup("68").retry != "soon"  # type: ignore[union-attr]  # it is known


def test_what_is_from_memory_is_marked() -> None:
    assert lookup("68").confidence == "M"  # type: ignore[union-attr]  # it is known
    assert lookup("65", "mastercard").confidence == "M"  # type: ignore[union-attr]  # it is known
    assert lookup("65", "visa").confidence == "V"  # type: ignore[union-attr]  # it is known


def test_merchant_advice_02_asks_for_three_days() -> None:
    assert (advice()["02"].retry, advice()["02"].pause_h) == ("later", 72)


def declined(code: str, times: int, *, at_ns: int = 0, amount: int = 1_000) -> list[Presentation]:
    return [Presentation(code, at_ns, "shop", amount)] * times


def broken(scheme: str, some: list[Presentation], *, now_ns: int = 1, amount: int = 1_000) -> str:
    limit = forbids_reattempt(scheme, some, now_ns=now_ns, merchant="shop", amount_minor=amount)
    return limit.id if limit is not None else ""


@pytest.mark.parametrize(
    ("scheme", "some", "limit"),
    [
        ("visa", declined("41", 1), "visa-category-1"),
        # the first presentation and 15 reattempts are allowed, the 16th reattempt is not
        ("visa", declined("51", 15), ""),
        ("visa", declined("51", 16), "visa-categories-2-4"),
        # 10 declines a day at one merchant
        ("mastercard", declined("51", 9), ""),
        ("mastercard", declined("51", 10), "mastercard-day"),
        ("amex", declined("41", 50), ""),
    ],
)
def test_a_scheme_limits_how_often_a_declined_card_comes_back(
    scheme: str, some: list[Presentation], limit: str
) -> None:
    assert broken(scheme, some) == limit


def test_declines_of_another_day_or_another_amount_count_where_the_limit_says_so() -> None:
    yesterday = declined("51", 34)
    assert broken("mastercard", yesterday, now_ns=DAY_NS) == ""
    yesterday = declined("51", 35)
    assert broken("mastercard", yesterday, now_ns=DAY_NS) == "mastercard-same-amount"
    assert broken("mastercard", yesterday, now_ns=DAY_NS, amount=2_000) == ""
    assert broken("visa", declined("51", 16), now_ns=30 * DAY_NS) == ""


def test_of_two_sources_that_conflict_one_is_in_force() -> None:
    assert [limit.most for limit in retry_limits("visa")] == [0, 15]
