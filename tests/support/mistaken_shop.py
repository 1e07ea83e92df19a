"""The sound shop of the examples with one mistake planted in it: the variable MISTAKE names it.

`none` is the sound shop. `refunds` is the sound shop that also gives a part of each order back, as
a shop does that could not deliver all of it; two of the mistakes are about that. `pays_again` lets
a refused order be paid again, each time as one of its own; one mistake is about that.

    PYTHONPATH=examples/shop-python MISTAKE=… uvicorn --app-dir tests/support mistaken_shop:app
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import requests
import stripe
from fastapi import HTTPException, Request, Response
from sound import app as shop
from sound.app import app, store
from sound.providers import Adyens, Declined, NotExecuted, Stripes, Unknown

MISTAKE = os.environ["MISTAKE"]
SHARE = 5  # one fifth of an order is given back
PACKED_S = 1.5  # after the capture: by then its webhook has arrived, unless something failed
STRIPES, ADYENS = shop.PROVIDERS["stripe"], shop.PROVIDERS["adyen"]


def replace_endpoint(path: str) -> None:
    app.router.routes[:] = [each for each in app.routes if getattr(each, "path", "") != path]


# -- retries_without_key: a POST without a key is sent again after a broken connection ------------
class KeylessAdyens(Adyens):
    def _asked(self, do: Any, *arguments: Any, **_: Any) -> Any:
        try:
            return super()._asked(do, *arguments)
        except Unknown:
            return super()._asked(do, *arguments)


# -- reversed_once: the cancel of what is unknown is given up after one try ------------------------
def resolve_once(order: str, name: str, reference: str) -> None:
    try:
        shop.PROVIDERS[name].cancel(store.order(order), reference)
    finally:
        store.attempt(order, name, "cancelled")


# -- fails_over_after_decline: another provider is asked, and the decline is taken for one ---------
def authorise_anywhere(order: str) -> None:
    asked = store.order(order)
    code = "try_later"
    for name, provider in shop.PROVIDERS.items():
        try:
            reference = provider.prepare(asked)
        except NotExecuted:
            continue
        store.attempt(order, name, "asked", reference)
        try:
            reference = provider.authorise(asked, reference) or reference
        except Declined as declined:
            store.attempt(order, name, "declined")
            code = declined.code
        except (NotExecuted, Unknown):
            store.attempt(order, name, "unknown", reference)
        else:
            store.capture_from(order, name, reference)
            return
    store.finish(order, "refused", code=code)


# -- captures_twice: the webhook captures, too, whatever the return page does ----------------------
class HastyStripes(Stripes):
    def capture(self, order: Any, reference: str) -> None:
        self._asked(self._intents.capture, reference, {"amount_to_capture": order["amount"]})


def capture_by_webhook(order: str) -> None:
    row = store.order(order)
    if row is None or row["state"] != "pending" or row["capture_at"] != "stripe":
        return
    STRIPES.capture(row, row["capture_reference"])
    store.finish(order, "paid", charged=row["amount"], paid_at=row["capture_reference"])


# -- refunds --------------------------------------------------------------------------------------
def refund_due(order: str) -> None:
    """Give a part of an order back. Without an answer the sweep asks again."""
    row = store.order(order)
    asked = {"payment_intent": row["capture_reference"], "amount": row["amount"] // SHARE}
    headers = {"Idempotency-Key": f"{order}-refund"}
    # The mistake: the provider cannot know a repeat for one.
    if MISTAKE == "refunds_again":
        headers = {}
    answer = requests.post(
        f"{os.environ['STRIPE_API_BASE']}/v1/refunds",
        data=asked,
        headers={"Authorization": "Bearer sk_test_shop", **headers},
        timeout=2,
    )
    answer.raise_for_status()
    # An answer about another order, as from a cache, says nothing about this one.
    if answer.json()["payment_intent"] == row["capture_reference"]:
        store._do("insert into refunded values (?)", order)


def sweep_refunds() -> None:
    due = "select id from captured where at < ? and id not in (select id from refunded)"
    pool = ThreadPoolExecutor(shop.SWEEPERS)
    while not shop.stopping.wait(shop.SWEEP_S):
        rows = store._all(due, time.time() - PACKED_S)
        wait([pool.submit(shop.attempt, refund_due, row["id"]) for row in rows])


_finish = store.finish


def finish_and_refund(order: str, state: str, **values: Any) -> bool:
    row = store.order(order)
    if state == "paid" and row["capture_at"] == "stripe":
        store._do("insert or ignore into captured values (?, ?)", order, time.time())
        if MISTAKE == "refunded_before_paid":
            return False  # it is paid once the webhook says so
    return bool(_finish(order, state, **values))


# -- refunded_before_paid: a refund of an order that is not paid is taken for its end --------------
_capture_due = shop.capture_due


def capture_once(order: str) -> None:
    if not store._all("select 1 from captured where id = ?", order):
        _capture_due(order)


def note_refund(event: Any) -> None:
    if event.type != "charge.refunded":
        return
    intent = event.data.object.payment_intent
    for row in store._all("select id from orders where capture_reference = ?", intent):
        _finish(row["id"], "refused", code="refunded")  # an order that is paid stays paid


def webhook_of(request_body: bytes, signature: str) -> Any:
    try:
        return stripe.Webhook.construct_event(request_body, signature, os.environ["STRIPE_SECRET"])
    except (ValueError, stripe.SignatureVerificationError):
        raise HTTPException(400) from None


def listen(act: Any) -> None:
    """Let a webhook of Stripe do something beside what it does in the sound shop."""
    replace_endpoint("/webhooks/stripe")

    @app.post("/webhooks/stripe")
    async def stripe_webhook(request: Request) -> dict[str, bool]:
        event = webhook_of(await request.body(), request.headers.get("stripe-signature", ""))
        if store.is_new_event(event.id):
            if event.type == "payment_intent.succeeded":
                store.captured(event.data.object.id, event.data.object.amount_received)
            threading.Thread(target=shop.attempt, args=(act, event), daemon=True).start()
        return {"received": True}


# -- forgets_in_a_crash: what was asked when it died is never looked at again ----------------------
def recover_nothing() -> None:
    pass


# -- pays_again, forgets_a_refusal: the next payment of an order hides what the last one left ------
REFUSED_S = 3.0  # a refusal is so old before the mistaken shop looks at what it left
refused_at: dict[str, float] = {}


def last_try(order: str) -> str:
    """The newest row of an order: p0000012, then p0000012.2, …"""
    text = "select id from orders where id = ? or id like ? || '.%' order by rowid desc limit 1"
    return next((row["id"] for row in store._all(text, order, order)), order)


def finish_and_note(order: str, state: str, **values: Any) -> bool:
    is_done = bool(_finish(order, state, **values))
    if state == "refused":
        refused_at[order] = time.time()
    return is_done


_resolve = shop.resolve


def resolve_later(order: str, name: str, reference: str) -> None:
    if time.time() - refused_at.get(order, 0.0) >= REFUSED_S:
        _resolve(order, name, reference)


def pay_tries() -> None:
    """Let each payment of an order be another try."""
    for path in ("/orders", "/orders/{order}/return", "/orders/{order}"):
        replace_endpoint(path)

    @app.post("/orders")
    def pay(order: shop.Order, response: Response) -> Any:
        number = last_try(order.order)
        row = store.order(number)
        if row is not None and row["state"] == "refused":
            if MISTAKE == "forgets_a_refusal":
                store._do("delete from attempts where id = ?", number)
            number = f"{order.order}.{int(number.partition('.')[2] or 1) + 1}"
        if store.begin(number, order.amount, order.currency, order.card):
            shop.authorise(number)
        return shop.shown(number, response)

    @app.get("/orders/{order}/return")
    def come_back(order: str, response: Response) -> Any:
        return shop.come_back(last_try(order), response)

    @app.get("/orders/{order}")
    def show(order: str, response: Response) -> Any:
        return shop.show(last_try(order), response)


if MISTAKE == "retries_without_key":
    shop.PROVIDERS["adyen"] = KeylessAdyens()
elif MISTAKE == "forgets_in_a_crash":
    store.recover = recover_nothing
elif MISTAKE == "reversed_once":
    shop.resolve = resolve_once
elif MISTAKE == "fails_over_after_decline":
    shop.authorise = authorise_anywhere
elif MISTAKE == "captures_twice":
    STRIPES = shop.PROVIDERS["stripe"] = HastyStripes()
    listen(
        lambda event: (
            event.type == "payment_intent.amount_capturable_updated"
            and capture_by_webhook(event.data.object.metadata["order"])
        )
    )
elif MISTAKE in ("refunds", "refunds_again", "refunded_before_paid"):
    store._db.executescript(
        "create table if not exists captured (id text primary key, at real);"
        "create table if not exists refunded (id text primary key);"
    )
    store.finish = finish_and_refund
    if MISTAKE == "refunded_before_paid":
        shop.capture_due = capture_once
        listen(note_refund)
    threading.Thread(target=sweep_refunds, daemon=True).start()
elif MISTAKE in ("pays_again", "forgets_a_refusal"):
    pay_tries()
    if MISTAKE == "forgets_a_refusal":
        store.finish, shop.resolve = finish_and_note, resolve_later
else:
    assert MISTAKE == "none", f"no mistake {MISTAKE}"
