"""Lists, expansions, customers, and what belongs to the head of a request at Stripe's dialect."""

from __future__ import annotations

import base64

import pytest

from paychain.payments.codes import table
from paychain.protocol.dialects.stripe.cards import test_cards as stripe_cards
from paychain.protocol.dialects.stripe.declines import decline_of, declines
from paychain.protocol.dialects.stripe.form import BadForm, parse
from paychain.protocol.dialects.stripe.ids import made, opaque, read
from paychain.protocol.vendor_cards import passes_luhn
from tests.support.stripe_links import StripeLinks, on_stripe
from tests.support.vendor_links import payment


def test_pages_of_a_list_hold_every_object_once() -> None:
    async def scenario(links: StripeLinks) -> None:
        for number in range(7):
            await links.pay(number)
        seen: list[str] = []
        more = {"limit": "3"}
        while True:
            page = await links.get("payment_intents", more)
            seen += [each["id"] for each in page["data"]]
            if not page["has_more"]:
                break
            more["starting_after"] = seen[-1]
        assert len(seen) == len(set(seen)) == 7
        before = await links.get("payment_intents", {"ending_before": seen[4], "limit": "3"})
        assert [each["id"] for each in before["data"]] == seen[1:4]
        assert before["has_more"]
        one = (await links.get("payment_intents", {"limit": "1"}))["data"][0]
        newer = await links.get("payment_intents", {"created[gt]": str(one["created"])})
        assert newer["data"] == []
        both = {"ending_before": seen[4], "starting_after": seen[0]}
        twofold = await links.get("payment_intents", both)
        assert "Please pass in only one" in twofold.error["message"]
        wrong = await links.get("payment_intents", {"starting_after": "pi_x"})
        assert (wrong.status, wrong.error["code"]) == (400, "resource_missing")
        assert (await links.get("payment_intents", {"limit": "101"})).status == 400

    on_stripe(scenario)


def test_what_an_id_stands_for_is_shown_where_it_is_asked_for() -> None:
    async def scenario(links: StripeLinks) -> None:
        customer = await links.post("customers", {"name": "A", "email": "a@b.example"})
        paid = await links.pay(
            customer=customer["id"],
            **{"expand[0]": "customer", "expand[1]": "latest_charge.balance_transaction"},
        )
        assert paid["customer"]["name"] == "A"
        assert paid["latest_charge"]["balance_transaction"]["net"] == 1000
        listed = await links.get("payment_intents", {"expand[]": "data.payment_method"})
        assert listed["data"][0]["payment_method"]["card"]["last4"] == "4242"
        deep = await links.get("payment_intents", {"expand[]": "data.a.b.c.d.e"})
        assert deep.status == 400

    on_stripe(scenario)


def test_the_balance_is_what_was_taken_and_not_given_back() -> None:
    async def scenario(links: StripeLinks) -> None:
        nothing = await links.get("balance")
        assert nothing["available"] == [
            {"amount": 0, "currency": "eur", "source_types": {"card": 0}}
        ]
        paid = await links.pay()
        await links.pay(2, capture_method="manual")
        await links.post("refunds", {"payment_intent": paid["id"], "amount": "300"})
        held = await links.get("balance")
        assert [each["amount"] for each in held["available"]] == [700]
        assert [each["amount"] for each in held["pending"]] == [0]

    on_stripe(scenario)


async def _new_card(links: StripeLinks) -> str:
    made = await links.post("payment_methods", {"type": "card", "card[token]": "tok_visa"})
    return str(made["id"])


def test_a_card_that_is_no_customers_pays_one_intent_only() -> None:
    async def scenario(links: StripeLinks) -> None:
        card = await _new_card(links)
        intent = await links.pay(payment_method=card)
        assert intent["status"] == "succeeded"
        twice = await links.pay(2, payment_method=card)
        assert (twice.status, twice.error["type"]) == (400, "invalid_request_error")
        assert "may not be used again" in twice.error["message"]
        setup = await links.post("setup_intents", {"payment_method": card})
        assert "may not be used again" in setup.error["message"]
        customer = (await links.post("customers", {}))["id"]
        late = await links.post(f"payment_methods/{card}/attach", {"customer": customer})
        assert "may not be used again" in late.error["message"]
        # What a payment was refused with before it was made has used nothing.
        other = await _new_card(links)
        assert (await links.pay(3, payment_method=other, currency="xxx")).status == 400
        assert (await links.pay(3, payment_method=other))["status"] == "succeeded"

    on_stripe(scenario)


