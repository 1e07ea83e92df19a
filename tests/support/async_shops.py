"""Two more shops as ASGI applications for the chain of `async_shop.py`, which use other libraries.

FASTAPI: pydantic, dependencies, anyio's task groups and time limits, httpx.AsyncClient.
STREAMS: no library at all; most of what asyncio has, over its streams.
"""

from __future__ import annotations

from tests.support.async_shop import PLAIN

FASTAPI = """\
import asyncio, os, random, time
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Annotated
from uuid import uuid4

import anyio
import httpx
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

class Order(BaseModel):
    order: str
    amount: int = Field(gt=0)
    currency: str
    card: str
    made: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))

class Refused(Exception):
    pass

orders, ticks = {}, 0
limiter = asyncio.Semaphore(20)

@asynccontextmanager
async def lifespan(app):
    limits = httpx.Limits(max_connections=10, max_keepalive_connections=5, keepalive_expiry=2)
    transport = httpx.AsyncHTTPTransport(retries=1, limits=limits)
    timeout = httpx.Timeout(1.2, pool=3)
    async with (
        httpx.AsyncClient(timeout=timeout, transport=transport) as app.state.http,
        anyio.create_task_group() as group,
    ):
        group.start_soon(tick)
        yield
        group.cancel_scope.cancel()

async def tick():
    global ticks
    while True:
        await anyio.sleep(0.25)
        ticks += 1

app = FastAPI(lifespan=lifespan)

@app.exception_handler(Refused)
async def refused(request, error):
    return JSONResponse({"state": "refused"}, 402)

def now():  # on a thread, where there are threads
    return time.time()

async def client(request: Request):
    yield request.app.state.http

async def charge(http, base, order):
    data = {
        "amount": order.amount,
        "currency": "eur",
        "payment_method": order.card,
        "confirm": "true",
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
        "metadata[order]": order.order,
    }
    headers = {"Authorization": "Bearer sk_test_shop", "Idempotency-Key": order.order + base}
    async with limiter:
        url = os.environ[base] + "/v1/payment_intents"
        answer = await http.post(url, data=data, headers=headers)
    if answer.status_code == 402:
        raise Refused
    return answer.raise_for_status().json()

@app.post("/orders")
async def pay(
    order: Order,
    background: BackgroundTasks,
    at: Annotated[float, Depends(now)],
    http: Annotated[httpx.AsyncClient, Depends(client)],
):
    try:
        try:
            with anyio.fail_after(2):
                intent = await charge(http, "FIRST", order)
        except (httpx.TransportError, httpx.HTTPStatusError, TimeoutError):
            await asyncio.sleep(0.05 + random.random() * 0.05)
            intent = await asyncio.wait_for(charge(http, "SECOND", order), 2)
    except (httpx.HTTPError, TimeoutError):
        raise HTTPException(503, "try again")
    orders[order.order] = {"state": "paid", "charged": intent["amount_received"]}
    background.add_task(note, order.order, at)
    return orders[order.order]

def note(order, at):
    orders[order] |= {"at": at, "noted": time.time(), "id": str(uuid4()), "ticks": ticks}

@app.get("/orders/{order}")
def show(order: str):
    return orders.get(order, {"state": "unknown"})
"""
STREAMS = (
    PLAIN
    + """\
import itertools, random, time, urllib.parse
from contextvars import ContextVar

who = ContextVar("who", default="")
orders, numbers = {}, itertools.count()
lock, changed = asyncio.Lock(), asyncio.Condition()
lost = asyncio.PriorityQueue()

async def post(base, path, data, key):
    url = urllib.parse.urlsplit(os.environ[base])
    body = urllib.parse.urlencode(data).encode()
    head = (
        f"POST {path} HTTP/1.1\\r\\nHost: {url.netloc}\\r\\n"
        f"Authorization: Bearer sk_test_shop\\r\\n"
        f"Content-Type: application/x-www-form-urlencoded\\r\\nIdempotency-Key: {key}\\r\\n"
        f"Content-Length: {len(body)}\\r\\nConnection: close\\r\\n\\r\\n"
    )
    async with asyncio.timeout(1.5):
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            writer.write(head.encode() + body)
            await writer.drain()
            status = int((await reader.readline()).split()[1])
            await reader.readuntil(b"\\r\\n\\r\\n")
            return status, json.loads(await reader.read())
        finally:
            writer.close()

async def charge(order):
    data = {
        "amount": order["amount"],
        "currency": "eur",
        "payment_method": order["card"],
        "confirm": "true",
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
        "metadata[order]": order["order"],
    }
    for base in ("FIRST", "SECOND"):
        try:
            return await post(base, "/v1/payment_intents", data, order["order"] + base)
        except (OSError, TimeoutError, IndexError, asyncio.IncompleteReadError):
            await lost.put((next(numbers), order["order"]))
    return 502, {}

async def collect():
    while True:
        await lost.get()
        await asyncio.sleep(0.3)
        async with changed:
            changed.notify_all()
        lost.task_done()

async def pause():
    await asyncio.sleep(random.expovariate(20))

async def handle(path, order):
    if not order:
        return orders.get(path.rpartition("/")[2], {"state": "unknown"})
    if not hasattr(collect, "task"):
        collect.task = asyncio.create_task(collect())
    who.set(order["order"])
    await asyncio.gather(pause(), asyncio.shield(pause()))
    async with asyncio.TaskGroup() as group:
        charging = group.create_task(charge(order))
        group.create_task(pause())
    pauses = {asyncio.create_task(pause()) for _ in range(3)}
    _, others = await asyncio.wait(pauses, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    for paused in asyncio.as_completed([pause(), pause()]):
        await paused
    loop = asyncio.get_running_loop()
    fired = loop.create_future()
    loop.call_at(loop.time() + 0.01, fired.set_result, None)
    await fired
    status, intent = charging.result()
    assert who.get() == order["order"]
    async with lock:
        state = {200: "paid", 402: "refused"}.get(status, "unknown")
        orders[order["order"]] = {"state": state, "charged": intent.get("amount_received", 0)}
    if state == "unknown":
        async with changed:
            await changed.wait()
    await asyncio.to_thread(orders[order["order"]].update, at=time.time())
    return orders[order["order"]]
"""
)
