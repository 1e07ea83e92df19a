"""Checkout.com's payments in virtual time: what no SDK shows by itself."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.model.scripts import AssignedScripts, Script
from paychain.payments.journal import Decision, DecisionKind, HopRecord
from paychain.protocol.dialects.checkout import Checkout, account
from paychain.protocol.dialects.checkout.account import action_id, payment_id, reference_of
from paychain.protocol.dialects.checkout.tables import responses
from paychain.services.attribution import reference_of as reference_anywhere
from paychain.wire.http import HttpResponse, WireError, json_response
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.vendor_links import PSP, payment

KEY = "cko-idempotency-key"
CARD = {"type": "card", "number": "4242 4242 4242 4242", "expiry_month": 12, "expiry_year": 2099}


def asked(amount: int = 1000, **more: Any) -> dict[str, Any]:
    return {
        "source": CARD,
        "amount": amount,
        "currency": "EUR",
        "capture": False,
        "reference": payment(1),
        **more,
    }


def links_of(dialect: str = "checkout", **further: str) -> JsonLinks:
    return JsonLinks(dialect, KEY, **further)


@pytest.mark.parametrize("reference", ["p0000042-1", "pk3fa0000042-12", "pk3fa0000042-1~ab2"])
def test_any_process_reads_the_payment_from_an_id(reference: str) -> None:
    name = payment_id(reference)
    assert reference_of(name) == reference_anywhere(name) == reference
    assert reference_anywhere(action_id(reference, "c2")) == reference
    assert len(name) == 30 or "~" in reference
    assert reference_of("pay_y3oqhf46pyzuxjbcn2giaqnb44") == ""
    assert reference_of(action_id(reference, "c2")) == ""


def test_amounts_mean_nothing_unless_a_chain_asks_for_it() -> None:
    async def scenario(links: JsonLinks) -> None:
        answer = await links.post("/payments", asked(10_005))
        assert (answer.status, answer["approved"]) == (201, True)

    on_vendor(links_of(), scenario)


@pytest.mark.parametrize(
    ("code", "shown", "summary"),
    [
        ("51", "20051", "Insufficient funds"),
        ("1A", "20154", "3D Secure authentication required"),
        ("43", "30043", "Stolen card - Pick up"),
        ("91", "20091", "Issuer unavailable or switch is inoperative"),
        ("21", "20005", "Declined - Do Not Honour"),
        ("95", "20096", "System malfunction"),
    ],
)
def test_a_decline_of_the_issuer_has_a_response_code(code: str, shown: str, summary: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        answer = await links.post("/payments", asked())
        assert (answer["status"], answer["response_code"]) == ("Declined", shown)
        assert answer["response_summary"] == summary
        (first,) = (await links.get(f"/payments/{answer['id']}/actions")).body
        assert (first["approved"], first["response_code"]) == (False, shown)

    links = links_of(issuer=f"declines: {{share: 100%, code: '{code}'}}")
    on_vendor(links, scenario)
    assert [(event["type"], event["data"]["response_code"]) for event in links.events] == [
        ("payment_declined", shown)
    ]
    is_technical = responses()[shown].kind == "technical"
    (hop,) = [hop for hop in links.hops() if hop[2] == "authorise"]
    assert hop[3] == ("technical" if is_technical else "declined")


@pytest.mark.parametrize(
    ("policy", "code"), [({}, "20091"), ({"authorise": "on_unknown: give_up"}, "20068")]
)
def test_an_issuer_that_does_not_answer_is_a_decline(policy: dict[str, str], code: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        links.inject("lost_answer", link="issuer")
        answer = await links.post("/payments", asked(), timeout_s=20.0)
        assert (answer.status, answer["response_code"]) == (201, code)
        assert (await links.get(f"/payments/{answer['id']}"))["status"] == "Declined"

    links = on_vendor(links_of(**policy), scenario)
    assert [hop[3] for hop in links.hops() if hop[2] == "authorise"] == ["technical"]


def test_a_request_without_a_key_of_the_account_is_refused() -> None:
    async def scenario(links: JsonLinks) -> None:
        answer = await links.post("/payments", asked(), authorization="")
        assert (answer.status, answer.body) == (401, {})
        assert answer.headers["cko-request-id"]

    assert on_vendor(links_of(), scenario).booked() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": -1}, "amount_invalid"),
        ({"amount": "10"}, "amount_invalid"),
        ({"currency": "euro"}, "currency_invalid"),
        ({"source": {}}, "payment_source_required"),
        ({"source": {"type": "giropay"}}, "payment_method_not_supported"),
        ({"source": {"type": "token", "token": "tok_none_0000"}}, "token_invalid"),
        ({"source": {**CARD, "expiry_year": 2001}}, "card_expired"),
        ({"source": {**CARD, "expiry_month": 13}}, "card_expiry_month_invalid"),
        ({"source": {**CARD, "number": "4556447238607884"}}, "card_number_invalid"),
    ],
)
def test_what_is_wrong_is_refused_and_uses_no_key_up(change: dict[str, Any], code: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        refused = await links.post("/payments", {**asked(), **change}, key="k")
        assert (refused.status, refused["error_codes"]) == (422, [code])
        assert refused["request_id"] == refused.headers["cko-request-id"]
        assert (await links.post("/payments", asked(), key="k"))["approved"]

    assert on_vendor(links_of(), scenario).booked() == [("authorised", f"{payment(1)}-1", 1000)]


def test_a_lost_answer_is_found_by_the_merchants_reference_and_voided() -> None:
    async def scenario(links: JsonLinks) -> None:
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.post("/payments", asked(), timeout_s=0.5)
        links.heal("lost_answer")
        (found,) = (await links.get(f"/payments?reference={payment(1)}"))["data"]
        searched = await links.post("/payments/search", {"query": f'reference:"{payment(1)}"'})
        assert [each["id"] for each in searched["data"]] == [found["id"]]
        taken = await links.post(f"/payments/{found['id']}/voids", {"reference": "undo"})
        assert (taken.status, taken["reference"]) == (202, "undo")

    links = on_vendor(links_of(), scenario)
    assert [kind for kind, _, _ in links.booked()] == ["authorised", "voided"]
    assert [event["data"]["reference"] for event in links.events] == [payment(1), "undo"]


def test_every_request_about_a_payment_is_attributed_to_it() -> None:
    async def scenario(links: JsonLinks) -> None:
        name = (await links.post("/payments", asked(capture=True)))["id"]
        await links.post(f"/payments/{name}/voids", {})  # refused: it is captured
        await links.get(f"/payments/{name}")
        await links.post(f"/payments/{name}/refunds", {"amount": 5})

    links = on_vendor(links_of(), scenario)
    hops = [hop for hop in links.journal if isinstance(hop, HopRecord) and hop.callee == "psp"]
    assert [hop.payment for hop in hops] == [payment(1)] * 4


def test_parameters_without_meaning_here_are_noted_once() -> None:
    async def scenario(links: JsonLinks) -> None:
        for number in (1, 2):
            await links.post("/payments", asked(reference=payment(number), payment_ip="192.0.2.1"))

    links = on_vendor(links_of(), scenario)
    noted = [each.detail for each in links.journal if isinstance(each, Decision)]
    assert noted.count("payment_ip") == 1


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (json_response(201, {"approved": True, "status": "Authorized"}), "approved"),
        (json_response(201, {"approved": False, "response_code": "20005"}), "declined"),
        (json_response(201, {"approved": False, "response_code": "20091"}), "technical"),
        (json_response(202, {"status": "Pending"}), "unknown"),
        (json_response(422, {"error_codes": ["amount_invalid"]}), "rejected"),
        (json_response(429, {"error_codes": ["duplicate_request"]}), "http_error"),
        (json_response(500, {}), "http_error"),
        (HttpResponse(201, b'{"id":"pay_'), "malformed"),
    ],
)
def test_what_an_answer_proves(response: HttpResponse, result: str) -> None:
    assert Checkout.classify(response).result.value == result


def test_a_payment_follows_the_script_that_a_header_of_its_request_names() -> None:
    """A service that is traced passes on the baggage of the test that pays it."""
    declines = {"link": PSP, "operation": "authorise", "decline": {"code": "51"}}

    async def scenario(links: JsonLinks) -> None:
        scripts = [
            Script.model_validate({"id": name, "payments": {"header": header}, "steps": [declines]})
            for name, header in (("b", "baggage: test=declined"), ("x", "x-test: declined"))
        ]
        links.host.scripts.follow(AssignedScripts.of(scripts[:1]))
        baggage = {"baggage": f"payment={payment(1)}, test=declined"}
        named = await links.post("/payments", asked(reference=payment(1)), **baggage)
        other = {"baggage": f"payment={payment(2)}, test=declined2"}
        usual = await links.post("/payments", asked(reference=payment(2)), **other)
        assert (named["approved"], usual["approved"]) == (False, True)
        # Whose payment it is need not be known.
        links.host.scripts.follow(AssignedScripts.of(scripts[1:]))
        theirs = {"x-test": "declined"}
        unknown = await links.post("/payments", asked(reference="theirs", amount=777), **theirs)
        assert unknown["approved"] is False
        assert links.host.scripts.hits == {"b/1": 1, "x/1": 1}

    on_vendor(links_of(), scenario)


def test_a_charge_back_is_a_dispute_by_webhook() -> None:
    paid: list[str] = []

    async def scenario(links: JsonLinks) -> None:
        paid.append((await links.post("/payments", asked(capture=True)))["id"])

    links = on_vendor(links_of(issuer="disputes: {share: 100%, after: 1s}"), scenario, 3.0)
    *_, event = links.events
    data = event["data"]
    assert event["type"] == "dispute_evidence_required"
    assert data["id"].startswith("dsp_")
    assert (data["payment_id"], data["payment_reference"]) == (paid[0], payment(1))
    assert (data["amount"], data["currency"], data["reason_code"]) == (1000, "EUR", "10.4")
    assert data["evidence_required_by"] > data["date"]


# -- hosted pages ---------------------------------------------------------------------------------
HOSTED = {
    "amount": 1000,
    "currency": "EUR",
    "reference": payment(1),
    "success_url": "https://a.b/done?o=1",
    "failure_url": "https://a.b/failed",
    "cancel_url": "https://a.b/cart",
}


async def visited(links: JsonLinks, href: str, query: str = "") -> str:
    """Where a customer is sent from a page."""
    path = "/" + href.partition("//")[2].partition("/")[2]
    got = await links.pool.request("GET", path + query, b"", headers={}, timeout_s=5.0)
    assert got.status == 303
    return got.headers["location"]


def test_a_customer_pays_on_a_hosted_page_and_comes_back_to_the_shop() -> None:
    async def scenario(links: JsonLinks) -> None:
        made = await links.post("/hosted-payments", HOSTED)
        href = made["_links"]["redirect"]["href"]
        assert await visited(links, href, "?result=canceled") == "https://a.b/cart"
        links.inject("duplicate_request", copies=2)
        back = await visited(links, href, "?card=tok_visa_4242")
        links.heal("duplicate_request")
        assert back.startswith("https://a.b/done?o=1&cko-payment-id=pay_")
        assert await visited(links, href) == back  # paid: nothing is charged again
        seen = await links.get(f"/hosted-payments/{made['id']}")
        assert seen["status"] == "Payment Received"
        assert (await links.get(f"/payments/{seen['payment_id']}"))["approved"] is True
        without = {name: HOSTED[name] for name in HOSTED if name != "success_url"}
        assert (await links.post("/hosted-payments", without)).status == 422

    links = links_of()
    on_vendor(links, scenario)
    assert [kind for kind, _, _ in links.booked()] == ["authorised", "captured"]


def test_an_authentication_that_arrives_twice_pays_once() -> None:
    async def scenario(links: JsonLinks) -> None:
        back = {"success_url": "https://a.b/done", "failure_url": "https://a.b/failed"}
        made = await links.post("/payments", {**asked(), "3ds": {"enabled": True}, **back})
        links.inject("duplicate_request", copies=2)
        sent_to = await visited(links, made["_links"]["redirect"]["href"])
        links.heal("duplicate_request")
        assert sent_to.startswith("https://a.b/done?cko-session-id=sid_")

    links = links_of()
    on_vendor(links, scenario)
    assert [kind for kind, _, _ in links.booked() if kind == "authorised"] == ["authorised"]


def test_a_decline_on_a_hosted_page_leads_to_the_failure_url() -> None:
    async def scenario(links: JsonLinks) -> None:
        href = (await links.post("/hosted-payments", HOSTED))["_links"]["redirect"]["href"]
        for _ in range(2):  # each is an attempt
            assert (await visited(links, href)).startswith("https://a.b/failed?cko-payment-id=pay_")
        threeds = {**HOSTED, "3ds": {"enabled": True}}
        href = (await links.post("/hosted-payments", threeds))["_links"]["redirect"]["href"]
        bank = await visited(links, href)
        assert (await visited(links, bank)).startswith("https://a.b/failed?cko-session-id=sid_")

    links = links_of(issuer="declines: {share: 100%, code: '05'}")
    on_vendor(links, scenario)
    assert [hop[1] for hop in links.hops() if hop[2] == "authorise"] == [1, 2, 3]


def test_no_two_hosted_pages_have_one_id_though_the_first_ones_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account, "MAX_PAGES", 1)

    async def scenario(links: JsonLinks) -> None:
        ids = [(await links.post("/hosted-payments", HOSTED))["id"] for _ in range(3)]
        assert len(set(ids)) == 3

    on_vendor(links_of(), scenario)


def test_two_refunds_under_one_key_are_named_and_a_repeat_is_not() -> None:
    async def scenario(links: JsonLinks) -> None:
        made = await links.post("/payments", asked(reference=payment(1)))
        path = f"/payments/{made['id']}"
        await links.post(f"{path}/captures", {"amount": 1000}, key="capture")
        for amount in (100, 100, 300):
            await links.post(f"{path}/refunds", {"amount": amount}, key="refund")
        await links.post(f"{path}/refunds", {"amount": 200}, key="another refund")

    links = links_of()
    on_vendor(links, scenario)
    shared = [
        (decision.link, decision.target, decision.operation, decision.payment)
        for decision in links.journal
        if isinstance(decision, Decision) and decision.kind is DecisionKind.KEY_SHARED
    ]
    assert shared == [(PSP, "shop", "refund", payment(1))]


def test_a_query_of_what_was_declined_for_a_technical_reason_has_its_answer() -> None:
    async def scenario(links: JsonLinks) -> None:
        made = await links.post("/payments", asked(reference=payment(1)))
        await links.get(f"/payments/{made['id']}")

    declines = "declines: {share: 100%, code: '91'}"
    links = on_vendor(links_of(issuer=declines), scenario)
    hops = [hop for hop in links.journal if isinstance(hop, HopRecord) and hop.callee == PSP]
    assert [(hop.operation, hop.result.value) for hop in hops] == [
        ("authorise", "technical"),
        ("query", "declined"),
    ]
