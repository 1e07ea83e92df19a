"""A shop as an ASGI application in a folder, and the chain that it is the gateway of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from paychain.model.chain import Chain

# Plain ASGI: answers what `handle(path, order)` returns, as JSON with status 200.
PLAIN = """\
import asyncio, json, os, sys

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = (await receive()).get("body") or b"{}"
    answer = json.dumps(await handle(scope["path"], json.loads(body))).encode()
    length = (b"content-length", str(len(answer)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": answer})

def paid(order):
    return {"state": "paid", "charged": order["amount"]}

"""
# Starlette and stripe's async client; it pays at the other processor when the first is silent.
STRIPE = """\
import os
import sqlite3
from datetime import datetime
from uuid import uuid4

import stripe
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

http = stripe.HTTPXClient(timeout=2)
db = sqlite3.connect(os.environ["SHOP_DB"], check_same_thread=False)
db.execute("create table if not exists orders (id primary key, state, charged, at)")

def intents(base):
    return stripe.StripeClient(
        "sk_test_shop", base_addresses={"api": os.environ[base]}, http_client=http
    ).v1.payment_intents

first, second = intents("FIRST"), intents("SECOND")

async def charge(at, order):
    return await at.create_async(
        {
            "amount": order["amount"],
            "currency": "eur",
            "payment_method": order["card"],
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"order": order["order"]},
        },
        {"idempotency_key": str(uuid4())},
    )

async def pay(request):
    order = await request.json()
    try:
        try:
            intent = await charge(first, order)
        except stripe.APIConnectionError:
            intent = await charge(second, order)
        state, charged = "paid", intent.amount_received
    except stripe.CardError:
        state, charged = "refused", 0
    with db:
        row = (order["order"], state, charged, datetime.now().isoformat())
        db.execute("insert or replace into orders values (?, ?, ?, ?)", row)
    return show_order(order["order"])

def show_order(order):
    row = db.execute("select state, charged from orders where id = ?", (order,)).fetchone()
    state, charged = row or ("unknown", 0)
    return JSONResponse({"state": state, "charged": charged}, 402 if state == "refused" else 200)

def show(request):
    return show_order(request.path_params["order"])

app = Starlette(
    routes=[Route("/orders", pay, methods=["POST"]), Route("/orders/{order}", show)]
)
"""


def declared(app: str, **shop: Any) -> dict[str, Any]:
    """The chain as its file has it. `shop`: further keys of the shop's service."""
    order = {
        "order": "{order}",
        "amount": "{amount_minor}",
        "currency": "{currency}",
        "card": "{card.token}",
    }
    paid = {"where": {"state": "paid"}, "amount": {"field": "charged", "unit": "minor"}}
    behind = {"role": "processor", "dialect": "stripe", "calls": {"authorise": {"to": "issuer"}}}
    return {
        "chain": "async-shop",
        "currency": "EUR",
        "deadline": "10s",
        "settles_within": "5s",
        "entry": "shop",
        "links": {
            "shop": {
                "role": "gateway",
                "service": {
                    "app": app,
                    "env": {
                        "FIRST": "{url:first}",
                        "SECOND": "{url:second}",
                        "SHOP_DB": "{folder}/shop.db",
                    },
                    **shop,
                },
                "pays": {
                    "request": {"method": "POST", "path": "/orders", "json": order},
                    "approved": {"status": 200, **paid},
                    "declined": {"status": 402},
                },
                "books": {"get": "/orders/{order}", "paid": {"where": paid["where"]}},
                "calls": {"authorise": {"to": "first", "fallback": [{"to": "second"}]}},
            },
            "first": behind,
            "second": behind,
            "issuer": {"role": "issuer"},
        },
    }


def shop_in(folder: Path, code: str, name: str = "shop_app", **shop: Any) -> Chain:
    """The chain of a shop whose code is written into a folder."""
    folder.joinpath(f"{name}.py").write_text(code, "utf-8")
    chain = declared(f"{name}:app", **shop)
    folder.joinpath("chain.yaml").write_text(json.dumps(chain), "utf-8")
    return Chain.model_validate(chain)
