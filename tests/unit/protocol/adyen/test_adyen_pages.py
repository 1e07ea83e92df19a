"""Pages of Adyen's dialect where a shopper pays: hosted sessions and payment links."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from paychain.protocol.dialects.adyen import Adyen, account
from paychain.wire.http import WireError
from tests.support.adyen_links import AdyenLinks, on_adyen, payment, payment_id


def wanted(number: int = 1, **fields: Any) -> dict[str, Any]:
    """What a session or a link is made from."""
    return payment(payment_id(number), **fields, paymentMethod=None)


async def made(links: AdyenLinks, path: str = "/sessions", **fields: Any) -> dict[str, Any]:
    body = {name: value for name, value in wanted(**fields).items() if value is not None}
    if path == "/sessions":
        body["mode"] = "hosted"
    answered = await links.post(path, body)
    assert answered.status == 201
    return answered.body


async def status_of(links: AdyenLinks, session: dict[str, Any], location: str) -> str:
    brought = parse_qs(urlsplit(location).query)
    assert brought["sessionId"] == [session["id"]]
    query = f"?sessionResult={brought['sessionResult'][0]}"
    return str((await links.ask("GET", f"/sessions/{session['id']}{query}")).body["status"])


def test_a_shopper_pays_a_session_on_its_page_and_comes_back() -> None:
    async def scenario(links: AdyenLinks) -> None:
        session = await made(links)
        back = await links.visit(session["url"], "?card=tok_visa_4242")
        location = back.headers["location"]
        assert location.startswith("https://shop.example/return?sessionId=")
        assert await status_of(links, session, location) == "completed"
        assert (await links.visit(session["url"])).headers["location"] == location
        wrong = await links.ask("GET", f"/sessions/{session['id']}?sessionResult=x")
        assert wrong.status == 422

    links = on_adyen(scenario)
    assert links.booked() == [("authorised", 1000)]  # once, and the account captures later
    assert links.events() == [("AUTHORISATION", "true")]


def test_a_session_ends_at_a_time_that_has_a_zone() -> None:
    async def scenario(links: AdyenLinks) -> None:
        body = {name: value for name, value in wanted().items() if value is not None}
        refused = await links.post("/sessions", {**body, "expiresAt": "2099-11-28T18:00:00"})
        assert (refused.status, refused.body["errorCode"]) == (400, "702")
        session = await made(links, expiresAt="2099-11-28T18:00:00+01:00")
        assert session["expiresAt"] == "2099-11-28T17:00:00+00:00"

    on_adyen(scenario)


def test_what_a_page_shows_is_read_as_the_payment_that_it_is() -> None:
    async def scenario(links: AdyenLinks) -> None:
        session = await made(links)
        assert (await links.visit(session["url"], "?card=pm_unknown")).status == 422
        for _ in range(2):  # another card is another attempt
            page = await links.visit(session["url"])
            assert page.status == 402
            assert Adyen.classify(page).result.value == "declined"
        seen = await links.ask("GET", f"/sessions/{session['id']}")
        assert seen.status == 422

    on_adyen(scenario, issuer="declines: {share: 100%, code: '05'}")


def test_a_card_that_authenticates_does_so_on_the_way() -> None:
    async def scenario(links: AdyenLinks) -> None:
        session = await made(links, additionalData={"executeThreeD": "true"})
        bank = await links.visit(session["url"])
        assert "redirectResult=" in bank.headers["location"]
        back = await links.visit(bank.headers["location"])
        assert await status_of(links, session, back.headers["location"]) == "completed"

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_of_two_attempts_that_return_from_the_bank_at_once_one_is_charged() -> None:
    async def scenario(links: AdyenLinks) -> None:
        session = await made(links, additionalData={"executeThreeD": "true"})
        banks = [(await links.visit(session["url"])).headers["location"] for _ in range(2)]
        assert banks[0] != banks[1]
        await asyncio.gather(*[links.visit(bank) for bank in banks])
        assert len(links.booked()) == 1
        late = await links.visit(banks[1])
        assert await status_of(links, session, late.headers["location"]) == "completed"

    # The second one comes while the first one waits for its turn.
    links = on_adyen(scenario, psp="capacity: {concurrency: 1, queue: 10}")
    assert links.booked() == [("authorised", 1000)]


@pytest.mark.parametrize("status", [500, 503])
def test_who_returns_from_the_bank_to_a_page_that_fails_can_return_again(status: int) -> None:
    async def scenario(links: AdyenLinks) -> None:
        session = await made(links, additionalData={"executeThreeD": "true"})
        bank = (await links.visit(session["url"])).headers["location"]
        links.inject("http_error", status=status)
        assert [(await links.visit(bank)).status for _ in range(2)] == [status, status]
        links.host.faults.heal("http_error")
        back = await links.visit(bank)
        assert await status_of(links, session, back.headers["location"]) == "completed"

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_a_payment_whose_page_never_came_is_known_to_the_session() -> None:
    async def scenario(links: AdyenLinks) -> None:
        session = await made(links)
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.visit(session["url"])
        links.host.faults.heal("lost_answer")
        back = await links.visit(session["url"])
        assert await status_of(links, session, back.headers["location"]) == "completed"

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_a_payment_that_redirects_comes_back_from_the_bank_with_its_result() -> None:
    async def scenario(links: AdyenLinks) -> None:
        asked = payment(payment_id(1), additionalData={"executeThreeD": "true"})
        begun = await links.post("/payments", asked)
        bank = begun.body["action"]["url"]
        back = await links.visit(bank)
        location = back.headers["location"]
        assert location.startswith("https://shop.example/return?redirectResult=")
        brought = parse_qs(urlsplit(location).query)["redirectResult"][0]
        done = await links.post("/payments/details", {"details": {"redirectResult": brought}})
        assert done.body["resultCode"] == "Authorised"
        assert (await links.visit(bank.replace("Ab02", "xx"))).status == 422

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_a_press_of_the_button_that_arrives_twice_is_charged_once() -> None:
    async def scenario(links: AdyenLinks) -> None:
        session = await made(links)
        links.inject("duplicate_request", copies=2)
        assert (await links.visit(session["url"])).status == 303

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_a_link_is_paid_once_and_one_that_is_expired_never() -> None:
    async def scenario(links: AdyenLinks) -> None:
        paid = await made(links, "/paymentLinks")
        assert paid["status"] == "active"
        assert (await links.visit(paid["url"])).headers["location"] == "https://shop.example/return"
        seen = await links.ask("GET", f"/paymentLinks/{paid['id']}")
        assert seen.body["status"] == "completed"
        over = await made(links, "/paymentLinks", number=2)
        expired = await links.ask("PATCH", f"/paymentLinks/{over['id']}", {"status": "expired"})
        assert expired.body["status"] == "expired"
        assert (await links.visit(over["url"])).status == 404

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_no_two_pages_have_one_id_though_the_first_ones_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account, "MAX_PAGES", 1)

    async def scenario(links: AdyenLinks) -> None:
        ids = [(await made(links))["id"] for _ in range(3)]
        assert len(set(ids)) == 3

    on_adyen(scenario)


def test_the_page_of_an_embedded_session_stands_in_for_its_front_end() -> None:
    async def scenario(links: AdyenLinks) -> None:
        asked = {
            name: value for name, value in wanted(mode="embedded").items() if value is not None
        }
        session = (await links.post("/sessions", asked)).body
        assert "url" not in session
        back = await links.visit(f"/hosted/{session['id']}", "?card=tok_visa_4242")
        assert await status_of(links, session, back.headers["location"]) == "completed"

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_a_second_press_waits_for_the_first_ones_payment() -> None:
    async def scenario(links: AdyenLinks) -> None:
        page = (await made(links))["url"]
        presses = [links.visit(page, "?card=tok_visa_4242") for _ in range(2)]
        assert [each.status for each in await asyncio.gather(*presses)] == [303, 303]

    assert on_adyen(scenario).booked() == [("authorised", 1000)]
