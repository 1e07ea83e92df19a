"""A shop whose customers pay on Stripe's page: the same in virtual time and on real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.testing import start_chain
from tests.support.async_shop import shop_in

# As the quick start of Stripe's Checkout has it: the page's address is answered with a redirect.
SHOP = """\
import os
import stripe
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

sessions = stripe.StripeClient(
    "sk_test_shop",
    base_addresses={"api": os.environ["FIRST"]},
    http_client=stripe.HTTPXClient(timeout=2),
).v1.checkout.sessions
paid = {}

async def checkout(request):
    order = await request.json()
    price = {"currency": "eur", "unit_amount": order["amount"], "product_data": {"name": "Order"}}
    session = await sessions.create_async({
        "mode": "payment",
        "line_items": [{"quantity": 1, "price_data": price}],
        "client_reference_id": order["order"],
        "success_url": "http://localhost:4242/done?session_id={CHECKOUT_SESSION_ID}",
    })
    return RedirectResponse(session.url, 303)

async def done(request):
    session = await sessions.retrieve_async(request.query_params["session_id"])
    if session.payment_status == "paid":
        paid[session.client_reference_id] = session.amount_total
    return show_order(session.client_reference_id)

def show_order(order):
    state = "paid" if order in paid else "open"
    return JSONResponse({"state": state, "charged": paid.get(order, 0)}, 200 if paid else 404)

def show(request):
    return show_order(request.path_params["order"])

app = Starlette(
    routes=[
        Route("/orders", checkout, methods=["POST"]),
        Route("/done", done),
        Route("/orders/{order}", show),
    ]
)
"""


@pytest.mark.slow
def test_customers_go_to_the_page_pay_there_and_come_back(tmp_path: Path) -> None:
    shop_in(tmp_path, SHOP)
    for real in (False, True):
        with start_chain(str(tmp_path / "chain.yaml"), real=real) as chain:
            paid = chain.pay(2)
            decline = [{"link": "first", "operation": "authorise", "decline": {"code": "05"}}]
            paid += chain.pay(1, script=decline)
            chain.assert_money_right()
        assert [str(each.outcome) for each in paid] == ["approved", "approved", "declined"]
