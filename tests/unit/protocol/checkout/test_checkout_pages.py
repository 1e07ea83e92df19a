"""Checkout.com's payment links and sessions (Flow), and the customer of a payment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.payments.journal import Decision, DecisionKind
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.stripe_links import Shown
from tests.support.vendor_links import payment

URLS = {f"{name}_url": f"https://shop.example/{name}" for name in ("success", "failure")}
WANTED = {"amount": 1000, "currency": "EUR", "reference": payment(1)}
CARD = {"type": "token", "token": "tok_visa_4242"}


def path_of(url: str) -> str:
    return "/" + url.partition("//")[2].partition("/")[2]


def test_a_payment_link_is_paid_on_its_page_and_expires() -> None:
    async def scenario(links: JsonLinks) -> None:
        wanted = {**WANTED, "return_url": "https://shop.example/back", "expires_in": 60}
        made = await links.post("/payment-links", wanted)
        page = path_of(made["_links"]["redirect"]["href"])
        own = f"/payment-links/{made['id']}"
        assert (await links.get(own))["status"] == "Active"
        back = await links.ask("GET", f"{page}?card=tok_visa_4242")
        seen = await links.get(own)
        assert back.headers["location"].startswith("https://shop.example/back?cko-payment-id=pay_")
        assert (seen["status"], seen["payment_id"][:4]) == ("Payment Received", "pay_")
        late = await links.post("/payment-links", {**wanted, "reference": payment(2)})
        await asyncio.sleep(61)
        assert (await links.get(f"/payment-links/{late['id']}"))["status"] == "Expired"
        page = path_of(late["_links"]["redirect"]["href"])
        assert (await links.ask("GET", page)).status == 404

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


def test_a_session_is_paid_by_what_flow_has_collected() -> None:
    async def scenario(links: JsonLinks) -> None:
        assert (await links.post("/payment-sessions", WANTED)).status == 422
        session = await links.post("/payment-sessions", {**WANTED, **URLS})
        assert session["id"].startswith("ps_")
        assert session["payment_session_secret"].startswith("pss_")
        submit = f"/payment-sessions/{session['id']}/submit"
        assert (await links.post(submit, {})).status == 422
        paid = await links.post(submit, {"session_data": "tok_visa_4242"}, key="k")
        again = await links.post(submit, {"session_data": "tok_visa_4242"}, key="k")
        assert (paid.status, paid["approved"], paid["reference"]) == (201, True, payment(1))
        assert again["id"] == paid["id"]
        whole = {**WANTED, **URLS, "reference": payment(2), "session_data": "tok_visa_4242"}
        assert (await links.post("/payment-sessions/complete", whole))["approved"] is True

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    held = [reference for kind, reference, _ in links.booked() if kind == "captured"]
    assert {each.partition("-")[0] for each in held} == {payment(1), payment(2)}


def test_the_customer_of_a_payment_is_kept_with_the_card_that_was_charged() -> None:
    async def scenario(links: JsonLinks) -> None:
        asked: dict[str, Any] = {**WANTED, "source": CARD}
        owner = {"email": "ada@shop.example", "name": "Ada"}
        first = await links.post("/payments", {**asked, "customer": owner})
        customer = first["customer"]
        assert (customer["email"], customer["name"]) == (owner["email"], "Ada")
        known = await links.get(f"/customers/{customer['id']}")
        (kept,) = known["instruments"]
        assert (kept["id"], known["default"]) == (first["source"]["id"], first["source"]["id"])
        again = await links.post(
            "/payments", {**asked, "reference": payment(2), "customer": {"id": customer["id"]}}
        )
        assert (again["customer"]["id"], again["source"]["id"]) == (customer["id"], kept["id"])
        by_customer = {"type": "customer", "id": customer["id"]}
        later = await links.post(
            "/payments", {**WANTED, "reference": payment(3), "source": by_customer}
        )
        assert later["approved"] is True
        seen = await links.get(f"/payments/{first['id']}")
        assert seen["customer"]["id"] == customer["id"]
        unknown = await links.post("/payments", {**asked, "customer": {"id": "cus_x"}})
        assert (unknown.status, unknown["error_codes"]) == (422, ["customer_not_found"])

    on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)


def test_a_link_expires_after_a_time_and_is_no_page_of_another_kind() -> None:
    async def scenario(links: JsonLinks) -> None:
        for lasts in (0, -1, True, "60", 10**20):
            refused = await links.post("/payment-links", {**WANTED, "expires_in": lasts})
            assert (refused.status, refused["error_codes"]) == (422, ["expires_in_invalid"])
        link = await links.post("/payment-links", WANTED)
        assert (await links.get(f"/hosted-payments/{link['id']}")).status == 404
        submit = f"/payment-sessions/{link['id']}/submit"
        assert (await links.post(submit, {"session_data": "tok_visa_4242"})).status == 404

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert not links.booked()


def test_a_customer_is_known_by_the_present_address_alone() -> None:
    async def scenario(links: JsonLinks) -> None:
        asked: dict[str, Any] = {**WANTED, "source": CARD}
        first = await links.post("/payments", {**asked, "customer": {"email": "a@shop.example"}})
        at = f"/customers/{first['customer']['id']}"
        moved = await links.ask("PATCH", at, {"email": "b@shop.example"})
        assert moved.status == 204
        for number, email, is_same in ((2, "b@shop.example", True), (3, "a@shop.example", False)):
            body = {**asked, "reference": payment(number), "customer": {"email": email}}
            paid = await links.post("/payments", body)
            assert (paid["customer"]["id"] == first["customer"]["id"]) is is_same
            assert (paid["source"]["id"] == first["source"]["id"]) is is_same
        assert (await links.ask("DELETE", at)).status == 204
        body = {**asked, "reference": payment(4), "customer": {"email": "b@shop.example"}}
        again = await links.post("/payments", body)
        assert again["customer"]["id"] != first["customer"]["id"]
        assert again["source"]["id"] != first["source"]["id"]

    on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)


def test_a_customer_that_is_the_source_is_shown_and_stays_deleted() -> None:
    async def scenario(links: JsonLinks) -> None:
        owner = {"email": "ada@shop.example"}
        first = await links.post("/payments", {**WANTED, "source": CARD, "customer": owner})
        name = first["customer"]["id"]
        asked = {**WANTED, "reference": payment(2), "source": {"type": "customer", "id": name}}
        paid = await links.post("/payments", asked, key="k")
        assert paid["customer"] == first["customer"]
        assert paid["source"]["id"] == first["source"]["id"]
        # Deleted while a payment of theirs is in progress.
        by_id = {**WANTED, "reference": payment(3), "source": CARD, "customer": {"id": name}}
        late, gone = await asyncio.gather(
            links.post("/payments", by_id, key="l"), links.ask("DELETE", f"/customers/{name}")
        )
        assert (late["approved"], gone.status) == (True, 204)
        assert (await links.get(f"/customers/{name}")).status == 404
        for body, key, before in ((asked, "k", paid), (by_id, "l", late)):
            again = await links.post("/payments", body, key=key)
            assert (again.status, again["id"]) == (201, before["id"])
            assert (await links.post("/payments", body)).status == 422

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert len([kind for kind, _, _ in links.booked() if kind == "captured"]) == 3


def test_a_session_is_paid_once_whatever_the_keys_of_its_submits() -> None:
    async def scenario(links: JsonLinks) -> None:
        session = await links.post("/payment-sessions", {**WANTED, **URLS})
        submit = f"/payment-sessions/{session['id']}/submit"
        data = {"session_data": "tok_visa_4242"}
        # Both are on their way at once; one of them again, under its key.
        asked = [links.post(submit, data, key=key) for key in ("a", "b")]
        first, second = await asyncio.gather(*asked)
        assert (first.status, second.status) == (201, 422)
        assert second["error_codes"] == ["payment_attempt_failed"]
        for key in ("b", "c", ""):
            assert (await links.post(submit, data, key=key)).status == 422
        assert (await links.post(submit, data, key="a"))["id"] == first["id"]

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


def test_a_declined_session_can_be_submitted_again() -> None:
    async def scenario(links: JsonLinks) -> None:
        session = await links.post("/payment-sessions", {**WANTED, **URLS})
        submit = f"/payment-sessions/{session['id']}/submit"
        data = {"session_data": "tok_visa_4242"}
        links.inject("http_error", status=503)
        assert (await links.post(submit, data, key="a")).status == 503
        links.heal("http_error")
        links.inject("decline", code="05")
        assert (await links.post(submit, data, key="b"))["approved"] is False
        links.heal("decline")
        assert (await links.post(submit, data, key="c"))["approved"] is True

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


def test_a_second_press_waits_for_the_first_ones_payment() -> None:
    async def scenario(links: JsonLinks) -> None:
        made = await links.post("/payment-links", {**WANTED, "return_url": "https://shop.example"})
        page = path_of(made["_links"]["redirect"]["href"])
        presses = [links.ask("GET", f"{page}?card=tok_visa_4242") for _ in range(2)]
        first, second = await asyncio.gather(*presses)
        assert (first.status, second.status) == (303, 200)

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


async def attempts_waiting(links: JsonLinks, kind: str) -> list[str]:
    """Two attempts to pay one page, both at the bank: the paths of the bank's pages."""
    made = await links.post(f"/{kind}", {**WANTED, **URLS, "3ds": {"enabled": True}})
    if kind == "payment-sessions":
        submit, data = f"/{kind}/{made['id']}/submit", {"session_data": "tok_visa_4242"}
        asked = [await links.post(submit, data, key=key) for key in ("a", "b")]
        assert [each.status for each in asked] == [202, 202]
        return [path_of(each["_links"]["redirect"]["href"]) for each in asked]
    page = path_of(made["_links"]["redirect"]["href"])
    presses = [await links.ask("GET", page) for _ in range(2)]
    assert [each.status for each in presses] == [303, 303]
    return [path_of(each.headers["location"]) for each in presses]


