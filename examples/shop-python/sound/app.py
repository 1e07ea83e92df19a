"""The same shop, made so that no customer is ever charged twice.

- One key for one order and provider: a repeat is recognised, also that of a customer.
- Money is held first and captured once; a second hold is always cancelled.
- What a provider did not answer is unknown, written down before it is asked, and cancelled later.
  So is what it refused, and what it answered about another payment, or of one that is not held.
  A cancel that is accepted and refused afterwards is sent again: at once where money is known to be
  held, otherwise later, as the webhook that says so may be lost. So is a cancel of which no webhook
  says what became, and a capture. In the end a person has to look.
- What a webhook says is captured of an order that was refused is given back.
- Webhooks are proved, known by their ids, and only ever finish what the shop has begun. No order
  waits for one: what is due is repeated until it is done.
"""

import json
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import asynccontextmanager

import Adyen
import stripe
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel
from sound.providers import Adyens, Declined, NotExecuted, NotHeld, Stripes, Unknown
from sound.store import Store

PROVIDERS = {provider.name: provider for provider in (Stripes(), Adyens())}
SWEEP_S = 0.5
SWEEPERS = 16  # an answer that never comes must not keep all other orders waiting
capturing: set[str] = set()  # one request at a time for each order
turn = threading.Lock()
stopping = threading.Event()
store = Store(os.environ.get("SHOP_DB", "shop.db"))


class Order(BaseModel):
    order: str
    amount: int  # cents
    currency: str
    card: str


@asynccontextmanager
async def lifespan(_: FastAPI):
    store.recover()
    threading.Thread(target=sweep_for_ever, daemon=True).start()
    yield
    stopping.set()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
def health():
    return {"status": "up"}


@app.post("/orders")
def pay(order: Order, response: Response):
    if store.begin(order.order, order.amount, order.currency, order.card):
        authorise(order.order)
    return shown(order.order, response)


@app.get("/orders/{order}/return")
def come_back(order: str, response: Response):
    """Where the provider's page sends the customer; who never comes is left to the sweep."""
    if store.order(order) is not None:
        capture_due(order)
    return shown(order, response)


@app.get("/orders/{order}")
def show(order: str, response: Response):
    return shown(order, response)


def authorise(order: str) -> None:
    """Hold the amount at the first provider that answers."""
    asked = store.order(order)
    for name, provider in PROVIDERS.items():
        try:
            reference = provider.prepare(asked)
        except NotExecuted:
            continue
        except Declined as declined:
            store.finish(order, "refused", code=declined.code)
            return
        store.attempt(order, name, "asked", reference)  # a crash must not forget it
        try:
            reference = provider.authorise(asked, reference) or reference
        except Declined as declined:
            # A provider may answer a decline and hold the money all the same: a cancel makes sure.
            store.attempt(order, name, "unknown", reference)
            store.finish(order, "refused", code=declined.code)
            return
        except (NotExecuted, Unknown):
            # So it does for any other refusal, a 429 say.
            store.attempt(order, name, "unknown", reference)
        else:
            store.capture_from(order, name, reference)
            return
    store.finish(order, "refused", code="try_later")


def capture_due(order: str) -> None:
    """Take what is held for an order, once; what stays unknown is repeated by the sweep."""
    with turn:
        if order in capturing:
            return
        capturing.add(order)
    try:
        row = store.order(order)  # only now: whoever captured before has written it down
        if row["state"] == "pending" and row["capture_at"]:
            PROVIDERS[row["capture_at"]].capture(row, row["capture_reference"])
            paid = {"charged": row["amount"], "paid_at": row["capture_reference"]}
            store.finish(order, "paid", **paid, failures=row["failures"])
    except NotHeld:
        store.give_up(order, row["capture_at"], row["capture_reference"])
    except (Unknown, NotExecuted, Declined):
        return  # even what was answered with a decline may have been done: the sweep asks again
    finally:
        capturing.discard(order)


