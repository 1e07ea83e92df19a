"""Requests/s of one echo service, our server and our pool in one loop, on the stock asyncio loop
and on uvloop, in alternating rounds of one run."""

from __future__ import annotations

import asyncio
import statistics
import time

from paychain.wire.client import HttpPool
from paychain.wire.http import HttpRequest, HttpResponse
from paychain.wire.server import HttpServer

ROUNDS, REQUESTS, WARM_UP, CLIENTS = 5, 8_000, 500, 32
BODY = b"x" * 250
HEADERS = {"content-type": "application/json", "user-agent": "gateway"}


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, request.body, {"content-type": "application/json"})


async def requests_per_second() -> float:
    server = HttpServer(echo)
    pool = HttpPool("127.0.0.1", await server.start("127.0.0.1"))

    async def ask(requests: int) -> None:
        numbers = iter(range(requests))

        async def client() -> None:
            for _ in numbers:
                answer = await pool.request("POST", "/echo", BODY, headers=HEADERS, timeout_s=10)
                assert answer.body == BODY

        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    await ask(WARM_UP)
    begun = time.perf_counter()
    await ask(REQUESTS)
    rate = REQUESTS / (time.perf_counter() - begun)
    await pool.close()
    await server.stop()
    return rate


def main() -> None:
    """Print both rates and their ratio."""
    try:
        import uvloop
    except ImportError:
        rate = statistics.median(asyncio.run(requests_per_second()) for _ in range(ROUNDS))
        print(f"asyncio {rate:,.0f} requests/s; uvloop is not installed")
        return
    stock, fast = [], []
    for _ in range(ROUNDS):
        stock.append(asyncio.run(requests_per_second()))
        fast.append(uvloop.run(requests_per_second()))
    ratios = [b / a for a, b in zip(stock, fast, strict=True)]
    print(
        f"asyncio {statistics.median(stock):,.0f} requests/s, uvloop "
        f"{statistics.median(fast):,.0f}, median of the pairs' ratios "
        f"{statistics.median(ratios):.2f}"
    )
