"""A shop as tutorials write it. It works, until an answer or webhook is late, lost or repeated."""

import os
import sqlite3
import threading
from uuid import uuid4

import Adyen
import stripe
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

app = FastAPI()
stripe_client = stripe.StripeClient(
    "sk_test_shop",
    base_addresses={"api": os.environ["STRIPE_API_BASE"]},
    http_client=stripe.RequestsClient(timeout=2),
)
intents = stripe_client.v1.payment_intents
adyen = Adyen.Adyen(xapikey="test", platform="test", http_timeout=2)
adyen.checkout.payments_api.baseUrl = os.environ["ADYEN_BASE"]

db = sqlite3.connect(os.environ.get("SHOP_DB", ":memory:"), check_same_thread=False)
db.execute("create table if not exists orders (id primary key, state, charged, paid_at, code)")
lock = threading.Lock()


class Order(BaseModel):
    order: str
    amount: int  # cents
    currency: str
    card: str  # as the provider's own card field in the browser gives it


def save(order: str, state: str, charged: int = 0, paid_at: str = "", code: str = "") -> None:
    with lock, db:
        db.execute(
            "insert into orders values (?, ?, ?, ?, ?) on conflict (id) do update set "
            "(state, charged, paid_at, code) = "
            "(excluded.state, excluded.charged, excluded.paid_at, excluded.code) "
            "where state != 'paid'",
            (order, state, charged, paid_at, code),
        )


def find(order: str):
    with lock:
        row = db.execute("select state, charged, paid_at, code from orders where id = ?", (order,))
        return row.fetchone() or ("unknown", 0, "", "")


def shown(order: str, response: Response):
    state, charged, paid_at, code = find(order)
    response.status_code = {"paid": 200, "refused": 402, "unknown": 404}.get(state, 202)
    return {"state": state, "charged": charged, "paid_at": paid_at, "code": code}


@app.get("/health")
def health():
    return {"status": "up"}


@app.post("/orders")
def pay(order: Order, response: Response):
    try:
        intent = intents.create(
            {
                "amount": order.amount,
                "currency": order.currency.lower(),
                "payment_method": order.card,
                "confirm": True,
                "capture_method": "manual",
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": {"order": order.order},
            },
            {"idempotency_key": str(uuid4())},
        )
        save(order.order, "authorised", paid_at=intent.id)
    except stripe.CardError as declined:
        save(order.order, "refused", code=declined.code or "")
    except stripe.StripeError:
        # Stripe is down: the sale must not be lost.
        result = adyen.checkout.payments_api.payments(
            {
                "merchantAccount": "ShopEU",
                "amount": {"value": order.amount, "currency": order.currency},
                "reference": order.order,
                "paymentMethod": {"type": "scheme", "encryptedCardNumber": order.card},
                "returnUrl": "https://shop.example/return",
            },
            idempotency_key=str(uuid4()),
        ).message
        if result["resultCode"] == "Authorised":
            save(order.order, "processing", paid_at=result["pspReference"])
        else:
            save(order.order, "refused", code=result.get("refusalReasonCode", ""))
    return shown(order.order, response)


def capture(order: str, intent: str) -> None:
    intents.capture(intent)
    save(order, "captured", paid_at=intent)


@app.get("/orders/{order}/return")
def come_back(order: str, response: Response):
    """Where the provider's page sends the customer when the card is authorised."""
    state, _, paid_at, _ = find(order)
    if state == "authorised":
        capture(order, paid_at)
    return shown(order, response)


@app.get("/orders/{order}")
def show(order: str, response: Response):
    return shown(order, response)


@app.post("/webhooks/stripe")
def stripe_webhook(event: dict):
    intent = event["data"]["object"]
    order = intent.get("metadata", {}).get("order")
    if event["type"] == "payment_intent.amount_capturable_updated":
        # The customer may have closed the browser before the return page.
        if find(order)[0] not in ("captured", "paid"):
            capture(order, intent["id"])
    elif event["type"] == "payment_intent.succeeded":
        save(order, "paid", intent["amount_received"], intent["id"])
    return {"received": True}


@app.post("/webhooks/adyen")
async def adyen_webhook(request: Request):
    for each in (await request.json())["notificationItems"]:
        item = each["NotificationRequestItem"]
        if item["eventCode"] == "AUTHORISATION" and item["success"] == "true":
            save(item["merchantReference"], "paid", item["amount"]["value"], item["pspReference"])
    return "[accepted]"