@pytest.mark.parametrize("kind", ["payment-sessions", "payment-links"])
def test_of_two_attempts_at_the_bank_only_one_is_charged(kind: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        first, second = await attempts_waiting(links, kind)
        assert first != second
        paid = await links.ask("GET", first)
        late = await links.ask("GET", second)
        assert paid.headers["location"].startswith(URLS["success_url"])
        assert late.headers["location"].startswith(URLS["failure_url"])
        attempt = await links.get(f"/payments/{second.rpartition('/')[2]}")
        assert attempt["status"] == "Declined"
        # Who comes back to the page that paid is shown that it did.
        again = await links.ask("GET", first)
        assert again.headers["location"] == paid.headers["location"]

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


def test_of_two_attempts_that_return_from_the_bank_at_once_one_is_charged() -> None:
    async def scenario(links: JsonLinks) -> None:
        waiting = await attempts_waiting(links, "payment-sessions")
        backs = await asyncio.gather(*[links.ask("GET", path) for path in waiting])
        ways = [back.headers["location"].partition("?")[0] for back in backs]
        assert sorted(ways) == sorted(URLS.values())

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


def test_an_attempt_that_waited_pays_once_the_other_is_declined() -> None:
    async def scenario(links: JsonLinks) -> None:
        first, second = await attempts_waiting(links, "payment-sessions")
        links.inject("decline", code="05")
        declined = await links.ask("GET", first)
        links.heal("decline")
        paid = await links.ask("GET", second)
        assert declined.headers["location"].startswith(URLS["failure_url"])
        assert paid.headers["location"].startswith(URLS["success_url"])

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


async def at_the_bank(links: JsonLinks) -> str:
    """A payment that waits for its customer: the path of the bank's page."""
    asked = {**WANTED, **URLS, "source": CARD, "3ds": {"enabled": True}}
    made = await links.post("/payments", asked)
    return path_of(made["_links"]["redirect"]["href"])


@pytest.mark.parametrize("later_s", [0.0, 0.05])
def test_who_comes_back_from_the_bank_twice_waits_for_what_is_authorised(later_s: float) -> None:
    async def scenario(links: JsonLinks) -> None:
        bank = await at_the_bank(links)
        links.inject("slow_answer", link="issuer", delay="100ms")

        async def again() -> Shown:
            await asyncio.sleep(later_s)
            return await links.ask("GET", bank)

        first, second = await asyncio.gather(links.ask("GET", bank), again())
        assert (first.status, second.status) == (303, 200)
        late = await links.ask("GET", bank)
        assert late.headers["location"] == first.headers["location"]
        assert late.headers["location"].startswith(URLS["success_url"])

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


def test_the_banks_page_shows_what_the_book_says_not_what_it_showed_before() -> None:
    async def scenario(links: JsonLinks) -> None:
        bank = await at_the_bank(links)
        await asyncio.gather(*[links.ask("GET", bank + way) for way in ("", "?outcome=failed")])
        late = await links.ask("GET", bank)
        assert late.headers["location"].startswith(URLS["success_url"])

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


def test_who_comes_back_twice_with_another_query_shares_no_key() -> None:
    async def scenario(links: JsonLinks) -> None:
        bank = await at_the_bank(links)
        await asyncio.gather(*[links.ask("GET", bank + way) for way in ("", "?lang=de")])

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    made = [each.kind for each in links.journal if isinstance(each, Decision)]
    assert DecisionKind.KEY_SHARED not in made
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_of_the_banks_page_leaves_a_payment_that_its_id_names(status: int) -> None:
    async def scenario(links: JsonLinks) -> None:
        bank = await at_the_bank(links)
        links.inject("http_error", status=status)
        for _ in range(2):
            assert (await links.ask("GET", bank)).status == status
        links.heal("http_error")
        back = await links.ask("GET", bank)
        assert back.headers["location"].startswith(URLS["success_url"])
        paid = await links.get(f"/payments/{bank.rpartition('/')[2]}")
        assert paid["status"] == "Captured"
        assert (await links.post(f"/payments/{paid['id']}/refunds", {})).status == 202

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [kind for kind, _, _ in links.booked()] == ["authorised", "captured", "refunded"]


def test_what_is_stuck_at_the_bank_has_not_failed() -> None:
    async def scenario(links: JsonLinks) -> None:
        bank = await at_the_bank(links)
        links.inject("stuck_pending")
        assert [(await links.ask("GET", bank)).status for _ in range(2)] == [200, 200]
        links.heal("stuck_pending")
        await asyncio.sleep(1)
        back = await links.ask("GET", bank)
        assert back.headers["location"].startswith(URLS["success_url"])

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]