def test_a_card_is_no_longer_used_once_it_is_detached_or_its_customer_deleted() -> None:
    async def scenario(links: StripeLinks) -> None:
        customer = (await links.post("customers", {}))["id"]
        for way in ("detach", "delete"):
            card = await _new_card(links)
            await links.post(f"payment_methods/{card}/attach", {"customer": customer})
            paid = await links.pay(payment_method=card, customer=customer)
            assert paid["status"] == "succeeded"
            if way == "detach":
                await links.post(f"payment_methods/{card}/detach")
            else:
                await links.ask("DELETE", f"/v1/customers/{customer}")
            assert (await links.get(f"payment_methods/{card}"))["customer"] is None
            refused = await links.pay(2, payment_method=card)
            assert "may not be used again" in refused.error["message"]
        shown = await links.get(f"payment_intents/{paid['id']}", {"expand[]": "customer"})
        assert shown["customer"]["deleted"] is True

    on_stripe(scenario)


def test_a_list_is_of_what_its_filters_name() -> None:
    async def scenario(links: StripeLinks) -> None:
        await links.post("customers", {})
        await links.post("products", {"name": "Cap", "url": "https://shop.example/cap"})
        await links.pay(transfer_group="north")
        session = {
            "mode": "payment",
            "success_url": "https://shop.example",
            "customer_email": "a@b.example",
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": "eur",
            "line_items[0][price_data][unit_amount]": "500",
            "line_items[0][price_data][product_data][name]": "Cap",
        }
        await links.post("checkout/sessions", session)
        for path, name, right, wrong in (
            ("charges", "transfer_group", "north", "south"),
            ("balance_transactions", "currency", "eur", "usd"),
            ("products", "url", "https://shop.example/cap", "https://shop.example"),
            ("checkout/sessions", "customer_details[email]", "a@b.example", "c@b.example"),
        ):
            assert len((await links.get(path, {name: right}))["data"]) == 1
            assert (await links.get(path, {name: wrong}))["data"] == []
        for path, name in (
            ("customers", "test_clock"),
            ("payment_intents", "customer_account"),
            ("checkout/sessions", "payment_link"),
            ("balance_transactions", "payout"),
        ):
            assert len((await links.get(path))["data"]) == 1
            assert (await links.get(path, {name: "x"}))["data"] == []

    on_stripe(scenario)


def test_the_default_method_of_a_customer_is_attached_to_it() -> None:
    async def scenario(links: StripeLinks) -> None:
        default = "invoice_settings[default_payment_method]"
        given = {"payment_method": "pm_card_visa", default: "pm_card_visa"}
        made = await links.post("customers", given)
        card = made["invoice_settings"]["default_payment_method"]
        path = f"customers/{made['id']}"
        shown = await links.get(path, {"expand[]": default.replace("[", ".").rstrip("]")})
        assert shown["invoice_settings"]["default_payment_method"]["id"] == card
        # What was expanded once is not kept so.
        assert (await links.get(path))["invoice_settings"]["default_payment_method"] == card
        for other in (await _new_card(links), "pm_unknown"):
            for refused in (
                await links.post(path, {default: other}),
                await links.post("customers", {default: other}),
            ):
                assert (refused.status, refused.error["code"]) == (400, "resource_missing")
                assert "must be attached to the customer" in refused.error["message"]
        await links.post(f"payment_methods/{card}/detach")
        assert (await links.get(path))["invoice_settings"]["default_payment_method"] is None

    on_stripe(scenario)


def test_a_payment_method_belongs_to_the_customer_that_it_is_attached_to() -> None:
    async def scenario(links: StripeLinks) -> None:
        customer = (await links.post("customers", {"email": "a@b.example"}))["id"]
        card = {"type": "card", "card[token]": "tok_amex_0005", "metadata[a]": "b"}
        method = (await links.post("payment_methods", card))["id"]
        attached = await links.post(f"payment_methods/{method}/attach", {"customer": customer})
        assert attached["customer"] == customer
        for query, found in (("email:'a@b.example'", 1), ("email:'c@b.example'", 0)):
            assert len((await links.get("customers/search", {"query": query}))["data"]) == found
        nowhere = await links.get("refunds/search", {"query": "amount>1"})
        assert nowhere.error["message"].startswith("Unrecognized request URL")
        listed = await links.get(f"customers/{customer}/payment_methods")
        assert [each["id"] for each in listed["data"]] == [method]
        paid = await links.pay(payment_method=method, customer=customer)
        assert paid["payment_method"] == method
        gone = await links.post(f"payment_methods/{method}/detach")
        assert gone["customer"] is None
        assert (await links.get("payment_methods/pm_nothing")).status == 404
        assert (await links.ask("DELETE", f"/v1/customers/{customer}"))["deleted"] is True
        gone = await links.get(f"customers/{customer}")
        assert gone.body == {"id": customer, "object": "customer", "deleted": True}
        assert (await links.post(f"customers/{customer}", {"name": "x"})).status == 404

    on_stripe(scenario)


