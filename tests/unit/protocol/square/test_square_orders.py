"""Square's orders and locations in virtual time: what is sold, and what pays for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from paychain.payments.journal import HopRecord
from paychain.wire.http import WireError
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.vendor_links import payment

ORDERS, PAYMENTS = "/v2/orders", "/v2/payments"
LOCATION = "LPAYCHAIN0001"


def eur(minor: int) -> dict[str, Any]:
    return {"amount": minor, "currency": "EUR"}


def line(minor: int = 1000, quantity: str = "1", **more: Any) -> dict[str, Any]:
    return {"name": "Cap", "quantity": quantity, "base_price_money": eur(minor), **more}


def order(key: str = "o", *, lines: Any = None, **more: Any) -> dict[str, Any]:
    asked = {"location_id": LOCATION, "reference_id": payment(1), "line_items": lines or [line()]}
    return {"idempotency_key": key, "order": {**asked, **more}}


def pays(order_id: str, minor: int, key: str = "p", **more: Any) -> dict[str, Any]:
    source = {"source_id": "cnon:card-nonce-ok", "idempotency_key": key}
    return {**source, "amount_money": eur(minor), "order_id": order_id, **more}


async def made(links: JsonLinks, **more: Any) -> dict[str, Any]:
    body = await links.post(ORDERS, order(**more))
    assert body.status == 200, body
    shown: dict[str, Any] = body["order"]
    return shown


def test_a_payment_that_names_an_order_completes_it_and_is_attributed_by_its_reference() -> None:
    async def scenario(links: JsonLinks) -> None:
        sold = await made(links)
        assert await made(links) == sold  # a repeat of its key
        assert (sold["state"], sold["total_money"]) == ("OPEN", eur(1000))
        for wrong in (900, 1100):
            refused = await links.post(PAYMENTS, pays(sold["id"], wrong, f"k{wrong}"))
            assert (refused.status, refused["errors"][0]["code"]) == (400, "BAD_REQUEST")
        paid = (await links.post(PAYMENTS, pays(sold["id"], 1000)))["payment"]
        assert paid["order_id"] == sold["id"]
        again = await links.post(PAYMENTS, pays(sold["id"], 1000))
        assert again["payment"]["id"] == paid["id"]
        seen = (await links.get(f"{ORDERS}/{sold['id']}"))["order"]
        (tender,) = seen["tenders"]
        assert (seen["state"], tender["payment_id"]) == ("COMPLETED", paid["id"])
        assert seen["net_amount_due_money"] == eur(0)
        second = await links.post(PAYMENTS, pays(sold["id"], 1000, "other"))
        assert (second.status, second["errors"][0]["field"]) == (400, "order_id")
        nobody = await links.post(PAYMENTS, pays("nobody", 1000, "n"))
        assert (nobody.status, nobody["errors"][0]["code"]) == (404, "NOT_FOUND")

    links = on_vendor(JsonLinks("square"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]
    (reference,) = {reference for _, reference, _ in links.booked()}
    assert reference.startswith(payment(1))


def test_held_payments_are_completed_together_once_they_make_up_the_order() -> None:
    async def scenario(links: JsonLinks) -> None:
        sold = await made(links)
        held = [
            (await links.post(PAYMENTS, pays(sold["id"], minor, key, autocomplete=False)))[
                "payment"
            ]
            for minor, key in ((600, "a"), (400, "b"))
        ]
        pay, names = f"{ORDERS}/{sold['id']}/pay", [each["id"] for each in held]
        part = await links.post(pay, {"idempotency_key": "x", "payment_ids": names[:1]})
        assert part.status == 400
        wanted = {"idempotency_key": "y", "payment_ids": names}
        links.inject("lost_answer")
        with suppress(WireError):
            await links.post(pay, wanted, timeout_s=0.5)
        links.heal("lost_answer")
        done = (await links.post(pay, wanted))["order"]
        assert (done["state"], len(done["tenders"])) == ("COMPLETED", 2)
        for name in names:
            assert (await links.get(f"{PAYMENTS}/{name}"))["payment"]["status"] == "COMPLETED"

    links = on_vendor(JsonLinks("square"), scenario)
    assert sorted(minor for kind, _, minor in links.booked() if kind == "captured") == [400, 600]


def test_discounts_come_before_taxes_and_every_part_shows_what_it_comes_to() -> None:
    async def scenario(links: JsonLinks) -> None:
        sold = await made(
            links,
            lines=[
                line(1000, "2", applied_discounts=[{"discount_uid": "few"}]),
                line(555, applied_taxes=[{"tax_uid": "local"}]),
            ],
            discounts=[
                {"uid": "few", "name": "10 %", "percentage": "10", "scope": "LINE_ITEM"},
                {"name": "coupon", "amount_money": eur(100)},
            ],
            taxes=[
                {"name": "VAT", "percentage": "20", "type": "INCLUSIVE"},
                {"uid": "local", "percentage": "8.5", "scope": "LINE_ITEM", "type": "ADDITIVE"},
            ],
            service_charges=[{"name": "tips", "amount_money": eur(50)}],
        )
        # 2000 - 200 and 555; of the coupon 76 and 24; 8.5 % of 531 is 45.135.
        first, second = sold["line_items"]
        assert (first["total_money"], second["total_money"]) == (eur(1724), eur(576))
        assert [each["applied_money"]["amount"] for each in sold["discounts"]] == [200, 100]
        assert sold["total_discount_money"] == eur(300)
        assert [each["applied_money"]["amount"] for each in sold["taxes"]] == [287 + 88, 45]
        assert sold["total_money"] == eur(1724 + 576 + 50)
        assert sum(each["total_money"]["amount"] for each in sold["line_items"]) + 50 == 2350

    on_vendor(JsonLinks("square"), scenario)


def test_what_is_added_to_an_item_is_part_of_its_price() -> None:
    async def scenario(links: JsonLinks) -> None:
        added = [
            {"name": "badge", "base_price_money": eur(50)},
            {"name": "letter", "base_price_money": eur(20), "quantity": "3"},
        ]
        sold = await made(links, lines=[line(1000, "2", modifiers=added)])
        assert sold["total_money"] == eur(2 * (1000 + 50 + 60))
        priced = order("x", lines=[line(modifiers=[{"catalog_object_id": "C1"}])])
        assert (await links.post(ORDERS, priced)).status == 404

    on_vendor(JsonLinks("square"), scenario)


def test_an_update_names_the_version_and_changes_only_what_it_says() -> None:
    async def scenario(links: JsonLinks) -> None:
        sold = await made(links, metadata={"a": "1"})
        at, uid = f"{ORDERS}/{sold['id']}", sold["line_items"][0]["uid"]
        change = {"version": 1, "line_items": [{"uid": uid, "quantity": "3"}, line(50)]}
        wanted = {"idempotency_key": "u", "order": {**change, "metadata": {"b": "2"}}}
        changed = (await links.ask("PUT", at, wanted))["order"]
        assert (changed["version"], changed["total_money"]) == (2, eur(3050))
        assert changed["metadata"] == {"a": "1", "b": "2"}
        assert (await links.ask("PUT", at, wanted))["order"] == changed
        late = await links.ask("PUT", at, {**wanted, "idempotency_key": "v"})
        assert (late.status, late["errors"][0]["code"]) == (409, "VERSION_MISMATCH")
        ended = {"idempotency_key": "w", "order": {"version": 2, "state": "CANCELED"}}
        assert (await links.ask("PUT", at, ended))["order"]["state"] == "CANCELED"
        refused = await links.post(PAYMENTS, pays(sold["id"], 3050))
        assert (refused.status, refused["errors"][0]["field"]) == (400, "order_id")

    on_vendor(JsonLinks("square"), scenario)


def test_orders_are_found_by_id_state_and_customer_and_others_are_refused() -> None:
    async def scenario(links: JsonLinks) -> None:
        first = await made(links, customer_id="C1")
        second = await made(links, key="second")
        await links.post(PAYMENTS, pays(second["id"], 1000))

        async def found(**filters: Any) -> list[str]:
            query = {"filter": filters}
            body = await links.post(
                f"{ORDERS}/search", {"location_ids": [LOCATION], "query": query}
            )
            return [each["id"] for each in body.body.get("orders", [])]

        assert await found() == [second["id"], first["id"]]
        assert await found(state_filter={"states": ["OPEN"]}) == [first["id"]]
        assert await found(customer_filter={"customer_ids": ["C1"]}) == [first["id"]]
        other = await links.post(f"{ORDERS}/search", {"location_ids": ["elsewhere"]})
        assert other.body == {}
        wanted = {"order_ids": [first["id"], "nobody"]}
        batch = (await links.post(f"{ORDERS}/batch-retrieve", wanted))["orders"]
        assert [each["id"] for each in batch] == [first["id"]]
        asked = {"location_ids": [LOCATION], "query": {"filter": {"source_filter": {}}}}
        assert (await links.post(f"{ORDERS}/search", asked)).status == 400

    on_vendor(JsonLinks("square"), scenario)


def test_a_payment_without_an_order_has_one_that_square_made() -> None:
    async def scenario(links: JsonLinks) -> None:
        body = pays("", 700, reference_id=payment(2))
        del body["order_id"]
        paid = (await links.post(PAYMENTS, body))["payment"]
        seen = (await links.get(f"{ORDERS}/{paid['order_id']}"))["order"]
        assert (seen["state"], seen["total_money"]) == ("COMPLETED", eur(700))
        assert seen["tenders"][0]["payment_id"] == paid["id"]

    on_vendor(JsonLinks("square"), scenario)


def test_the_location_is_listed_and_a_calculation_keeps_nothing() -> None:
    async def scenario(links: JsonLinks) -> None:
        (place,) = (await links.get("/v2/locations"))["locations"]
        assert (place["id"], place["status"], place["currency"]) == (LOCATION, "ACTIVE", "EUR")
        assert (await links.get("/v2/locations/main"))["location"] == place
        assert (await links.get("/v2/locations/other")).status == 404
        wanted = {"order": order()["order"]}
        sum_up = (await links.post(f"{ORDERS}/calculate", wanted))["order"]
        assert sum_up["total_money"] == eur(1000)
        catalog = order(lines=[{"quantity": "1", "catalog_object_id": "C1"}])
        assert (await links.post(ORDERS, catalog)).status == 404

    on_vendor(JsonLinks("square"), scenario)


def test_an_update_clears_fields_and_parts_by_their_paths() -> None:
    async def scenario(links: JsonLinks) -> None:
        cap, hat = line(1000, note="a"), line(500, uid="line_items-1")
        sold = await made(links, lines=[cap, hat], metadata={"a": "1", "b": "2"})
        at, uids = f"{ORDERS}/{sold['id']}", [each["uid"] for each in sold["line_items"]]
        assert len(set(uids)) == 2
        clears = [f"line_items[{uids[1]}]", f"line_items[{uids[0]}].note", "metadata.a"]
        wanted = {"order": {"version": 1}, "fields_to_clear": clears}
        changed = (await links.ask("PUT", at, wanted))["order"]
        (left,) = changed["line_items"]
        assert (left["uid"], "note" in left, changed["metadata"]) == (uids[0], False, {"b": "2"})
        assert changed["total_money"] == eur(1000)

    on_vendor(JsonLinks("square"), scenario)


def test_of_two_updates_of_one_version_the_later_is_refused_and_changes_nothing() -> None:
    async def scenario(links: JsonLinks) -> None:
        sold = await made(links)
        at = f"{ORDERS}/{sold['id']}"
        updates = [
            {"idempotency_key": name, "order": {"version": 1, "ticket_name": name}}
            for name in ("a", "b")
        ]
        answers = await asyncio.gather(*(links.ask("PUT", at, each) for each in updates))
        assert sorted(each.status for each in answers) == [200, 409]
        (done,) = [each["order"] for each in answers if each.status == 200]
        assert (await links.get(at))["order"] == done
        lost = next(
            wanted for wanted, answer in zip(updates, answers, strict=True) if answer.status == 409
        )
        assert (await links.ask("PUT", at, lost)).status == 409

    on_vendor(JsonLinks("square"), scenario)


def test_an_order_that_square_has_made_keeps_its_update() -> None:
    async def scenario(links: JsonLinks) -> None:
        body = pays("", 700, autocomplete=False)
        del body["order_id"]
        at = f"{ORDERS}/{(await links.post(PAYMENTS, body))['payment']['order_id']}"
        wanted = {"order": {"version": 1, "ticket_name": "T1"}}
        changed = (await links.ask("PUT", at, wanted))["order"]
        assert (changed["ticket_name"], changed["version"]) == ("T1", 2)
        assert (await links.get(at))["order"] == changed

    on_vendor(JsonLinks("square"), scenario)


def test_a_payment_that_is_named_twice_is_completed_once() -> None:
    async def scenario(links: JsonLinks) -> None:
        sold = await made(links)
        paid = await links.post(PAYMENTS, pays(sold["id"], 1000, autocomplete=False))
        wanted = {"idempotency_key": "y", "payment_ids": [paid["payment"]["id"]] * 2}
        done = await links.post(f"{ORDERS}/{sold['id']}/pay", wanted)
        assert done["order"]["state"] == "COMPLETED"

    links = on_vendor(JsonLinks("square"), scenario)
    asked = [
        each
        for each in links.journal
        if isinstance(each, HopRecord) and (each.callee, each.operation) == ("psp", "capture")
    ]
    assert len(asked) == 1, asked


def test_what_is_no_order_is_refused_as_squares_mistake_never_ours() -> None:
    discount = {"uid": "few", "percentage": "10", "scope": "LINE_ITEM"}
    wrong: list[tuple[dict[str, Any], str]] = [
        (order(lines=[line(1000, "1E999999")]), "order.line_items[0].quantity"),
        (order(lines=[line(1000, "1.000001")]), "order.line_items[0].quantity"),
        (order(lines=[line(uid=["x"])]), "order.line_items.uid"),
        (order(lines=[line(uid="x"), line(uid="x")]), "order.line_items.uid"),
        (order(lines={"a": line()}), "order.line_items"),
        (
            order(lines=[line(applied_discounts=5)], discounts=[discount]),
            "order.line_items.applied_discounts",
        ),
    ]

    async def scenario(links: JsonLinks) -> None:
        for body, field in wrong:
            refused = await links.post(ORDERS, body)
            assert (refused.status, refused["errors"][0]["field"]) == (400, field)
        at = f"{ORDERS}/{(await made(links))['id']}"
        for change in ({"line_items": {"a": 1}}, {"metadata": [1]}):
            refused = await links.ask("PUT", at, {"order": {"version": 1, **change}})
            assert refused.status == 400, refused
        query = {"filter": {"state_filter": {"states": 5}}}
        found = await links.post(f"{ORDERS}/search", {"location_ids": [LOCATION], "query": query})
        assert found.status == 400

    on_vendor(JsonLinks("square"), scenario)


def test_percentages_are_taken_off_before_amounts_in_whatever_order_they_are_listed() -> None:
    async def scenario(links: JsonLinks) -> None:
        coupon, percentage = {"uid": "c", "amount_money": eur(100)}, {"percentage": "10"}
        for key, discounts in (("a", [coupon, percentage]), ("b", [percentage, coupon])):
            sold = await made(links, key=key, discounts=discounts)
            assert sold["total_money"] == eur(800)

    on_vendor(JsonLinks("square"), scenario)


def test_an_order_that_costs_nothing_is_open_until_it_is_marked_as_paid() -> None:
    async def scenario(links: JsonLinks) -> None:
        sold = await made(links, discounts=[{"percentage": "100"}])
        assert (sold["state"], sold["total_money"]) == ("OPEN", eur(0))
        wanted = {"idempotency_key": "y", "payment_ids": []}
        for _ in range(2):
            done = await links.post(f"{ORDERS}/{sold['id']}/pay", wanted)
            assert done["order"]["state"] == "COMPLETED"
        other = await made(links, key="other")
        refused = await links.post(
            f"{ORDERS}/{other['id']}/pay", {**wanted, "idempotency_key": "z"}
        )
        assert (refused.status, refused["errors"][0]["field"]) == (400, "payment_ids")

    assert not on_vendor(JsonLinks("square"), scenario).booked()


def test_of_payments_of_one_order_at_once_one_is_approved() -> None:
    async def scenario(links: JsonLinks) -> None:
        sold = await made(links)
        asked = [links.post(PAYMENTS, pays(sold["id"], 1000, key)) for key in ("a", "b", "a")]
        first, second, repeat = await asyncio.gather(*asked)
        # The repeat of the first under its key is no other payment.
        assert (first.status, second.status, repeat.status) == (200, 400, 409)
        assert second["errors"][0]["field"] == "amount_money"
        again = await links.post(PAYMENTS, pays(sold["id"], 1000, "a"))
        assert again["payment"]["id"] == first["payment"]["id"]

    links = on_vendor(JsonLinks("square"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


def test_an_order_whose_payment_failed_is_paid_by_another() -> None:
    async def scenario(links: JsonLinks) -> None:
        sold = await made(links)
        links.inject("http_error", status=503)
        assert (await links.post(PAYMENTS, pays(sold["id"], 1000, "a"))).status == 503
        links.heal("http_error")
        links.inject("decline", code="05")
        assert (await links.post(PAYMENTS, pays(sold["id"], 1000, "b"))).status == 402
        links.heal("decline")
        assert (await links.post(PAYMENTS, pays(sold["id"], 1000, "c"))).status == 200

    links = on_vendor(JsonLinks("square"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]


def test_a_draft_is_paid_only_once_an_update_has_opened_it() -> None:
    async def scenario(links: JsonLinks) -> None:
        draft = await made(links, state="DRAFT")
        assert (draft["state"], "closed_at" in draft) == ("DRAFT", False)
        at = f"{ORDERS}/{draft['id']}"
        refused = await links.post(PAYMENTS, pays(draft["id"], 1000, "a"))
        assert (refused.status, refused["errors"][0]["field"]) == (400, "order_id")
        wanted = {"idempotency_key": "b", "payment_ids": ["x"]}
        refused = await links.post(f"{at}/pay", wanted)
        assert refused["errors"][0]["detail"] == "The order is DRAFT."
        by_state = {"filter": {"state_filter": {"states": ["DRAFT"]}}}
        found = await links.post(
            f"{ORDERS}/search", {"location_ids": [LOCATION], "query": by_state}
        )
        assert [each["id"] for each in found["orders"]] == [draft["id"]]
        change = {"version": 1, "location_id": LOCATION, "state": "OPEN"}
        opened = await links.ask("PUT", at, {"idempotency_key": "c", "order": change})
        assert opened["order"]["state"] == "OPEN"
        assert (await links.post(PAYMENTS, pays(draft["id"], 1000, "d"))).status == 200

    links = on_vendor(JsonLinks("square"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]
