"""Numbers in texts of others: Python does not read all that its own methods call digits."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import paychain
from paychain.cli.explore_options import budget_of
from paychain.load.distributed.spread import address_of as master_of
from paychain.payments.errors import UserError
from paychain.payments.whole_number import whole_number
from paychain.processes.exposition import address_of
from paychain.processes.part import Part

PACKAGE = Path(paychain.__file__).parent
LONG = "9" * 5_000  # Python reads at most 4,300 digits
_CHECKED = re.compile(r"\.is(?:digit|decimal)\(\)")
_READ = re.compile(r"\bint\(")


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("0042", 42), ("9" * 18, 10**18 - 1)]
    + [(text, None) for text in ("", "-1", "+1", "1.0", "1_000", " 1", "²", "١", "9" * 19, LONG)],
)
def test_a_whole_number_is_ascii_digits_and_not_too_many(text: str, number: int | None) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize(
    "read",
    [
        budget_of,
        address_of,
        lambda text: address_of(f"127.0.0.1:{text}"),
        lambda text: master_of(f"10.0.0.5:{text}"),
        lambda text: Part.read(f"1/{text}"),
        lambda text: Part.read(
            "auto", {"PAYCHAIN_PART_INDEX": "0", "PAYCHAIN_PARTS": text, "CI_NODE_TOTAL": text}
        ),
    ],
)
@pytest.mark.parametrize("text", [LONG, "²"])
def test_an_option_with_too_many_digits_is_a_mistake(
    read: Callable[[str], object], text: str
) -> None:
    with pytest.raises(UserError):
        read(text)


def test_nothing_is_read_as_a_number_that_only_looks_like_one() -> None:
    """`isdigit` takes ², and neither it nor `isdecimal` bounds the length."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            is_bounded = "len(" in line or path.name in ("whole_number.py", "gojson.py")
            if _CHECKED.search(line) and _READ.search(line) and not is_bounded:
                found.append(f"{path.relative_to(PACKAGE)}:{number}")
    assert found == []
