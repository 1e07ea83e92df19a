"""A link that scales amounts wrongly: the rule that finds it names the factor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.model.loading import FileMistakes, load_chain
from tests.support.chains import corner_shop, experiment
from tests.support.runs import declare
from tests.support.virtual_links import paid
from tests.support.virtual_runs import broken, run_virtually


def shop(currency: str, link: str, exponent: str, **changes: Any) -> str:
    wrong = {"exponent": exponent}
    places = {link: {**wrong, **changes.pop(link, {})}}
    return corner_shop(answers_at_once=True, currency=currency, **{**places, **changes})


@pytest.mark.parametrize(
    ("currency", "exponent", "amount", "held", "factor"),
    [
        ("JPY", "2", 1_000, 100_000, "100"),
        ("EUR", "3", 1_000, 10_000, "10"),
        ("KWD", "2", 12_345, 1_235, "0.1"),  # 1234.5, half up
        ("EUR", "0", 1_000, 10, "0.01"),
    ],
)
@pytest.mark.parametrize("link", ["gateway", "processor"])
def test_the_factor_of_a_wrongly_scaled_amount_is_named(
    link: str, currency: str, exponent: str, amount: int, held: int, factor: str
) -> None:
    links, reply = paid(shop(currency, link, exponent), amount=amount)
    # The customer and the link itself see nothing: the answer comes back through the same mistake.
    assert reply.answer is not None
    assert reply.answer.amount_minor == amount
    assert links.book("issuer") == [f"authorised {held}"]
    assert f"{factor} times as much" in links.broken()["amounts_equal"]


def test_captures_are_scaled_like_authorisations_and_each_payment_is_found(tmp_path: Path) -> None:
    text = shop("JPY", "processor", "2", gateway={"captures": {"after": "10ms", "parts": "2"}})
    result = run_virtually(tmp_path, text, experiment(arrivals="20/s", before="2s", after="0s"))
    assert broken(result)["amounts_equal"] == 50  # 2.5 s of 20/s, the warm-up included


def test_the_right_number_of_decimals_is_no_mistake_to_declare(tmp_path: Path) -> None:
    declare(tmp_path, shop=shop("EUR", "processor", "2"), issuers=shop("EUR", "issuer", "0"))
    with pytest.raises(FileMistakes, match="EUR has 2 decimals: the link scales nothing wrongly"):
        load_chain(str(tmp_path / "shop.yaml"))
    with pytest.raises(FileMistakes, match="the role issuer has no 'exponent'"):
        load_chain(str(tmp_path / "issuers.yaml"))
