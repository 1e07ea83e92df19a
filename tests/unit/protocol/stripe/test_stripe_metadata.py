"""Metadata that several requests write at a time: each name is by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.stripe_links import Shown, StripeLinks, on_stripe

SESSION = {
    "mode": "payment",
    "success_url": "https://shop.example/",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "900",
    "line_items[0][price_data][product_data][name]": "Socks",
    "line_items[0][quantity]": "1",
}


async def _made(links: StripeLinks, what: str) -> str:
    """The path of a new object with the metadata `old: 0`."""
    fields: dict[str, Any] = {"metadata[old]": "0"}
    match what:
        case "payment_intents":
            fields |= {"amount": "1000", "currency": "eur"}
        case "refunds":
            fields["payment_intent"] = (await links.pay())["id"]
        case "checkout/sessions":
            fields |= SESSION
    return f"{what}/{(await links.post(what, fields))['id']}"


@pytest.mark.parametrize(
    "what", ["payment_intents", "customers", "refunds", "checkout/sessions", "setup_intents"]
)
def test_two_updates_at_a_time_both_write(what: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        path = await _made(links, what)
        asked: list[dict[str, str]] = [
            {"metadata[a]": "1"},
            {"metadata[b]": "2"},
            {"metadata[old]": ""},
        ]
        updates = await asyncio.gather(*(links.post(path, fields) for fields in asked))
        assert [shown.status for shown in updates] == [200, 200, 200]
        assert (await links.get(path))["metadata"] == {"a": "1", "b": "2"}
        # Together they are too many: the second is refused, and says so again. Setup intents are
        # written when their requests begin.
        many = [{f"metadata[{half}{n}]": "x" for n in range(30)} for half in "cd"]
        shown = await _one_after_the_other(links, path, *many)
        statuses = [400, 200, 200] if what == "setup_intents" else [200, 400, 400]
        assert [each.status for each in shown] == statuses
        refused = [each.error["param"] for each in shown if each.status == 400]
        assert set(refused) == {"metadata"}
        assert len((await links.get(path))["metadata"]) == 32

    on_stripe(scenario)


async def _one_after_the_other(
    links: StripeLinks, path: str, first: dict[str, str], late: dict[str, str]
) -> list[Shown]:
    """The late update begins before the first and is done after it; then it comes again."""
    links.inject("late_answer", delay="1s")
    updating = asyncio.create_task(links.post(path, late, key="late"))
    await asyncio.sleep(0.5)
    links.heal("late_answer")
    done = await links.post(path, first)
    return [done, await updating, await links.post(path, late, key="late")]


def test_customer_updates_at_a_time_leave_each_others_values() -> None:
    async def scenario(links: StripeLinks) -> None:
        path = await _made(links, "customers")
        wanted = {"customer": path.rpartition("/")[2]}
        card = (await links.post("payment_methods/pm_card_visa/attach", wanted))["id"]
        default = {"invoice_settings[default_payment_method]": card, "name": "Ada"}
        await _one_after_the_other(links, path, default, {"email": "a@b.example"})
        shown = await links.get(path)
        assert shown["invoice_settings"]["default_payment_method"] == card
        assert (shown["name"], shown["email"]) == ("Ada", "a@b.example")

    on_stripe(scenario)


def test_a_capture_keeps_what_an_update_writes_meanwhile() -> None:
    async def scenario(links: StripeLinks) -> None:
        held = await links.pay(capture_method="manual", metadata__order="")
        path = f"payment_intents/{held['id']}"
        links.inject("late_answer", delay="1s")
        capture = asyncio.create_task(links.post(f"{path}/capture", {"metadata[a]": "1"}))
        await asyncio.sleep(0.5)
        links.heal("late_answer")
        assert (await links.post(path, {"metadata[b]": "2"})).status == 200
        captured = await capture
        assert (captured["status"], captured["metadata"]) == ("succeeded", {"a": "1", "b": "2"})

    on_stripe(scenario)


@pytest.mark.parametrize("fault", ["error", "decline"])
@pytest.mark.parametrize(
    ("asked", "meanwhile", "left"),
    [
        ({"metadata[a]": "capture"}, {"metadata[b]": "2"}, {"old": "0", "b": "2"}),
        ({"metadata[a]": "capture"}, {"metadata[a]": "update"}, {"old": "0", "a": "update"}),
        ({"metadata[old]": "capture"}, {"metadata[b]": "2"}, {"old": "0", "b": "2"}),
        ({"metadata[old]": ""}, {"metadata[b]": "2"}, {"old": "0", "b": "2"}),
        ({"metadata": ""}, {"metadata[b]": "2"}, {"old": "0", "b": "2"}),
        ({"metadata[old]": "capture"}, {"metadata[old]": ""}, {}),
        ({"metadata[a]": "capture"}, {"metadata": ""}, {}),
    ],
)
def test_a_capture_that_fails_takes_back_its_own_metadata_only(
    fault: str, asked: dict[str, str], meanwhile: dict[str, str], left: dict[str, str]
) -> None:
    said: dict[str, Any] = {"status": 503} if fault == "error" else {}
    kind = "http_error" if fault == "error" else "decline"

    async def scenario(links: StripeLinks) -> None:
        held = await links.pay(capture_method="manual", metadata__order="", metadata__old="0")
        path = f"payment_intents/{held['id']}"
        links.inject("late_answer", delay="1s")
        links.inject(kind, **said)
        capture = asyncio.create_task(links.post(f"{path}/capture", asked))
        await asyncio.sleep(0.5)
        links.heal("late_answer")
        links.heal(kind)
        assert (await links.post(path, meanwhile)).status == 200
        assert (await capture).status == (503 if fault == "error" else 402)
        assert (await links.get(path))["metadata"] == left

    on_stripe(scenario)


def test_a_setup_intents_update_that_fails_takes_back_its_own_metadata_only() -> None:
    async def scenario(links: StripeLinks) -> None:
        path = await _made(links, "setup_intents")
        links.inject("late_answer", delay="1s")
        links.inject("http_error", status=503)
        failing = asyncio.create_task(links.post(path, {"metadata[a]": "failing"}))
        await asyncio.sleep(0.5)
        links.heal("late_answer")
        links.heal("http_error")
        await links.post(path, {"metadata[b]": "2"})
        assert (await failing).status == 503
        assert (await links.get(path))["metadata"] == {"old": "0", "b": "2"}

    on_stripe(scenario)
