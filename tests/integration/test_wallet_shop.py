"""A shop whose customers pay with a wallet at PayPal, and never say which card is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.testing import start_chain
from tests.support.chains import as_yaml

# Raw HTTP that follows PayPal's links, as its guides advise.
SHOP = """\
import os
import httpx
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

paypal = httpx.AsyncClient(base_url=os.environ["PAYPAL"], timeout=2)
HEADERS = {"prefer": "return=representation"}

async def token():
    got = await paypal.post("/v1/oauth2/token", auth=("client", "secret"))
    return {"authorization": "Bearer " + got.json()["access_token"]}

def link(shown, rel):
    return next(each["href"] for each in shown["links"] if each["rel"] == rel)

async def pay(request):
    order = await request.json()
    headers = {**HEADERS, **await token()}
    money = {"currency_code": "EUR", "value": order["amount"]}
    body = {"intent": "CAPTURE", "purchase_units": [{"custom_id": order["order"], "amount": money}]}
    made = await paypal.post(
        "/v2/checkout/orders", json=body, headers={**headers, "paypal-request-id": order["order"]}
    )
    done = await paypal.post(
        link(made.json(), "capture"),
        json={},
        headers={**headers, "paypal-request-id": "capture-" + order["order"]},
    )
    paid = done.json()["status"] == "COMPLETED"
    return JSONResponse({"state": "paid" if paid else "refused"}, 200 if paid else 402)

app = Starlette(routes=[Route("/orders", pay, methods=["POST"])])
"""


def declared(folder: Path, **given: str) -> Path:
    """The chain; `given`: what else customers say."""
    (folder / "shop.py").write_text(SHOP)
    request = {"path": "/orders", "json": {"order": "{order}", "amount": "{amount}", **given}}
    links: dict[str, Any] = {
        "shop": {
            "role": "gateway",
            "service": {"app": "shop:app", "env": {"PAYPAL": "{url:paypal}"}},
            "pays": {
                "request": request,
                "approved": {"status": 200, "where": {"state": "paid"}},
                "declined": {"status": 402},
            },
            "calls": {"authorise": {"to": "paypal"}},
        },
        "paypal": {
            "role": "processor",
            "dialect": "paypal",
            "calls": {"authorise": {"to": "issuer"}},
        },
        "issuer": {"role": "issuer"},
    }
    path = folder / "chain.yaml"
    path.write_text(as_yaml({"chain": "wallet", "entry": "shop", "links": links}))
    return path


def paid(chain: Any) -> list[str]:
    return [str(each.outcome) for each in chain.pay(6)]


def test_the_card_in_a_wallet_is_nobodys_mistake(tmp_path: Path) -> None:
    with start_chain(str(declared(tmp_path))) as chain:
        assert paid(chain) == ["approved"] * 6
        chain.assert_money_right()


def test_a_shop_that_charges_another_card_than_the_customer_gave_is_found(tmp_path: Path) -> None:
    with start_chain(str(declared(tmp_path, card="{card.token}"))) as chain:
        assert paid(chain) == ["approved"] * 6
        with pytest.raises(AssertionError, match="right merchant and instrument"):
            chain.assert_money_right()
