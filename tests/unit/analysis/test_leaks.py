"""Card numbers in a log behind escapes that end in a digit, and digits that are no card number."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from paychain.analysis.money import leaks
from paychain.payments.cards import TEST_CARDS, masked, pattern_of

VISA = TEST_CARDS[0].number
ESCAPES = ["%22", "%20", "%28", "%c2%a0", "%2522", r"\x22", r"\u0022", r"\u00a0", r"\\u0022"]
NO_NUMBERS = ["{}1", "1{}", "%34{}", "%30{}", r"\x31{}", r"\u0031{}", "%2534{}", "%22{}9", "0{}"]


def texts(folder: Path, log: str) -> list[str]:
    """What is found in a log, in words."""
    (folder / "shop.log").write_text(log)
    return [found.text for found in leaks.no_card_number_in_a_file(folder).payments]


@pytest.mark.parametrize(
    "written",
    [
        *(f"{escape}{{}}{escape}" for escape in ESCAPES),
        *("%7B%22number%22%3A%22{}%22%7D", "%{}", "100%{}", "&#34;{}&#34;", "%{}%0D%0A"),
    ],
)
def test_a_number_is_found_behind_an_escape_that_ends_in_a_digit(
    tmp_path: Path, written: str
) -> None:
    for card in TEST_CARDS:
        number = card.number
        grouped = "%20".join((number[:4], number[4:10], number[10:]))
        for form in (number, grouped, f"{number[:-1]}%3{number[-1]}"):
            log = f"starting\n{written.format(form)} paid\n"
            assert texts(tmp_path, log) == [f"shop.log:2 holds the number of {card.masked}"]
            assert form not in masked(log)


@pytest.mark.parametrize("written", NO_NUMBERS)
def test_a_part_of_a_longer_row_of_digits_is_no_number(tmp_path: Path, written: str) -> None:
    assert texts(tmp_path, f"id {written.format(VISA)} ts=1764457985123\n") == []


def test_a_row_of_digits_that_goes_on_in_the_next_read_is_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "READ_BYTES", 19)
    assert texts(tmp_path, f"id={VISA}00 paid") == []
    assert texts(tmp_path, f"id={VISA} paid") != []


def test_reads_and_the_search_for_bare_digits_hide_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the patterns find in a whole log is found in its parts, and nothing else is."""
    draw = random.Random(7)
    between = [
        "",
        "",
        "",
        "",
        " ",
        "-",
        "%20",
        "%2d",
        "%C2%A0",
        "%0d%0a",
        r"\u00A0",
        r"\N",
        "&NBSP;",
    ]
    around = [
        "",
        "9",
        "%",
        "%4",
        "%2",
        "%3",
        "%34",
        "\\",
        "id=",
        "=",
        " ",
        "4242",
        "1764457985",
        *ESCAPES,
    ]
    found = 0
    for _ in range(150):
        digits = [
            draw.choice([digit, digit, digit, f"%3{digit}"]) + draw.choice(between)
            for digit in draw.choice(TEST_CARDS).number
        ]
        log = "".join([*draw.choices(around, k=3), *digits, *draw.choices(around, k=2)])
        monkeypatch.setattr(leaks, "READ_BYTES", draw.choice([16, 50, 250_000]))
        expected = [card.masked for card in TEST_CARDS if pattern_of(card).search(log)]
        assert [text.rpartition(" ")[2] for text in texts(tmp_path, log)] == expected, log
        found += len(expected)
    assert 30 < found < 140


@pytest.mark.parametrize("between", [",", ".", "/", "_"])
def test_a_list_of_digits_is_no_number(tmp_path: Path, between: str) -> None:
    assert texts(tmp_path, f"counts [{between.join(VISA)}]") == []
    groups = between.join((VISA[:4], VISA[4:8], VISA[8:12], VISA[12:]))
    assert texts(tmp_path, f"card {groups}") != []


def test_every_line_with_a_number_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "READ_BYTES", 100)
    log = f"starting\n\n{VISA} and {VISA}\n" + f"\npaid {VISA}\n" * 30
    expected = f"shop.log:3 holds the number of {TEST_CARDS[0].masked}, and so do 30 other lines"
    assert texts(tmp_path, log) == [expected]
