"""Whatever is asked of the dialect of Checkout.com, it shows what the book holds."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from paychain.protocol.dialects.checkout.account import reference_of
from tests.support.json_links import (
    Asked,
    JsonLinks,
    Run,
    Steps,
    assert_books_agree,
    on_vendor,
    steps,
)
from tests.support.laws import examples
from tests.support.vendor_links import payment

CARD = {"type": "card", "number": "4242424242424242", "expiry_month": 12, "expiry_year": 2099}
KEY = "cko-idempotency-key"


class Checkout:
    def request(self, step: tuple[Any, ...], order: str, known: list[str]) -> Asked | None:
        match step:
            case "pay", is_sale, authenticates:
                body = {"source": CARD, "amount": 1000, "currency": "EUR", "capture": is_sale}
                return "/payments", {
                    **body,
                    "reference": order,
                    "3ds": {"enabled": authenticates and not is_sale},
                }
            case what, which, *more if which < len(known):
                path = f"/payments/{known[which]}"
                match what, *more:
                    case "capture", amount, goes_on:
                        kind = "NonFinal" if goes_on else "Final"
                        return f"{path}/captures", {"amount": amount, "capture_type": kind}
                    case ("capture all",):
                        return f"{path}/captures", {}
                    case ("void",):
                        return f"{path}/voids", {}
                    case "refund", amount:
                        return f"{path}/refunds", {"amount": amount}
                    case ("other",):
                        return f"{path}/reversals", {}
        return None

    async def known(self, links: JsonLinks, orders: list[str]) -> list[str]:
        names = []
        for order in orders:
            listed = await links.get(f"/payments?reference={order}")
            names += [each["id"] for each in listed["data"]]
        return names

    async def check(self, links: JsonLinks, name: str) -> None:
        shown = await links.get(f"/payments/{name}")
        entry = links.entry(reference_of(name))
        if entry is None:
            assert shown["status"] == "Pending"
            return
        balances = shown["balances"]
        captured, refunded = entry.captured_minor, entry.refunded_minor
        assert 0 <= refunded <= captured <= shown["amount"] == 1000
        assert (balances["total_captured"], balances["total_refunded"]) == (captured, refunded)
        is_held = entry.state.value == "authorised"
        assert balances["available_to_capture"] == (entry.rest_minor if is_held else 0)
        assert (shown["status"] == "Voided") == (entry.state.value == "voided" and not captured)
        assert (shown["status"] in ("Captured", "Partially Captured")) == (captured > refunded == 0)
        done = [each for each in await actions(links, name) if each["approved"]]
        for kind, total in (("Capture", captured), ("Refund", refunded)):
            assert sum(each["amount"] for each in done if each["type"] == kind) == total


async def actions(links: JsonLinks, name: str) -> list[dict[str, Any]]:
    shown: Any = (await links.get(f"/payments/{name}/actions")).body
    return list(shown)


@given(steps)
@examples(40)
def test_what_checkout_shows_is_what_the_book_holds(sequence: Steps) -> None:
    async def scenario(links: JsonLinks) -> None:
        await Run(links, Checkout(), payment).whole(sequence)

    assert_books_agree(on_vendor(JsonLinks("checkout", KEY), scenario, after_s=2.0))
