"""A vendor's API in front of a mock link: books, keys, faults and journals are the link's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from paychain.faults.kinds import KINDS
from paychain.model.places import InLinkPlace
from paychain.payments.exchanges import ReceivedRequest
from paychain.payments.journal import Decision, DecisionKind, HopRecord, Movement, Record
from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.vendors import VENDORS
from paychain.protocol.envelope import traceparent
from paychain.protocol.vendor_ids import HEX, MIXED, UPPER, decode, encode
from paychain.services.host import Host
from paychain.services.in_link_faults import ActiveFault
from paychain.simulation.simulate import simulate
from paychain.wire.client import HttpPool
from paychain.wire.http import HttpResponse, WireError
from tests.support.chains import checked
from tests.support.toy_vendor import Toy

CHAIN = """
chain: toys
entry: shop
links:
  shop: {role: gateway, service: {command: shop}, dialect: paychain, calls: {authorise: {to: psp}}}
  psp:
    role: processor
    dialect: {toy: {merchant: us}}
    calls: {authorise: {to: issuer}}
  issuer: {role: issuer}
"""
PREFIX = "pab1x"
PAYMENT = f"{PREFIX}0000042"


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VENDORS, "toy", Toy)


class Links:
    def __init__(self, text: str = CHAIN) -> None:
        self.journal: list[Record] = []
        self.host = Host(
            checked(text),
            ["psp", "issuer"],
            seed=1,
            now_ns=lambda: int(asyncio.get_running_loop().time() * 1e9),
            journal=self.journal,
            id_prefix=PREFIX,
        )

    async def post(
        self, path: str, body: dict[str, Any] | None = None, timeout_s: float = 5.0, **headers: str
    ) -> HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.pool.request(
            "POST", path, msgspec.json.encode(body or {}), headers=named, timeout_s=timeout_s
        )

    async def get(self, path: str) -> HttpResponse:
        return await self.pool.request("GET", path, b"", headers={}, timeout_s=5.0)

    def inject(self, kind: str, **parameters: Any) -> None:
        spots = (InLinkPlace(link="psp"),)
        declared = KINDS[kind].model_validate(parameters)
        self.host.faults.apply(ActiveFault(id=kind, parameters=declared, spots=spots))  # type: ignore[arg-type]  # declared above

    def of(self, kind: type[Any]) -> list[Any]:
        return [record for record in self.journal if isinstance(record, kind)]

    def booked(self) -> list[tuple[str, str, str, int]]:
        return [
            (move.link, move.kind.value, move.reference, move.amount_minor)
            for move in self.of(Movement)
        ]


@asynccontextmanager
async def running(text: str = CHAIN) -> AsyncIterator[Links]:
    links = Links(text)
    ports = await links.host.start()
    links.host.connect(
        {
            f"psp.{operation}.issuer": ("127.0.0.1", ports["issuer"])
            for operation in ("authorise", "void", "capture", "refund")
        }
    )
    links.pool = HttpPool("127.0.0.1", ports["psp"])
    try:
        yield links
    finally:
        await links.pool.close()
        await links.host.drain(5.0)
        await links.host.stop()


def on_links(scenario: Callable[[Links], Awaitable[None]], text: str = CHAIN) -> Links:
    async def whole() -> Links:
        async with running(text) as links:
            await scenario(links)
        return links

    return simulate(lambda _loop: whole())


def test_a_sale_is_held_and_taken_once_whatever_becomes_of_its_key() -> None:
    async def scenario(links: Links) -> None:
        first = await links.post("/payments", {"amount": 900, "order": PAYMENT}, toy_key="k1")
        again = await links.post("/payments", {"amount": 900, "order": PAYMENT}, toy_key="k1")
        assert first.status == again.status == 200
        assert again.body == first.body
        assert (first.headers.get("replayed"), again.headers["replayed"]) == (None, "true")
        assert msgspec.json.decode(first.body)["captured"] == 900
        other = await links.post("/payments", {"amount": 901, "order": PAYMENT}, toy_key="k1")
        assert other.status == 400  # the key came with another body

    reference = f"{PAYMENT}-1"
    assert sorted(on_links(scenario).booked()) == [
        ("issuer", "authorised", reference, 900),
        ("issuer", "captured", reference, 900),
        ("psp", "authorised", reference, 900),
        ("psp", "captured", reference, 900),
    ]


def test_another_key_is_another_attempt_and_the_id_of_an_object_belongs_to_its_own() -> None:
    async def scenario(links: Links) -> None:
        body = {"amount": 900, "order": f"order {PAYMENT}", "capture": False}
        await links.post("/payments", body, toy_key="k1")
        second = await links.post("/payments", body, toy_key="k2")
        name = msgspec.json.decode(second.body)["id"]
        assert (await links.get(f"/payments/{name}")).status == 200

    hops = [hop for hop in on_links(scenario).of(HopRecord) if hop.callee == "psp"]
    assert [(hop.payment, hop.attempt, hop.operation) for hop in hops] == [
        (PAYMENT, 1, "authorise"),
        (PAYMENT, 2, "authorise"),
        (PAYMENT, 2, "query"),
    ]


@pytest.mark.parametrize(
    ("headers", "body", "key"),
    [
        ({"traceparent": traceparent(PAYMENT, "00000000000000aa")}, {}, "k"),
        ({"baggage": f"user=7,payment={PAYMENT}"}, {}, "k"),
        ({}, {"order": f"Order no. {PAYMENT} of our shop"}, "k"),
        ({}, {}, f"capture-{PAYMENT}-v2"),
    ],
)
def test_one_way_to_find_the_payment_is_enough(
    headers: dict[str, str], body: dict[str, str], key: str
) -> None:
    async def scenario(links: Links) -> None:
        await links.post("/payments", {"amount": 900, **body}, toy_key=key, **headers)

    assert {move.payment for move in on_links(scenario).of(Movement)} == {PAYMENT}


def test_what_belongs_to_no_payment_is_named_apart() -> None:
    async def scenario(links: Links) -> None:
        await links.post("/payments", {"amount": 900, "order": "pab1x123"}, toy_key="k")

    assert {move.payment for move in on_links(scenario).of(Movement)} == {"?psp-1"}


def test_a_lost_answer_leaves_the_money_taken_and_the_repeat_brings_it() -> None:
    async def scenario(links: Links) -> None:
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.post(
                "/payments", {"amount": 900, "order": PAYMENT}, timeout_s=1.0, toy_key="k1"
            )
        links.host.faults.heal("lost_answer")
        again = await links.post("/payments", {"amount": 900, "order": PAYMENT}, toy_key="k1")
        assert msgspec.json.decode(again.body)["captured"] == 900

    links = on_links(scenario)
    assert [move for move in links.booked() if move[:2] == ("psp", "captured")] == [
        ("psp", "captured", f"{PAYMENT}-1", 900)
    ]
    hops = [hop for hop in links.of(HopRecord) if hop.callee == "psp"]
    assert [hop.result for hop in hops] == [HopResult.TIMEOUT, HopResult.APPROVED]


def test_an_injected_error_is_the_vendors_own() -> None:
    async def scenario(links: Links) -> None:
        links.inject("http_error", status=503, after_work=True)
        response = await links.post("/payments", {"amount": 900, "order": PAYMENT}, toy_key="k1")
        assert (response.status, response.body) == (503, b'{"error":"injected"}')

    assert ("psp", "captured", f"{PAYMENT}-1", 900) in on_links(scenario).booked()


def test_a_refund_of_an_object_is_booked_for_its_payment() -> None:
    async def scenario(links: Links) -> None:
        sale = await links.post("/payments", {"amount": 900, "order": PAYMENT}, toy_key="k1")
        name = msgspec.json.decode(sale.body)["id"]
        assert (await links.post(f"/payments/{name}/refunds", toy_key="k2")).status == 200

    links = on_links(scenario)
    assert ("issuer", "refunded", f"{PAYMENT}-1", 900) in links.booked()
    refused = {record.kind for record in links.of(Decision)}
    assert DecisionKind.FOLLOW_UP_REFUSED not in refused


@pytest.mark.parametrize("alphabet", [MIXED, UPPER, HEX])
def test_an_id_can_be_read_and_nothing_else_can(alphabet: str) -> None:
    references = [f"{PREFIX}{number:07d}-{number % 3 + 1}" for number in range(300)]
    ids = [encode(reference, alphabet) for reference in references]
    assert [decode(digits, alphabet) for digits in ids] == references
    assert len({digits[:8] for digits in ids}) > 10
    mistaken = [decode(digits[:-1], alphabet) for digits in ids]
    assert mistaken.count(None) >= 298  # two of its bytes are a checksum


WINDOWED = CHAIN.replace(
    "    role: processor", "    role: processor\n    idempotency: {model: stripe-v1, window: 10s}"
)


async def _pay(links: Links, order: str, amount: int = 900) -> HttpResponse:
    return await links.post("/payments", {"amount": amount, "order": order}, toy_key="k1")


def test_a_key_whose_window_is_over_may_stand_for_another_payment() -> None:
    async def scenario(links: Links) -> None:
        await _pay(links, PAYMENT)
        await asyncio.sleep(11.0)
        assert (await _pay(links, f"{PREFIX}0000043")).status == 200
        assert (await _pay(links, f"{PREFIX}0000043")).headers["replayed"] == "true"

    links = on_links(scenario, WINDOWED)
    received = [(each.payment[-2:], each.key, each.attempt) for each in links.of(ReceivedRequest)]
    new = ("43", "k1 (window 2)", 1)
    assert received == [("42", "k1", 1), new, new]


def test_a_key_whose_window_is_over_charges_a_payment_again_under_a_name_of_its_own() -> None:
    async def scenario(links: Links) -> None:
        await _pay(links, PAYMENT)
        await asyncio.sleep(9.0)
        await _pay(links, PAYMENT)  # within the window nothing happens, and it is not longer for it
        await asyncio.sleep(2.0)
        await _pay(links, PAYMENT)

    links = on_links(scenario, WINDOWED)
    held = [(what, reference) for link, what, reference, _ in links.booked() if link == "psp"]
    assert [reference for what, reference in held if what == "captured"] == [
        f"{PAYMENT}-1",
        f"{PAYMENT}-2",
    ]


def test_a_key_is_not_shared_with_a_request_before_its_window() -> None:
    async def scenario(links: Links) -> None:
        for waits_s, amount in ((0.0, 900), (11.0, 901), (1.0, 902)):
            await asyncio.sleep(waits_s)
            await _pay(links, PAYMENT, amount)

    shared = [
        each.at_ns // 10**9
        for each in on_links(scenario, WINDOWED).of(Decision)
        if each.kind is DecisionKind.KEY_SHARED
    ]
    assert shared == [12]
