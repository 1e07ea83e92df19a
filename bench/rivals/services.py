"""The same links with FastAPI and httpx: `python services.py LINK PORT [NAME=URL ...]`."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

LINK, PORT = sys.argv[1], int(sys.argv[2])
ASKS = [each.partition("=")[2] for each in sys.argv[3:]]
known: dict[str, dict[str, str]] = {}  # by idempotency key
book: dict[str, int] = {}  # held, by reference


class Payment(BaseModel):
    """What is to be paid."""

    payment: str
    amount_minor: int
    currency: str
    instrument: dict[str, Any]
    key: str
    reference: str = ""


@asynccontextmanager
async def one_client(app: FastAPI) -> Any:
    limits = httpx.Limits(max_connections=1_024, max_keepalive_connections=1_024)
    async with httpx.AsyncClient(timeout=30.0, limits=limits) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=one_client)


@app.post("/pay")
async def pay(payment: Payment) -> dict[str, str]:
    given = known.get(payment.key)
    if given is None:
        payment.reference = f"{payment.payment}-1"
        outcome, code = "approved", "00"
        for url in ASKS:
            try:
                response = await app.state.client.post(f"{url}/pay", json=payment.model_dump())
                is_approved = response.json()["outcome"] == "approved"
            except (httpx.HTTPError, ValueError, KeyError):
                is_approved = False
            if not is_approved:
                outcome, code = "declined", "91"
                break
        given = {
            "outcome": outcome,
            "code": code,
            "decided_by": LINK,
            "reference": payment.reference,
        }
        known[payment.key] = given
        if outcome == "approved":
            book[payment.reference] = payment.amount_minor
    return given


if __name__ == "__main__":
    # With its usual 5 s it closes connections that a caller is about to use again.
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=PORT,
        timeout_keep_alive=600,
        log_level="error",
        access_log=False,
    )
