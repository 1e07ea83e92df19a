"""What a load generator sees of a server that stalls: the computed truth, our figures, those of
Locust's usual closed users, and these corrected for coordinated omission.

A server answers in 100 ms, as card payments do, and stalls for 2 s in the middle of 20 s at
200 requests a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from urllib.request import urlopen

from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.store.spool import SpoolReader
from paychain.load.locust.processes import PLAN_FILE, alone
from paychain.load.traffic.plan import AmountPlan, EntryPlan, LoadPlan
from paychain.payments.journal import PaymentRecord
from paychain.payments.outcome import Outcome
from paychain.processes.files import write_atomically
from paychain.protocol.dialects.native import decode_request, encode
from paychain.protocol.message import Answer
from paychain.wire.http import HttpRequest, HttpResponse
from paychain.wire.server import HttpServer

RATE, LASTS_S = 200, 20.0
ANSWER_S, STALL_AT_S, STALL_S = 0.1, 8.0, 2.0
USERS = 20  # closed: each would make RATE / USERS requests a second
LEAD_NS = 300_000_000  # from the go to the first payment
SPUN_S = 0.0015  # timers are good for a millisecond only: the rest is waited out awake
CLOSED_USERS = Path(__file__).with_name("_closed_users.py")
_ANSWER = encode(Answer(Outcome.APPROVED, "00", "issuer", "p-1", 2_500))
Figures = tuple[float, float, float]  # p50, p99, max in milliseconds


def answered_s(arrived_s: float) -> float:
    """When the server has worked ANSWER_S on a request that came at `arrived_s`: it stalls
    from STALL_AT_S for STALL_S."""
    done_s = arrived_s + ANSWER_S
    if done_s <= STALL_AT_S or arrived_s >= STALL_AT_S + STALL_S:
        return done_s
    return STALL_AT_S + STALL_S + done_s - max(arrived_s, STALL_AT_S)


def truth() -> list[float]:
    """How long each of the arrivals waits, in milliseconds."""
    arrivals = [number / RATE for number in range(int(RATE * LASTS_S))]
    return [(answered_s(at_s) - at_s) * 1e3 for at_s in arrivals]


def corrected(waits_ms: Sequence[float], expected_ms: float) -> list[float]:
    """With the requests that a user who waited could not make: after each wait that is longer than
    the interval between a user's requests, one less by an interval each, as HdrHistogram does."""
    found: list[float] = []
    for wait_ms in waits_ms:
        found.append(wait_ms)
        missed_ms = wait_ms - expected_ms
        while missed_ms >= expected_ms:
            found.append(missed_ms)
            missed_ms -= expected_ms
    return found


def exact(waits_ms: Sequence[float]) -> Figures:
    """Nearest rank of all values."""
    ordered = sorted(waits_ms)
    p50, p99 = (ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.99))
    return p50, p99, ordered[-1]


# -- the server -----------------------------------------------------------------------------------
async def serve() -> None:
    """Print the port, answer until killed. Its clock begins with the first payment. GET gives when
    each payment was answered, by CLOCK_MONOTONIC."""
    answered_ns: dict[str, int] = {}
    begun_s: list[float] = []

    async def answer(request: HttpRequest) -> HttpResponse:
        now_s = time.monotonic()
        if request.method == "GET":
            return HttpResponse(200, json.dumps(answered_ns).encode())
        if not begun_s:
            begun_s.append(now_s)
        until_s = begun_s[0] + answered_s(now_s - begun_s[0])
        await asyncio.sleep(until_s - now_s - SPUN_S)
        while time.monotonic() < until_s:
            pass
        if request.body != b"{}":
            answered_ns[decode_request(request.body).payment] = time.monotonic_ns()
        return HttpResponse(200, _ANSWER, {"content-type": "application/json"})

    print(await HttpServer(answer).start("127.0.0.1"), flush=True)
    await asyncio.Event().wait()


@contextmanager
def server() -> Iterator[str]:
    """Where it listens."""
    call = "import asyncio; from bench.stall import serve; asyncio.run(serve())"
    with subprocess.Popen([sys.executable, "-c", call], stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(it.stdout.readline())}"
        finally:
            it.kill()


