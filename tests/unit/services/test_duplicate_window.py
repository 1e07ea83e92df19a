"""A provider that refuses the same card and amount again: whom it saves, and whom it refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from paychain.model.loading import FileMistakes, load_chain
from paychain.payments.cards import TEST_CARDS
from tests.support.chains import corner_shop
from tests.support.runs import declare
from tests.support.virtual_links import VirtualLinks, on_links
from tests.unit.services.test_link_faults import switch_on

WINDOW = {"duplicates": {"within": "2m"}}
RETRY = {"retry": {"attempts": 2, "on": ["timeout"], "backoff": "10ms", "jitter": "none"}}


def shop(where: str = "processor", *, window: Any = WINDOW, **changes: Any) -> str:
    """Idempotency keys nowhere: only the window can recognise a repeat."""
    no_keys = {"idempotency": "none"}
    places = {name: {**no_keys, **(window if name == where else {})} for name in LINKS}
    return corner_shop(answers_at_once=True, timeout="300ms", **{**places, **changes})


LINKS = ("processor", "issuer")


def lose_first_answer(text: str) -> tuple[VirtualLinks, str]:
    async def work(links: VirtualLinks) -> str:
        switch_on(links, "lost_answer", first=1)
        reply = await links.pay()
        await links.drain()
        return str(reply.result)

    return on_links(text, work)


@pytest.mark.parametrize("where", LINKS)
def test_a_repeat_without_keys_moves_no_money_and_resolves_the_unknown_outcome(where: str) -> None:
    links, result = lose_first_answer(shop(where, authorise=RETRY))
    assert result == "approved"
    assert links.book("issuer") == ["authorised 1000"]
    assert links.decisions(where).count("duplicate_refused") == 1
    assert links.broken() == {}


def test_without_the_window_the_same_repeat_is_a_second_charge() -> None:
    links, _ = lose_first_answer(shop(window={}, authorise=RETRY))
    assert "no_double_charge" in links.broken()


def test_a_duplicate_of_what_is_still_in_flight_resolves_nothing() -> None:
    # The issuer needs 400 ms; the gateway repeats after 300 ms, and the original is approved later.
    slow = {"answers_in": {"median": "400ms", "p99": "400ms"}, "idempotency": "none"}
    retry = {**RETRY, "on_unknown": "reverse"}
    links, result = lose_first_answer(
        shop(issuer=slow, authorise=retry, processor_timeout="1s", deadline="5s")
    )
    assert result == "technical"
    assert links.book("issuer")[0] == "authorised 1000"
    assert any(line.startswith("voided 1000") for line in links.book("issuer"))
    assert links.broken() == {}


def purchases(window: Any, *second: Any, pause_s: float = 1.0) -> tuple[VirtualLinks, list[str]]:
    """A purchase of 10.00 with a card, then another one, as `pay` is given it."""

    async def work(links: VirtualLinks) -> list[str]:
        first = await links.pay("p1")
        await asyncio.sleep(pause_s)
        again = await links.pay("p2", *second)
        await links.drain()
        return [f"{reply.result} {reply.code}" for reply in (first, again)]

    return on_links(shop(window={"duplicates": window}), work)


def test_an_honest_second_purchase_is_refused_as_well_and_counted_as_such() -> None:
    links, ends = purchases({"within": "2m"})
    assert ends == ["approved 00", "declined 94"]
    (refusal,) = [
        made for made in links.journal if getattr(made, "kind", "") == "duplicate_refused"
    ]
    assert getattr(refusal, "detail", "") == "repeats p1-1, of another order"
    assert links.book("issuer", "p2") == []
    assert links.broken("p2") == {}


@pytest.mark.parametrize(
    ("window", "second", "pause_s", "end"),
    [
        ({"within": "30s"}, (1_000,), 31.0, "approved 00"),
        ({"within": "30s"}, (1_000,), 29.0, "declined 94"),
        ({"within": "2m"}, (1_001,), 1.0, "approved 00"),
        ({"within": "2m"}, (1_000, TEST_CARDS[1]), 1.0, "approved 00"),
        ({"within": "2m", "by": ["card"]}, (1_001,), 1.0, "declined 94"),
        ({"within": "2m", "code": "26"}, (1_000,), 1.0, "declined 26"),
    ],
)
def test_the_window_compares_what_it_declares(
    window: Any, second: tuple[Any, ...], pause_s: float, end: str
) -> None:
    _, ends = purchases(window, *second, pause_s=pause_s)
    assert ends == ["approved 00", end]


def test_what_was_declined_or_undone_is_not_repeated() -> None:
    async def work(links: VirtualLinks) -> list[str]:
        switch_on(links, "decline", "issuer", code="51", first=1)
        declined = await links.pay("p1")
        switch_on(links, "lost_answer", first=1)
        undone = await links.pay("p2")
        await links.drain()
        links.host.faults.heal("f")
        third = await links.pay("p3")
        return [str(reply.result) for reply in (declined, undone, third)]

    _, ends = on_links(shop(on_unknown="reverse"), work)
    assert ends == ["declined", "technical", "approved"]


def test_a_window_needs_its_length_and_the_code_of_a_decline(tmp_path: Path) -> None:
    for window, message in (
        ({}, "'within' is missing; add within:"),
        ({"within": "2m", "code": "00"}, "00 is an approval (approved), not a decline"),
        ({"within": "2m", "by": ["colour"]}, "'colour'"),
    ):
        declare(tmp_path, shop=shop(window={"duplicates": window}))
        with pytest.raises(FileMistakes) as found:
            load_chain(str(tmp_path / "shop.yaml"))
        assert message in found.value.lines[0]