def test_a_request_of_no_payment_makes_no_attempt_at_one() -> None:
    async def scenario(links: StripeLinks) -> None:
        await links.post("customers", {"metadata[order]": payment(1)})
        await links.pay(amount=5)
        await links.pay()

    links = on_stripe(scenario)
    assert [hop[1:3] for hop in links.hops() if hop[2] == "authorise"] == [(1, "authorise")]
    assert links.booked()[0][1] == f"{payment(1)}-1"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer nonsense"}, 401),
        ({"authorization": "Basic !"}, 401),
        ({"authorization": "Basic " + base64.b64encode(b"sk_test_1:").decode()}, 200),
        ({"authorization": "Bearer rk_test_1"}, 200),
        ({"stripe-version": "2020-08-27"}, 200),
        ({"stripe-version": "2026-10-28.endive"}, 200),
        ({"stripe-version": "latest"}, 400),
    ],
)
def test_a_request_needs_a_key_and_a_version_that_is_one(
    headers: dict[str, str], status: int
) -> None:
    async def scenario(links: StripeLinks) -> None:
        shown = await links.get("customers", **headers)
        assert shown.status == status
        assert shown.headers["request-id"].startswith("req_")

    on_stripe(scenario)


def test_an_unknown_path_and_a_body_that_is_no_form_are_refused() -> None:
    async def scenario(links: StripeLinks) -> None:
        unknown = await links.post("teapots")
        assert (unknown.status, unknown.error["type"]) == (404, "invalid_request_error")
        json = await links.post("customers", {"a": "b"}, **{"content-type": "application/json"})
        assert json.status == 400
        deep = await links.post("customers", {"a[" + "][".join("bcdefghij") + "]": "1"})
        assert deep.status == 400
        assert (await links.post("customers", {"metadata": "x", "metadata[a]": "b"})).status == 400

    on_stripe(scenario)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", {}),
        ("a=1&b=", {"a": "1", "b": ""}),
        ("m[o]=p1&m[x][y]=2", {"m": {"o": "p1", "x": {"y": "2"}}}),
        ("e[]=a&e[]=b", {"e": ["a", "b"]}),
        ("e[0]=a&e[1]=b", {"e": ["a", "b"]}),
        ("e[1]=a", {"e": {"1": "a"}}),
        ("i[0][a]=1&i[1][a]=2", {"i": [{"a": "1"}, {"a": "2"}]}),
        ("a%5Bb%5D=%E2%82%AC", {"a": {"b": "€"}}),
    ],
)
def test_brackets_make_hashes_and_lists(text: str, tree: dict[str, object]) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize("text", ["a[b=1", "a]=1", "[a]=1", "a=1&a[b]=2"])
def test_brackets_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(BadForm):
        parse(text)


def test_every_network_code_has_its_decline() -> None:
    for de39 in table():
        assert decline_of(de39).de39 == de39
    assert set(declines()) <= set(table())
    assert decline_of("").code == "card_declined"


def test_test_cards_are_numbers_that_can_be_and_their_codes_are_known() -> None:
    cards = set(map(id, stripe_cards().values()))
    assert len(cards) == 25
    for card in stripe_cards().values():
        assert passes_luhn(card.number)
        assert card.declined_as in {"", *declines()}


def test_ids_say_whose_they_are_to_us_alone() -> None:
    assert read("pi", made("pi", "pab1x0000001-1")) == ("pab1x0000001-1", "")
    assert read("re", made("re", "pab1x0000001-1", "r1")) == ("pab1x0000001-1", "r1")
    assert read("ch", made("pi", "pab1x0000001-1")) is None
    assert read("evt", opaque("evt", "x")) is None
    assert opaque("evt", "x") == opaque("evt", "x") != opaque("evt", "y")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"metadata['order']:'{payment(2)}'", [2]),
        (f'metadata["order"]:"{payment(2)}" AND status:"succeeded"', [2]),
        (f'metadata["order"]:"{payment(2)}" AND status:"canceled"', []),
        (f'metadata["order"]:"{payment(2)}" OR metadata["order"]:"{payment(3)}"', [3, 2]),
        ("amount>1001", [3, 2]),
        ("amount>-5", [3, 2, 1]),
        ("amount>--5", []),
        ('amount<=1001 -metadata["order"]:"x"', [1]),
        ('description~"box"', [3]),
        ("description:null", [2, 1]),
    ],
)
def test_a_sweeper_finds_its_orders(query: str, found: list[int]) -> None:
    async def scenario(links: StripeLinks) -> None:
        for number in (1, 2, 3):
            more = {"description": "A small Box"} if number == 3 else {}
            await links.pay(number, amount=1000 + number, **more)
        for path, name in (("payment_intents", "metadata"), ("charges", "metadata")):
            shown = await links.get(f"{path}/search", {"query": query})
            assert [each[name]["order"] for each in shown["data"]] == [payment(n) for n in found]
        page = await links.get("payment_intents/search", {"query": "amount>1", "limit": "2"})
        more = {"query": "amount>1", "limit": "2", "page": page["next_page"]}
        rest = await links.get("payment_intents/search", more)
        assert (len(page["data"]), len(rest["data"]), rest["has_more"]) == (2, 1, False)
        for wrong in ("nonsense", "a:1 AND b:2 OR c:3"):
            assert (await links.get("charges/search", {"query": wrong})).status == 400

    on_stripe(scenario)
