"""A shop as tutorials write it. It works, until a provider's answer is late or lost."""

import os
import sqlite3
import threading

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
adyen = Adyen.Adyen(xapikey="test", platform="test", http_timeout=2)
adyen.checkout.payments_api.baseUrl = os.environ["ADYEN_BASE"]

db = sqlite3.connect(os.environ.get("SHOP_DB", ":memory:"), check_same_thread=False)
db.execute("create table if not exists orders (id primary key, state, charged, paid_at)")
lock = threading.Lock()


class Order(BaseModel):
    order: str
    amount: int  # cents
    currency: str
    card: str  # as the provider's own card field in the browser gives it


def save(order: str, state: str, charged: int = 0, paid_at: str = "") -> None:
    with lock, db:
        db.execute(
            "insert or replace into orders values (?, ?, ?, ?)", (order, state, charged, paid_at)
        )


@app.get("/health")
def health():
    return {"status": "up"}


@app.post("/orders")
def pay(order: Order, response: Response):
    try:
        intent = stripe_client.v1.payment_intents.create(
            {
                "amount": order.amount,
                "currency": order.currency.lower(),
                "payment_method": order.card,
                "confirm": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": {"order": order.order},
            }
        )
        paid_at = intent.id
    except stripe.CardError as declined:
        save(order.order, "refused")
        response.status_code = 402
        return {"state": "refused", "code": declined.code}
    except stripe.StripeError:
        # Stripe is down: the sale must not be lost.
        result = adyen.checkout.payments_api.payments(
            {
                "merchantAccount": "ShopEU",
                "amount": {"value": order.amount, "currency": order.currency},
                "reference": order.order,
                "paymentMethod": {"type": "scheme", "encryptedCardNumber": order.card},
                "returnUrl": "https://shop.example/return",
            }
        ).message
        if result["resultCode"] != "Authorised":
            save(order.order, "refused")
            response.status_code = 402
            return {"state": "refused", "code": result.get("refusalReasonCode", "")}
        paid_at = result["pspReference"]
    save(order.order, "paid", order.amount, paid_at)
    return {"state": "paid", "charged": order.amount, "paid_at": paid_at}


@app.get("/orders/{order}")
def show(order: str, response: Response):
    with lock:
        row = db.execute(
            "select state, charged, paid_at from orders where id = ?", (order,)
        ).fetchone()
    if row is None:
        response.status_code = 404
        return {"state": "unknown"}
    return {"state": row[0], "charged": row[1], "paid_at": row[2]}


@app.post("/webhooks/stripe")
async def stripe_webhook(request: Request):
    event = await request.json()
    intent = event["data"]["object"]
    if event["type"] == "payment_intent.succeeded" and "order" in intent.get("metadata", {}):
        save(intent["metadata"]["order"], "paid", intent["amount_received"], intent["id"])
    return {"received": True}


@app.post("/webhooks/adyen")
async def adyen_webhook(request: Request):
    for each in (await request.json())["notificationItems"]:
        item = each["NotificationRequestItem"]
        if item["eventCode"] == "AUTHORISATION" and item["success"] == "true":
            save(item["merchantReference"], "paid", item["amount"]["value"], item["pspReference"])
    return "[accepted]"
