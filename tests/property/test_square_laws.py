"""Whatever is asked of Square's dialect, it shows what the book holds, and no key holds twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from paychain.protocol.dialects.square.account import reference_of
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

KEYED = ("/v2/payments", "/v2/refunds")


def money(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


class Square:
    """`goes_on` declines the card; `other` cancels by the key of the first payment."""

    def request(self, step: tuple[Any, ...], order: str, known: list[str]) -> Asked | None:
        match step:
            case "pay", is_sale, is_declined:
                source = "cnon:card-nonce-declined" if is_declined else "cnon:card-nonce-ok"
                body = {"source_id": source, "amount_money": money(1000), "autocomplete": is_sale}
                return "/v2/payments", {**body, "reference_id": order}
            case what, which, *more if which < len(known):
                path = f"/v2/payments/{known[which]}"
                match what, *more:
                    case ("capture", *_) | ("capture all",):
                        return f"{path}/complete", {}
                    case ("void",):
                        return f"{path}/cancel", {}
                    case "refund", amount:
                        body = {"payment_id": known[which], "amount_money": money(amount)}
                        return "/v2/refunds", body
                    case ("other",):
                        return "/v2/payments/cancel", {"idempotency_key": "key-1"}
        return None

    async def known(self, links: JsonLinks, orders: list[str]) -> list[str]:
        listed = await links.get("/v2/payments?sort_order=ASC")
        return [each["id"] for each in listed["payments"]]

    async def check(self, links: JsonLinks, name: str) -> None:
        shown = (await links.get(f"/v2/payments/{name}"))["payment"]
        entry = links.entry(reference_of(name))
        assert entry is not None
        captured, refunded = entry.captured_minor, entry.refunded_minor
        assert 0 <= refunded <= captured <= 1000
        state = entry.state.value
        assert (shown["status"] == "COMPLETED") == (captured > 0)
        assert (shown["status"] == "CANCELED") == (state == "voided" and not captured)
        assert (shown["status"] == "APPROVED") == (state == "authorised" and not captured)
        assert shown.get("refunded_money", money(0))["amount"] == refunded
        listed = (await links.get("/v2/refunds"))["refunds"]
        done = [
            each["amount_money"]["amount"]
            for each in listed
            if each["payment_id"] == name and each["status"] == "COMPLETED"
        ]
        assert sum(done) == refunded


@pytest.mark.parametrize("model", ["square", "keyed"])
@given(steps)
@examples(40)
def test_what_square_shows_is_what_the_book_holds(model: str, sequence: Steps) -> None:
    async def scenario(links: JsonLinks) -> None:
        await Run(links, Square(), payment).whole(sequence)

    links = on_vendor(
        JsonLinks("square", keyed=KEYED, psp=f"idempotency: {model}"), scenario, after_s=2.0
    )
    assert_books_agree(links)
    for link in ("psp", "issuer"):
        held = [reference for kind, reference, _ in links.booked(link) if kind == "authorised"]
        assert len(held) == len(set(held))