# -- the clients ----------------------------------------------------------------------------------
def ours(url: str) -> tuple[list[PaymentRecord], list[float]]:
    """The payments of our open model, and how long each waited for the server in milliseconds: from
    its intended start, as the server knows when it answered."""
    epoch_ns = time.monotonic_ns()
    with tempfile.TemporaryDirectory() as folder:
        plan = LoadPlan(
            entries=(EntryPlan(link="gateway", url=url),),
            corners=((0.0, RATE), (LASTS_S, RATE)),
            is_random=False,
            times=(),
            warm_up_s=0.0,
            lasts_s=LASTS_S,
            deadline_s=10.0,
            seed=1,
            epoch_ns=epoch_ns,
            currency="EUR",
            amounts=AmountPlan(median=4_000, least=100, most=90_000),
            folder=folder,
        )
        write_atomically(Path(folder) / PLAN_FILE, plan)
        command = alone(Path(folder))
        with subprocess.Popen(
            command.words,
            env={**os.environ, **command.environment},
            cwd=command.folder,
            stderr=subprocess.DEVNULL,
        ) as load:
            while not plan.ready.exists():
                assert load.poll() is None
                time.sleep(0.02)
            write_atomically(plan.go, str(time.monotonic_ns() - epoch_ns + LEAD_NS))
            assert load.wait(LASTS_S + 60) == 0
        reader, paid = SpoolReader(plan.spool), []
        while records := reader.read():
            paid += [record for record in records if isinstance(record, PaymentRecord)]
    assert len(paid) == RATE * LASTS_S
    assert not any(payment.technical for payment in paid)
    with urlopen(url) as response:
        answered_ns = json.load(response)
    waits_ns = [answered_ns[payment.payment] - epoch_ns - payment.intended_ns for payment in paid]
    return paid, [wait_ns / 1e6 for wait_ns in waits_ns]


def recorded(paid: Sequence[PaymentRecord]) -> Figures:
    """Our figures, as the analysis takes them."""
    waits = Histogram()
    for payment in paid:
        waits.add(payment.ended_ns - payment.intended_ns)
    p50, p99 = waits.quantiles(0.5, 0.99)
    assert p50 is not None
    assert p99 is not None
    longest_ns = max(payment.ended_ns - payment.intended_ns for payment in paid)
    return p50 / 1e6, p99 / 1e6, longest_ns / 1e6


def closed_users(url: str) -> tuple[list[float], Figures]:
    """What Locust's usual users saw, each request, and Locust's own summary of it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "seen.json"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "locust",
                "-f",
                str(CLOSED_USERS),
                "--headless",
                "-u",
                str(USERS),
                "-r",
                "1000",
                "-t",
                f"{LASTS_S:.0f}s",
                "--host",
                url,
                "--loglevel",
                "ERROR",
                "--only-summary",
            ],
            env={**os.environ, "BENCH_OUT": str(out), "BENCH_RATE": str(RATE / USERS)},
            check=True,
            timeout=LASTS_S + 60,
            capture_output=True,
        )
        seen = json.loads(out.read_text())
    return seen["waits_ms"], tuple(seen["summary_ms"])


def main() -> None:
    with server() as url:
        paid, by_server_ms = ours(url)
    with server() as url:
        waits_ms, summary = closed_users(url)
    true = truth()
    filled = corrected(waits_ms, 1e3 * USERS / RATE)
    rows = [
        ("computed truth", len(true), exact(true)),
        ("the server's own clock, our load", len(paid), exact(by_server_ms)),
        ("ours", len(paid), recorded(paid)),
        ("Locust, closed users: each request", len(waits_ms), exact(waits_ms)),
        ("Locust, closed users: its summary", len(waits_ms), summary),
        ("the same, corrected", len(filled), exact(filled)),
    ]
    print(f"{'':<36}{'requests':>9}{'p50 ms':>11}{'p99 ms':>11}{'max ms':>11}   off the truth")
    for name, number, figures in rows:
        cells = "".join(f"{figure:>11,.2f}" for figure in figures)
        off = "  ".join(
            f"{100 * (each / other - 1):+.1f} %"
            for each, other in zip(figures, rows[0][2], strict=True)
        )
        print(f"{name:<36}{number:>9,}{cells}   {off}")
    print(
        "The server's own clock counts from each intended start to the answer on its way: what it "
        "adds to the\ntruth is this machine's doing; what ours adds to it is the way back and our "
        "client."
    )


if __name__ == "__main__":
    main()