def sweep_for_ever() -> None:
    pool = ThreadPoolExecutor(SWEEPERS)
    while not stopping.wait(SWEEP_S):
        for order, name, reference in store.cancel_overdue():
            logging.error("order %s: look whether %s still holds %s", order, name, reference)
        due = [pool.submit(attempt, resolve, *each) for each in store.unresolved()]
        due += [pool.submit(attempt, give_back, *each) for each in store.to_give_back()]
        due += [pool.submit(attempt, capture_due, order) for order in store.captures_due()]
        wait(due)  # what is still being asked is not asked again


def attempt(do, order: str, *arguments) -> None:
    """Whatever is wrong with one order must not keep the sweep from the others."""
    try:
        do(order, *arguments)
    except Exception:
        logging.exception("order %s is tried again", order)


def resolve(order: str, name: str, reference: str) -> None:
    """Cancel what may be held: whether it was is not asked."""
    try:
        state = PROVIDERS[name].cancel(store.order(order), reference)
    except (Unknown, NotExecuted, Declined):
        return
    store.resolved(order, name, state)


def give_back(order: str, name: str, reference: str) -> None:
    """Refund what a webhook has proved to be captured: it is not asked, which may be denied."""
    try:
        state = PROVIDERS[name].give_back(store.order(order), reference)
    except (Unknown, NotExecuted, Declined):
        return
    store.resolved(order, name, state, was="captured")


def shown(order: str, response: Response):
    row = store.order(order)
    if row is None:
        raise HTTPException(404)
    state = row["state"]
    response.status_code = {"paid": 200, "refused": 402}.get(state, 202)
    if state == "paid":
        return {"state": "paid", "charged": row["charged"], "paid_at": row["paid_at"]}
    return {"state": state, "code": row["code"] or ""}


@app.post("/webhooks/stripe")
async def stripe_webhook(request: Request):
    body, signature = await request.body(), request.headers.get("stripe-signature", "")
    try:
        event = stripe.Webhook.construct_event(body, signature, os.environ["STRIPE_SECRET"])
    except (ValueError, stripe.SignatureVerificationError):
        raise HTTPException(400) from None
    with store.transaction():  # an event is known once what it says is written down, too
        if store.is_new_event(event.id):
            on_stripe_event(event.type, event.data.object)
    return {"received": True}


def on_stripe_event(kind: str, about) -> None:
    if kind == "payment_intent.succeeded":
        store.captured(about.id, about.amount_received)
    elif kind == "refund.failed":  # a second one would fail, too: a person has to look
        logging.error("the refund of %s failed: pay it back in another way", about.payment_intent)


@app.post("/webhooks/adyen")
async def adyen_webhook(request: Request):
    for each in json.loads(await request.body())["notificationItems"]:
        item = each["NotificationRequestItem"]
        if not Adyen.util.is_valid_hmac_notification(item, os.environ["ADYEN_HMAC_KEY"]):
            raise HTTPException(401)
        number = f"{item['pspReference']} {item['eventCode']} {item['success']}"
        with store.transaction():
            if store.is_new_event(number):
                on_adyen_event(item, is_done=item["success"] == "true")
    return "[accepted]"


def on_adyen_event(item, *, is_done: bool) -> None:
    code, order = item["eventCode"], item["merchantReference"]
    if code == "CAPTURE" and is_done:
        # Webhooks may come in any order: what failed since is not done.
        if not store.knows_event(f"{item['pspReference']} CAPTURE_FAILED true"):
            store.captured(item["originalReference"], item["amount"]["value"])
    elif code in ("CAPTURE", "CAPTURE_FAILED"):
        store.capture_failed(item["originalReference"])
    elif code == "AUTHORISATION" and is_done:
        store.held(order, "adyen", item["pspReference"])
    elif code in ("TECHNICAL_CANCEL", "CANCEL_OR_REFUND"):
        (store.cancelled if is_done else store.cancel_refused)(order, "adyen")
    elif code == "REFUND_FAILED":
        logging.error("the refund of %s failed: pay it back in another way", order)
